"""Secrets where one program's notation puts them: curl, HAProxy, mosquitto, access logs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsdiag.sensitive.spans import EDGE, ENTRY, NONCE, QUOTED, Hit, closing

_CURL = re.compile(r"(?<![\w-])(?:-[uU]|--(?:proxy-)?user|-b(?=\s*[$\"']))[ =]*")
_MOSQUITTO = re.compile(r"\bk\d{1,5}, u'(?P<secret>[^']+)'")
# `host - user [time]` of an access log, where a remote user's name has no field name before it.
_REMOTE_USER = re.compile(
    r"(?:^|\s)[\w.:-]+ - (?P<user>[^\s\"\[\]]{1,128})"
    r" \[\d\d(?:/[A-Z][a-z]{2}/\d{4}:|\d\d-\d\d-\d\d[T ])"
)
# HAProxy's httplog: two captured cookies before the termination state, captured headers after it.
_HAPROXY = re.compile(
    r"(?: -?\d+(?:/-?\d+){3}/\+?\d+ -?\d{1,3} \+?\d+) (?P<asked>\S+) (?P<given>\S+) [A-Za-z-]{4}"
    r"(?: \d+(?:/\+?\d+){4} \d+/\d+)?(?P<headers>(?: \{[^{}]*\}){0,2})"
)
_CAPTURE = re.compile(r"[^{}|]+")
_MIXED = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[\w~+=-]{12,}")


def commands(view: str) -> Iterator[Hit]:
    """Users, passwords and cookies among the options of curl."""
    for found in _CURL.finditer(view):
        if quoted := QUOTED.match(view, found.end()):
            start, end = quoted.end(), closing(view, quoted[1], quoted.end())
        else:
            edge = EDGE.search(view, found.end())
            start, end = found.end(), edge.start() if edge else len(view)
        if found.group().startswith("-b") and "=" in view[start:end]:
            yield Hit(start, end, "cookie")
        elif ":" in view[start:end]:
            yield Hit(start, end, "credentials")


def records(view: str) -> Iterator[Hit]:
    """Users and captured headers where a log's format puts them without a name."""
    for found in _MOSQUITTO.finditer(view):
        yield Hit(*found.span("secret"), "user")
    for found in _REMOTE_USER.finditer(view):
        if found["user"] != "-":
            yield Hit(*found.span("user"), "user")
    for found in _HAPROXY.finditer(view):
        yield from _captured(view, found)


def _captured(view: str, found: re.Match[str]) -> Iterator[Hit]:
    """What HAProxy captured: cookies, and headers without their names."""
    for cookie in ("asked", "given"):
        name, sign, _ = found[cookie].partition("=")
        if sign:
            yield Hit(found.start(cookie) + len(name) + 1, found.end(cookie), "cookie")
    for part in _CAPTURE.finditer(view, *found.span("headers")):
        if NONCE.fullmatch(part.group().strip()):
            continue
        if re.match(r"\s*[\w.-]+=[^;]", part.group()):
            yield Hit(*part.span(), "cookie")
        for entry in ENTRY.finditer(view, *part.span()):
            if _MIXED.fullmatch(entry.group()) and not NONCE.fullmatch(entry.group()):
                yield Hit(*entry.span(), "token")
