"""Which phrases of the vocabulary a line means.

Truth before coverage: most lines of a real log are about something else, so a phrase that other
programs also write counts only when the line points at a WebSocket or at one connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from wsdiag.event import Kind
from wsdiag.sources.line import field_names
from wsdiag.sources.line import fields as of
from wsdiag.sources.prose import vocabulary as v
from wsdiag.sources.prose.statements import Line
from wsdiag.sources.prose.vocabulary import Need, Phrase

Found = tuple[Phrase, re.Match[str]]
_LEADING_CLOSE = re.compile(
    r"^\W*(?:(?:the|ws|app|peer|client|server|remote|connection|conn|socket|session|\w*websocket"
    r"|sent|send|sending|received|got|a)\b"
    r"[ :]*(?:connection |client |socket )?(?:\S{1,60} )??){0,3}(?:is |was |has been )?"
    r"(?:on[ _]?)?(?:clos(?:e[ds]?|ing)|disconnect(?:ed|ing)?)\b"
)
_FIELD_BEFORE = re.compile(r"([\w-]+)[=:]\"?$")
_PLURAL = re.compile(r"\s+[a-z]+(?:[^s\W]s|[sxz]es)\b(?<!\bis)(?<!\bwas)(?<!\bhas)")
_DENIED_BEFORE = 12
"""So near before a statement a word of denial is about it."""

_PATH_BEFORE = re.compile(r"(?:^|[\s|,;=:\"'(\[{<])(?:[a-z]+://[^\s/]+)?/(?:[^\s|,;=\"'/]+/)*$")

_EXCEPTION = re.compile(r"^\W*(?:caused by: )?(?:[a-z]\w*\.){2,}\w*(?:exception|error): ")
"""The full name of an exception, as Java and .NET write it before what it says."""

_AFFIRMED = {Kind.OPEN, Kind.PONG}
_DENIED = re.compile(r"\b(?:not|never|cannot|unable|fail(?:ed|s)? to)\b|n't\b")
"""What turns such a statement round: "socket is not connected", "didn't receive pong"."""

ENDS = {Kind.CLOSE, Kind.END}
FAILED = {Kind.REJECTED, Kind.REFUSED}
_SILENCED = (
    # where a line says one of these …                … it does not also say these
    (ENDS, {Kind.OPEN, Kind.ATTEMPT, Kind.PING, Kind.PONG, Kind.SERVER_STOP, Kind.SERVER_START}),
    (ENDS | FAILED, {Kind.ERROR, Kind.AUTH, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE, Kind.MESSAGE}),
    (
        {Kind.HEARTBEAT_TIMEOUT, Kind.REJECTED},
        {Kind.TIMEOUT, Kind.ERROR, Kind.PING, Kind.PONG, Kind.MESSAGE},
    ),
    (
        {Kind.SERVER_START, Kind.STALL, Kind.BACKPRESSURE, Kind.ERROR, Kind.TIMEOUT},
        {Kind.OPEN, Kind.MESSAGE},
    ),
    ({Kind.ERROR, Kind.TIMEOUT}, {Kind.ATTEMPT}),
    ({Kind.OPEN, Kind.PING, Kind.PONG, Kind.AUTH, Kind.TOKEN, Kind.RESPONSE}, {Kind.MESSAGE}),
)


def phrases(line: Line) -> Iterator[Found]:
    """The first phrase of each family that the line means."""
    for family in v.candidates(line.low):
        for phrase in family:
            match = phrase.search(line.low)
            if not match or _is_in_a_path(match) or _is_denied(phrase, match):
                continue
            if _may_say(line, phrase, match):
                yield phrase, match
                break


def _may_say(line: Line, phrase: Phrase, match: re.Match[str]) -> bool:
    """True when what the phrase needs beside its words is there."""
    needs = phrase.needs
    if needs is Need.NOTHING:
        return True
    if line.foreign:
        return False
    if needs is Need.CONNECTION:
        return line.pointed
    if needs is Need.CLOSE_CODE:
        return _is_code(match, line)
    if needs is Need.CLOSE_FIELD:
        return of.close_code(line.said) is not None
    if needs is Need.CLOSE_OF_ONE:
        return line.tells_close_of_one
    if needs is Need.NO_BUSINESS:
        return not line.business or "close code" in line.low
    return needs is Need.NOT_FOREIGN or line.pointed or _is_bare(match, line.low)


def _is_in_a_path(match: re.Match[str]) -> bool:
    """True for a word that is a part of a path: "GET /rooms/forbidden" forbids nothing."""
    whole = not any(map(str.isspace, match.group()))
    return whole and bool(_PATH_BEFORE.search(match.string, 0, match.start()))


def _is_denied(phrase: Phrase, match: re.Match[str]) -> bool:
    """True where the line says that this did not happen."""
    start = max(0, match.start() - _DENIED_BEFORE)
    return phrase.kind in _AFFIRMED and bool(_DENIED.search(match.string, start, match.end()))


def _is_code(match: re.Match[str], line: Line) -> bool:
    """True when the number beside a close word is a close code, not a count, a price or an id."""
    code = int(match["code"])
    named = _FIELD_BEFORE.search(line.low, 0, match.start("code"))
    if named and named[1].replace("_", "").replace("-", "") not in field_names.CODE:
        return False
    if not (1000 <= code <= 1015 or 3000 <= code <= 4999):
        return False
    if line.low[match.start("code") - 2 : match.start("code")] in {"=-", " -"}:
        return False  # an error of Apple's, as NSURLErrorDomain Code=-1005
    if line.websocket:
        return True
    if line.business or _PLURAL.match(line.low, match.end("code")):
        return False
    return line.pointed or bool(_LEADING_CLOSE.match(line.low))


def _is_bare(match: re.Match[str], low: str) -> bool:
    """True when the line is hardly more than the phrase, behind the name of an error."""
    before = _EXCEPTION.sub("", low[: match.start()])
    return len(before) <= 40 and len(low) - match.end() <= 80 and "/" not in before


def settled(found: Mapping[Kind, Found]) -> list[Found]:
    """Drop what a stronger statement of the same line already says."""
    kept = dict(found)
    if kept.keys() & FAILED:
        for kind in ENDS & kept.keys():
            if "code" not in kept[kind][1].groupdict():
                del kept[kind]
    if Kind.SERVER_STOP in kept and Kind.END in kept:
        del kept[Kind.END]
    silent = {kind for sayers, mute in _SILENCED if kept.keys() & sayers for kind in mute}
    return [pair for kind, pair in kept.items() if kind not in silent]
