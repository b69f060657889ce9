"""Secrets in URLs and form bodies: credentials, and every value not known to be harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsdiag.notation import DEEP_COLON, DEEP_EQUALS, DEEP_LINE, QUOTES
from wsdiag.sensitive.names import rule_of
from wsdiag.sensitive.spans import EDGE, Hit, Q, first

_USERINFO = re.compile(  # RFC 3986 section 3.2.1, and passwords with a raw / ? or # in them
    rf"(?<=[:{DEEP_COLON}]//)(?:[^\s/?#<>{QUOTES}]{{1,256}}|[^\s/@:{QUOTES}]{{0,64}}"
    rf"[:{DEEP_COLON}](?!\d{{1,5}}(?:[/?#\s]|$))[^\s@{QUOTES}]{{1,256}})(?=@)"
)
# It may begin with a quote that is encoded as a part of it.
_QUERY = re.compile(
    rf"(?<![(?\\*+])\?[\w%{QUOTES[7]}{QUOTES[12]}](?:[^\s<>#{QUOTES}{DEEP_LINE}]|{Q}(?=\w))++"
)
_FORM = re.compile(r"&[\w.%\[\]-]{1,64}=")
_HARMLESS = {
    "EIO": re.compile(r"\d"),
    "transport": re.compile(r"websockets?|polling|webtransport|serversentevents|longpolling", re.I),
    "vsn": re.compile(r"[\d.]{1,8}"),
    "protocol": re.compile(r"[\d.]{1,4}"),
    "version": re.compile(r"[\d.]{1,8}"),
    "v": re.compile(r"[\d.]{1,8}"),
    "clientProtocol": re.compile(r"[\d.]{1,4}"),
    "negotiateVersion": re.compile(r"\d"),
}


def userinfo(view: str) -> Iterator[Hit]:
    """`user:password` before a host."""
    for found in _USERINFO.finditer(view):
        yield Hit(*found.span(), "credentials")


def queries(view: str) -> Iterator[Hit]:
    """The values of every query string that follows a `?`."""
    for found in _QUERY.finditer(view):
        yield from parameters(view, found.start() + 1, found.end())


def parameters(view: str, start: int, end: int, bare: bool = True) -> Iterator[Hit]:
    """The values of a query string or form; a query without names is one value."""
    end -= len(view[start:end]) - len(view[start:end].rstrip(".,;:)]}" + DEEP_LINE))
    while start < end:
        stop = min(end, first(view, start, "&"))
        sign = min(first(view, start, "="), first(view, start, DEEP_EQUALS))
        name, value = view[start:sign], view[sign + 1 : stop]
        if sign >= stop:
            if bare and stop - start >= 6:
                yield Hit(start, stop, "query")
        elif value and not (name in _HARMLESS and _HARMLESS[name].fullmatch(value)):
            yield Hit(sign + 1, stop, rule_of(name))
        start = stop + 1


def forms(view: str) -> Iterator[Hit]:
    """Form bodies and query strings that stand without their URL: `a=b&c=d`."""
    at = 0
    while found := _FORM.search(view, at):
        start = found.start()
        while start > at and not EDGE.match(view, start - 1):
            start -= 1
        edge = EDGE.search(view, found.end())
        at = edge.start() if edge else len(view)
        yield from parameters(view, start, at, bare=False)
