"""Peel off what carried a log line: colours, containers, syslog, journald, compose, PM2, kubectl.

A wrapper knows when it took the line; that time serves where the line inside has none. Wrappers
nest (a container's log holds syslog lines), so peeling goes on until nothing is left to peel.
JSON wrappers (docker's json-file, journald's json) are peeled in `json_record.py`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wsdiag.sources.line import stamps
from wsdiag.sources.line.stamps import Stamp

MAX_DEPTH = 4
"""Wrappers within wrappers beyond this are content."""

MAX_PARTIAL_CHARS = 1 << 20
"""A container's line that is split into more than this is read in pieces."""

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_TAG = r"[^\s:\[\]{}\"'=]{1,64}"

# kubernetes pkg/kubelet/kuberuntime/logs/logs.go: `time stream P|F[:tags] content`
_CRI = re.compile(
    rf"(?P<time>{_ISO}(?:\.\d{{1,9}})?(?:Z|[+-]\d\d:\d\d)) (?P<stream>stdout|stderr) "
    r"(?P<part>[FP])(?::[^ ]*)? "
)
_TIMESTAMPS = re.compile(rf"(?P<time>{_ISO}\.\d{{9}}Z) ")  # docker logs -t, kubectl --timestamps
_RFC5424 = re.compile(
    r"<\d{1,3}>1 (?P<time>\S+) (?P<host>\S+) (?P<tag>\S+) \S+ \S+ "
    r'(?:-|(?:\[(?:[^\]\\"]|\\.|"(?:[^"\\]|\\.)*")*\])+)[ \ufeff]*'
)
# RFC 3164 and what rsyslog and journalctl make of it. With a process id the colon may be missing;
# in its place Heroku's Logplex writes the dyno (`app[web.1]:`).
_SYSLOG = re.compile(
    r"(?P<pri><\d{1,3}>)?(?:"
    rf"(?P<time>(?:[A-Z][a-z]{{2}}|{stamps.LOCAL_MONTH}) [ \d]\d \d\d:\d\d:\d\d(?:\.\d{{1,6}})?"
    rf"|{_ISO}(?:\.\d{{1,9}})?(?:Z|[+-]\d\d:?\d\d)"
    r"|[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Z]{2,5}"
    r"|1\d{9}\.\d{6})|\[ *\d+\.\d{6}\])"
    rf" (?:(?P<host>{_TAG}) )?(?P<tag>{_TAG})(?:(?P<pid>\[(?:\d+|[a-z]\w*\.\d+)\]):?|:) ?"
)
# kubetail: a pod's name ends with five of the letters that Kubernetes draws from
# (k8s.io/apimachinery, util/rand/rand.go), so that a tag is none.
_POD = r"\[[a-z0-9][a-z0-9.-]{0,200}-[bcdfghjklmnpqrstvwxz2456789]{5}\] "
_PREFIX = re.compile(
    r"\[pod/[^\]]+\] ?"  # kubectl logs --prefix
    rf"|{_POD}"
    r"|[\w.@-]{1,64} {1,40}\| ?"  # docker compose, docker service logs
)
_NUMBERED = re.compile(r"\d{1,5}\|[\w.-]{1,64} {1,40}\| ?")  # pm2 logs
WRAPPED = "^(?:{})".format(
    "|".join(
        re.sub(r"\(\?P<\w+>", "(?:", one.pattern)
        for one in (_CRI, _TIMESTAMPS, _RFC5424, _SYSLOG, _PREFIX, _NUMBERED)
    )
)
"""A pattern of each line that carries a wrapper; without named groups, for any engine."""

WRAPPED_ONCE = "^(?:{})".format(
    "|".join(
        re.sub(r"\(\?P<\w+>", "(?:", one)
        for one in (
            _CRI.pattern.replace("[FP]", "F"),
            _TIMESTAMPS.pattern,
            _RFC5424.pattern,
            _SYSLOG.pattern.replace(r":?|:) ?", ":?) ?"),
            r"\[pod/[^\]]+\] ?",
            _POD,
            r"[A-Za-z][\w.-]{0,63} {1,40}\| ?",
            _NUMBERED.pattern,
        )
    )
)
"""A pattern of wrappers that surely are such, around a whole line."""

IN_PARTS = "^" + re.sub(r"\(\?P<\w+>", "(?:", _CRI.pattern.replace("[FP]", "P"))
"""A pattern of a part of a line whose end is still to come."""

JSON_FILE = '{"log":"'
"""How a line of docker's json-file begins."""

IN_JSON_FILE = (
    r'^\{"log":"((?:[^"\\]|\\"|\\u00(?:26|3c|3e))*)\\n","stream":"std(?:out|err)",'
    rf'"time":"{_ISO}(?:\.\d{{1,9}})?Z"\}}$'
)
"""A pattern of whole lines in it; nothing in these is escaped but what `JSON_ESCAPES` has."""

JSON_ESCAPES = {r"\u0026": "&", r"\u003c": "<", r"\u003e": ">", r"\"": '"'}

ESCAPE = "#0"
_ESCAPED = re.compile(r"#0(?:11|12|33)")
_UNESCAPED = {"#011": "\t", "#012": "\n", "#033": "\x1b"}


class Peeled(NamedTuple):
    """A line without its wrappers.

    `stamp` is the innermost wrapper's time. `spoken` is the text for a reader of sentences: where
    a wrapper was only guessed (`Nov 22 23:45:36 ws closed: 1006` may be syslog), all but the time.
    """

    text: str
    stamp: Stamp | None
    spoken: str


def strip_colours(line: str) -> str:
    """The line without terminal escape sequences."""
    return _ANSI.sub("", line) if "\x1b" in line else line


class Unwrapper:
    """Peels the lines of one input; it joins the parts of lines that a container runtime split."""

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}

    def is_idle(self) -> bool:
        """True where no part of a line waits for the rest."""
        return not self._parts

    def peel(self, line: str) -> Peeled | None:
        """The line inside; None for a part of a line whose end is still to come."""
        text, stamp, spoken = line, None, ""
        for _ in range(MAX_DEPTH):
            first = text[:1]
            found: re.Match[str] | None = None
            if first.isdigit():
                found = _CRI.match(text)
                if found:
                    joined = self._join(found, text[found.end() :])
                    if joined is None:
                        return None
                    text, stamp, spoken = joined, stamps.parse(found["time"]), ""
                    continue
                found = _TIMESTAMPS.match(text) or _SYSLOG.match(text) or _NUMBERED.match(text)
            elif first == "<":
                found = _RFC5424.match(text) or _SYSLOG.match(text)
            elif first.isalpha() or first == "[":
                found = _PREFIX.match(text) or _SYSLOG.match(text)
            if not found or not found.end():
                break
            text, stamp, spoken = self._inside(found, text, stamp)
        return Peeled(text, stamp, spoken or text)

    def _join(self, found: re.Match[str], content: str) -> str | None:
        stream = found["stream"]
        content = self._parts.pop(stream, "") + content
        if found["part"] == "P" and len(content) < MAX_PARTIAL_CHARS:
            self._parts[stream] = content
            return None
        return strip_colours(content)

    def _inside(
        self, found: re.Match[str], text: str, outer: Stamp | None
    ) -> tuple[str, Stamp | None, str]:
        groups = found.groupdict()
        time = groups.get("time")
        stamp = (stamps.parse(time.partition(" ")[2]) or stamps.parse(time)) if time else None
        inner = text[found.end() :]
        if ESCAPE in inner and "tag" in groups:
            inner = strip_colours(_ESCAPED.sub(lambda part: _UNESCAPED[part.group()], inner))
        sure = "tag" not in groups or groups.get("pid") or text[0] == "<"
        spoken = "" if sure else text[found.end("time") if time else 0 :]
        return inner, stamp or outer, spoken
