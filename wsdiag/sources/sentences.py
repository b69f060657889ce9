"""What a free-form application message says about a WebSocket connection or its server.

Applications log what they like: prose, key=value, JSON with any field names. The phrases are data,
in `phrases.toml`; fields are read by `fields.py`, ids and reasons in the prose by `prose.py`; here
they become EVENT rows.

Truth before coverage: most lines of a real log are about something else, so a phrase that other
programs also write counts only when the line points at a WebSocket or at one connection.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from wsdiag.event import Dir, Kind
from wsdiag.redact import ping_payload
from wsdiag.sources import fields as of
from wsdiag.sources import prose
from wsdiag.sources import vocabulary as v
from wsdiag.sources.fields import split_fields
from wsdiag.sources.vocabulary import Need, Phrase

__all__ = ["rows_of", "speaks_as_client", "split_fields"]

Row = dict[str, object]
Found = tuple[Phrase, re.Match[str]]

_READ = 2_000
"""Characters of a message that are read; what follows is payload or a stack."""

_EVENT_FIELDS = (
    "event",
    "evt",
    "ev",
    "event_type",
    "eventType",
    "type",
    "action",
    "op",
    "what",
    "at",
    "kind",
)
_SAYING_FIELDS = (
    *("err", "error", "err.message", "error.message", "exception", "exc", "cause", "reason"),
    "value",
)
_LOGFMT = re.compile(r"^[\w.]+=\S*(?: [\w.]+=|$)")
_EVENT_NAME = re.compile(
    r"^(?![a-z]+\.[a-z.]*\w+Exception$)[A-Za-z]+(?:[_.:-][A-Za-z]+)*(?=$|\s+\w+[=:])"
)
"""Not the full name of a Java exception: its dots join a name, not words."""
_JOINT = re.compile(r"[_.:-]|(?<=[a-z])(?=[A-Z])")
_TAGS = re.compile(r"^(?:\[[A-Za-z_:. -]{1,60}\]\s*)+(?=\S)")
_LIFE = frozenset({Kind.ATTEMPT, Kind.OPEN, Kind.CLOSE, Kind.END})
_WEBSOCKET_TAG = re.compile(r"\b(?:ws|wss|websocket|web-?socket)\b")
_FRAME = re.compile(
    r"^(?P<side>server|client) (?P<way>[<>]) "
    r"Frame\(fin=(?P<fin>True|False), opcode=(?P<opcode>\d{1,2}), "
    r"data=(?P<data>b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\")"
)
_ELIDED = re.compile(rb"\.\.\.(\d{1,15}) bytes$")
_FRAME_KINDS = {1: Kind.MESSAGE, 2: Kind.MESSAGE, 8: Kind.CLOSE, 9: Kind.PING, 10: Kind.PONG}

_BARE = re.compile(
    r"^(?:[a-z]{3,20}(?: #?|[-_#])\d{1,9}:? )?"
    r"(?:(?:[\w.$:]*(?:error|exc|err|read|write|exception)\w*|upgrade|socket|client|ws|os|io"
    r"|link|line|channel|trouble|problem)\W+)*"
    r"(?:[a-z]\w*\.){0,6}(?:connect |read |write |dial tcp |read tcp |write tcp |\[errno |econn"
    r"|connection re|eof|socket hang up|software caused connection|unexpected eof|net::err_)"
)
"""Nothing but an error of the network, so it is as much about a WebSocket as the log is."""
_LEADING_CLOSE = re.compile(
    r"^\W*(?:(?:the|ws|app|peer|client|server|remote|connection|conn|socket|session|\w*websocket"
    r"|sent|send|sending|received|got|a)\b"
    r"[ :]*(?:connection |client |socket )?(?:\S{1,60} )??){0,3}(?:is |was |has been )?"
    r"(?:on[ _]?)?(?:clos(?:e[ds]?|ing)|disconnect(?:ed|ing)?)\b"
)
_SPEAKER = re.compile(r"\[?(?P<who>[a-z][a-z_.]{1,24}[-_#]?\d{1,9})(?:\]|:? )")
_SPEAKING = "speaker"
"""The mark of a phrase that leaves it to the line's beginning whose connection it is."""

_FIELD_BEFORE = re.compile(r"([\w-]+)[=:]\"?$")
_PLURAL = re.compile(r"\s+[a-z]+(?:[^s\W]s|[sxz]es)\b(?<!\bis)(?<!\bwas)(?<!\bhas)")
_BY = re.compile(
    r"\b(?:closed|terminated|disconnected|kicked|dropped|aborted) by "
    r"(?:the )?(?:remote )?(client|server)\b"
    r"|\b(client|server) (?:closed|(?:initiated|requested|sent) (?:the |a )?close)\b"
)
_STATUS_LINE = re.compile(
    r"\b([45]\d\d) (?:internal server error|bad gateway|bad request|unauthorized|forbidden"
    r"|not found|service (?:temporarily )?unavailable|gateway time-?out|upgrade required"
    r"|too many requests)"
)
_MEMORY = re.compile(
    r"\b(?:rss|(?:process |resident )?memory(?: usage| used| rss)?)\W{0,3}"
    r"(?P<bytes>\d{1,12}(?:\.\d+)? ?[kmg]i?b)\b"
)
_SHORTEST_STALL_MS = 50.0
_DENIED_BEFORE = 12
"""So near before a statement a word of denial is about it."""

_AFFIRMED = {Kind.OPEN, Kind.PONG}
_DENIED = re.compile(r"\b(?:not|never|cannot|unable|fail(?:ed|s)? to)\b|n't\b")
"""What turns such a statement round: "socket is not connected", "didn't receive pong"."""

_ENDS = {Kind.CLOSE, Kind.END}
_FAILED = {Kind.REJECTED, Kind.REFUSED}
_OF_THE_PROCESS = {Kind.SERVER_START, Kind.SERVER_STOP, Kind.RELOAD, Kind.MEMORY, Kind.STALL}
_FROM_A_PEER = {
    *(Kind.OPEN, Kind.REJECTED, Kind.CLOSE, Kind.END, Kind.HEARTBEAT_TIMEOUT, Kind.PING),
    *(Kind.PONG, Kind.AUTH, Kind.ERROR, Kind.BACKPRESSURE, Kind.TIMEOUT, Kind.MESSAGE),
}
_SILENCED = (
    # where a line says one of these …                … it does not also say these
    (_ENDS, {Kind.OPEN, Kind.ATTEMPT, Kind.PING, Kind.PONG, Kind.SERVER_STOP, Kind.SERVER_START}),
    (_ENDS | _FAILED, {Kind.ERROR, Kind.AUTH, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE, Kind.MESSAGE}),
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


def rows_of(message: str, fields: Mapping[str, object]) -> list[Row]:
    """The EVENT rows (column name → value) that a message and its structured fields state.

    The rows carry no time, vantage, source or position. `fields` is flat (nested keys joined by
    dots). A line that says nothing about a connection or its server gives no row.
    """
    if not v.GATE.search(message[:_READ].lower()) and not (fields and _fields_tell(fields)):
        return []
    line = _Line(message, fields)
    if "frame(" in line.low and (frame := _FRAME.match(line.text)):
        return [_frame_row(frame)]
    told = {phrase.kind: (phrase, match) for phrase, match in _phrases(line)}
    found = _settled(told)
    if found and v.ECHO.search(line.low):
        return []
    rows = [row for phrase, match in found for row in _rows(phrase, match, line)]
    _explain(rows, told, line.text)
    return rows or _figures(line)


def speaks_as_client(message: str, fields: Mapping[str, object]) -> bool:
    """True when only a client writes such a sentence: reconnecting, onclose, connecting to ws://."""
    low = _lower(_statement(message, fields))
    if v.CLIENT_SPEECH.search(low) and not v.FOREIGN.search(low):
        return True
    return any(name.lower() in {"wasclean", "was_clean"} for name in fields)


def names_its_connection(message: str) -> bool:
    """True when a message carries the id of its connection in a field: `conn=52e0`."""
    return "=" in message and of.names_a_connection(of.spread({}, split_fields(message)))


# -- from a message to its phrases --


class _Line:
    """One line, and what it is about; the costly questions are answered when first asked."""

    def __init__(self, message: str, fields: Mapping[str, object]) -> None:
        self.message = message
        self.fields = fields
        text = _statement(message, fields)
        if _LOGFMT.match(message):
            stated = self.pairs.get("msg") or self.pairs.get("message") or ""
            text = _statement(stated, {**self.pairs, **fields}) or text
        tags = _TAGS.match(text)
        self.tags = tags[0].lower() if tags else ""
        self.text = text[len(self.tags) :]
        if _WEBSOCKET_TAG.search(self.tags):
            self.text = f"ws {self.text}"  # "[ws] open feed=orders" leaves the subject to its tag
        self.low = _lower(self.text)

    @cached_property
    def pairs(self) -> dict[str, str]:
        pairs = split_fields(self.message)
        stated = pairs.get("msg") or pairs.get("message") or ""
        return {**split_fields(stated), **pairs} if "=" in stated else pairs

    @cached_property
    def said(self) -> dict[str, str]:
        return of.spread(self.fields, self.pairs)

    @cached_property
    def around(self) -> str:
        """The line with its tags and its logger, which tell of whom it speaks."""
        loggers = (self.said[name].lower() for name in of.WHERE if name in self.said)
        return " ".join((self.low, self.tags, *loggers))

    @cached_property
    def foreign(self) -> bool:
        return bool(v.FOREIGN.search(self.around))

    @cached_property
    def websocket(self) -> bool:
        path = of.first(self.said, of.PATH) or ""
        return bool(v.ABOUT_WEBSOCKET.search(f"{self.around} {path.lower()}"))

    @cached_property
    def business(self) -> bool:
        return bool(v.BUSINESS.search(self.low))

    @cached_property
    def pointed(self) -> bool:
        """True when the line points at a WebSocket or at one connection."""
        return bool(
            self.websocket
            or of.names_a_connection(self.said)
            or (self._coded and not self.business)
            or _BARE.match(self.low)
            or prose.CLIENT_ID.search(self.text)
            or prose.peer(self.text)
        )

    @property
    def tells_close_of_one(self) -> bool:
        """True when fields have the id of a connection and a close code, and none is of HTTP."""
        if of.close_code(self.said) is None or self.business:
            return False
        return of.names_one_connection(self.said)

    @cached_property
    def speaker(self) -> str | None:
        """The name behind which a client writes each of its lines: `[dev-07] link is up`."""
        found = _SPEAKER.match(self.low)
        return of.connection_id(found["who"]) if found else None

    @property
    def _coded(self) -> bool:
        """True when a close stands beside a field with a close code, or one for it and empty."""
        if not ("clos" in self.low or "disconnect" in self.low):
            return False
        stated = of.first(self.said, of.CODE)
        if stated is not None:
            return of.number(stated, 1000, 4999) is not None
        return any(
            name.lower() in {"code", "close_code", "closecode"}
            for name in {*self.fields, *self.pairs}
        )

    def may_say(self, phrase: Phrase, match: re.Match[str]) -> bool:
        """True when what the phrase needs beside its words is there."""
        needs = phrase.needs
        if needs is Need.NOTHING:
            return True
        if self.foreign:
            return False
        if needs is Need.CONNECTION:
            return self.pointed
        if needs is Need.CLOSE_CODE:
            return _is_code(match, self)
        if needs is Need.CLOSE_FIELD:
            return of.close_code(self.said) is not None
        if needs is Need.CLOSE_OF_ONE:
            return self.tells_close_of_one
        if needs is Need.NO_BUSINESS:
            return not self.business or "close code" in self.low
        return needs is Need.NOT_FOREIGN or self.pointed or _is_bare(match, self.low)


def _fields_tell(fields: Mapping[str, object]) -> bool:
    """True when a field that can carry a statement may hold a phrase."""
    for name in (*_EVENT_FIELDS, *_SAYING_FIELDS):
        value = fields.get(name)
        if isinstance(value, str) and v.GATE.search(value[:_READ].lower()):
            return True
    return of.tells_memory(fields)


def _statement(message: str, fields: Mapping[str, object]) -> str:
    """What the line says: the message (or the event's name) and its error and reason fields."""
    text = message[:_READ].strip()
    if fields:
        if not text:
            named = (fields.get(name) for name in _EVENT_FIELDS)
            text = next((str(value)[:_READ].strip() for value in named if value), "")
        for name in _SAYING_FIELDS:
            value = fields.get(name)
            if isinstance(value, str) and value and value not in text:
                text = f"{text}; {value[:_READ]}"
    event = _EVENT_NAME.match(text)
    return _JOINT.sub(" ", event[0]) + text[event.end() :] if event else text


def _lower(text: str) -> str:
    """Lower case without a change of length, so that places in it are places in the text."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)


def _phrases(line: _Line) -> Iterator[Found]:
    """The first phrase of each family that the line means."""
    for family in v.candidates(line.low):
        for phrase in family:
            match = phrase.search(line.low)
            if match and line.may_say(phrase, match) and not _is_denied(phrase, match):
                yield phrase, match
                break


def _is_denied(phrase: Phrase, match: re.Match[str]) -> bool:
    """True where the line says that this did not happen."""
    start = max(0, match.start() - _DENIED_BEFORE)
    return phrase.kind in _AFFIRMED and bool(_DENIED.search(match.string, start, match.end()))


def _is_code(match: re.Match[str], line: _Line) -> bool:
    """True when the number beside a close word is a close code, not a count, a price or an id."""
    code = int(match["code"])
    named = _FIELD_BEFORE.search(line.low, 0, match.start("code"))
    if named and named[1].replace("_", "").replace("-", "") not in of.CODE:
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
    before = low[: match.start()]
    return len(before) <= 40 and len(low) - match.end() <= 80 and "/" not in before


def _settled(found: Mapping[Kind, Found]) -> list[Found]:
    """Drop what a stronger statement of the same line already says."""
    kept = dict(found)
    if kept.keys() & _FAILED:
        for kind in _ENDS & kept.keys():
            if "code" not in kept[kind][1].groupdict():
                del kept[kind]
    if Kind.SERVER_STOP in kept and Kind.END in kept:
        del kept[Kind.END]
    silent = {kind for sayers, mute in _SILENCED if kept.keys() & sayers for kind in mute}
    return [pair for kind, pair in kept.items() if kind not in silent]


def _explain(rows: list[Row], told: Mapping[Kind, Found], text: str) -> None:
    """A refusal that gives no reason has that of the weaker statement beside it."""
    for row in rows:
        if row["kind"] in _FAILED and "reason" not in row:
            for kind in (Kind.AUTH, Kind.ERROR):
                match = told[kind][1] if kind in told else None
                if match and match.groupdict().get("reason"):
                    row["reason"] = of.reason(text[slice(*match.span("reason"))])
                    break


# -- from a phrase to rows --


def _rows(phrase: Phrase, match: re.Match[str], line: _Line) -> list[Row]:
    """The row of one phrase, and the `end` beside a `close` that states the lifetime."""
    text, said = line.text, line.said
    groups = {
        name.rstrip("0123456789"): text[slice(*match.span(name))]
        for name, value in match.groupdict().items()
        if value is not None
    }
    row: Row = {"kind": phrase.kind.value, **phrase.fixed}
    if groups.get("reason"):
        row["reason"] = of.reason(groups["reason"])
    if "bytes" in groups:
        row["bytes"] = of.size(groups["bytes"])
    if "conn" in groups:
        row["conn"] = of.id_told(match.group(), groups["conn"])
    stated = groups.get("wait") or (groups["ms"] + "ms" if "ms" in groups else None)
    row["ms"] = of.millis(stated) if stated else None
    if phrase.kind in _ENDS:
        rows = _closing(row, groups, match, text, said)
    else:
        rows = [row] if _complete(row, phrase.kind, groups, match, text, said) else []
    who = row.pop("who", None)
    if "who" in groups:
        who = of.id_told(match.group(), groups["who"])
    for each in rows:
        each.pop("who", None)
        _add_identity(each, phrase.kind, text, said)
        if who and each.get("conn") is None:
            each["conn"] = who if who != _SPEAKING else line.speaker or each.get("user")
    if who and phrase.kind is Kind.OPEN:
        rows = [each for each in rows if each.get("conn")]
    return [{name: value for name, value in each.items() if value is not None} for each in rows]


def _closing(
    row: Row,
    groups: Mapping[str, str],
    match: re.Match[str],
    text: str,
    said: Mapping[str, str],
) -> list[Row]:
    """A `close` when the line tells a code, a reason or who closed; else an `end`."""
    code = (
        of.number(groups.get("code"), 1000, 4999)
        or _named_code(groups.get("named"))
        or of.close_code(said)
    )
    by = _BY.search(match.string)
    side = groups.get("by", "").lower() or (by and (by[1] or by[2])) or ""
    given = of.first(said, of.REASON)
    lived = row.pop("ms", None) or of.duration(said, of.LIFETIME, None) or prose.lifetime(text)
    if row["kind"] == Kind.END.value and not (code or given or side):
        return [{**row, "ms": lived}]
    spoken = groups.get("reason", "")
    if given and spoken in given and "code" not in groups:
        spoken = ""  # the field tells it whole
    reason = (
        (prose.reason(groups["rest"]) if "rest" in groups else None)
        or prose.said_reason(spoken)
        or of.reason(given or "")
        or (of.reason(match[0]) if row["kind"] == Kind.END.value and "reason" in row else None)
        or of.reason(of.first(said, of.ERROR) or "")
    )
    dir_ = {"client": Dir.C2S.value, "server": Dir.S2C.value}.get(side)
    row.update(kind=Kind.CLOSE.value, code=code, reason=reason, dir=dir_ or row.get("dir"))
    return [row, {"kind": Kind.END.value, "ms": lived}] if lived is not None else [row]


def _complete(
    row: Row,
    kind: Kind,
    groups: Mapping[str, str],
    match: re.Match[str],
    text: str,
    said: Mapping[str, str],
) -> bool:
    """Add the columns that this kind carries; False when the row says nothing without them."""
    if kind is Kind.REJECTED:
        line = _STATUS_LINE.search(match.string)
        row["code"] = (
            of.number(groups.get("code"), 200, 599)
            or of.number(of.first(said, of.STATUS), 300, 599)
            or row.get("code")
            or (int(line[1]) if line else None)
        )
        if not row.get("reason"):
            after = prose.reason(text[match.end() :]) if "code" in groups else None
            stated = of.first(said, of.REASON) or of.first(said, of.ERROR) or ""
            row["reason"] = after or prose.said_reason(stated)
    elif kind is Kind.OPEN:
        row["ms"] = of.duration(said, of.HANDSHAKE, "ms") or prose.took(text)
    elif kind is Kind.PONG:
        row["ms"] = of.duration(said, of.LATENCY, "ms") or prose.took(text)
    elif kind is Kind.MESSAGE:
        row["ms"] = row["ms"] if row["ms"] is not None else of.duration(said, of.LATENCY, "ms")
        row["bytes"] = of.sizes(said, of.BYTES)
        row["topic"] = of.shown(of.first(said, of.TOPIC), 200)
        return row["ms"] is not None
    elif kind is Kind.STALL:
        row["ms"] = row["ms"] if row["ms"] is not None else of.duration(said, of.PAUSE, "ms")
        return not (isinstance(row["ms"], float) and row["ms"] < _SHORTEST_STALL_MS)
    elif kind in (Kind.HEARTBEAT_TIMEOUT, Kind.TIMEOUT) and row["ms"] is None:
        row["ms"] = of.duration(said, of.SILENCE, None)
    elif kind is Kind.BACKPRESSURE:
        row["bytes"] = row.get("bytes") or of.sizes(said, of.BYTES)
    elif kind in (Kind.SUBSCRIBE, Kind.UNSUBSCRIBE):
        row["topic"] = of.shown(of.first(said, of.TOPIC) or groups.get("topic"), 200)
        return row["topic"] is not None
    elif kind is Kind.AUTH:
        row["code"] = of.number(of.first(said, of.STATUS), 400, 499)
    elif kind is Kind.RESPONSE:
        row["code"] = of.number(groups.get("code"), 100, 599)
    return True


def _add_identity(row: Row, kind: Kind, text: str, said: Mapping[str, str]) -> None:
    """Add who: the ids and credentials of the fields, then those in the prose."""
    if kind in _OF_THE_PROCESS and "conn" not in row:
        return
    who = of.identity(said, kind in (Kind.TOKEN, Kind.AUTH))
    candidates = (row.get("conn"), who.get("conn"), prose.conn(text))
    who["conn"] = next((one for one in candidates if one and one != str(row.get("code"))), None)
    row.update(who)
    if "user" not in row:
        row["user"] = prose.user(text)
    if kind in _LIFE and "topic" not in row:
        row["topic"] = of.shown(of.first(said, of.TOPIC), 200)
    if "peer" not in row and kind in _FROM_A_PEER and not v.CLIENT_SPEECH.search(_lower(text)):
        row["peer"] = prose.peer(text)
    if kind in (Kind.ATTEMPT, Kind.OPEN, Kind.REJECTED):
        stated = of.first(said, of.PATH) or ""
        row["name"] = prose.path(stated, text)
        if "token" not in row:
            row.update({**prose.credential(f"{text} {stated}"), **_known(row)})


def _known(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _named_code(name: str | None) -> int | None:
    return v.CLOSE_NAMES.get(re.sub(r"[\W_]", "", name.lower())) if name else None


def _figures(line: _Line) -> list[Row]:
    """Rows of lines that are all figures: memory, a credential's expiry."""
    if not (line.fields or "rss" in line.low or "memory" in line.low or "exp" in line.low):
        return []
    said = line.said
    stated = _MEMORY.search(line.low)
    resident = of.sizes(said, of.MEMORY) or (of.size(stated["bytes"]) if stated else None)
    if resident is not None:
        return [{"kind": Kind.MEMORY.value, "bytes": resident}]
    if of.expiry_stated(said) and (of.names_a_connection(said) or line.websocket):
        who = of.identity(said)
        return [{"kind": Kind.TOKEN.value, **who}] if "expires" in who else []
    return []


def _frame_row(frame: re.Match[str]) -> Row:
    """The row of one frame, as the legacy websockets library traces it."""
    kind = _FRAME_KINDS.get(int(frame["opcode"]), Kind.MESSAGE)
    sent_by_server = (frame["side"] == "server") == (frame["way"] == ">")
    row: Row = {"kind": kind.value, "dir": (Dir.S2C if sent_by_server else Dir.C2S).value}
    try:
        data = ast.literal_eval(frame["data"])
    except (ValueError, SyntaxError):
        return row
    elided = _ELIDED.search(data)
    row["bytes"] = int(elided[1]) if elided else len(data)
    if kind is Kind.CLOSE:
        row["code"] = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
        row["reason"] = of.reason(data[2:].decode("utf-8", "replace"))
    elif kind is not Kind.MESSAGE and not elided:
        row["trace"] = ping_payload(data[:125])
    return _known(row)
