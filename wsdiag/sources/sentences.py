"""What a free-form application message says about a WebSocket connection or its server.

Applications log what they like: prose, key=value, JSON with any field names. The phrases are data,
in `vocabulary.py`; the fields are read by `fields.py`; here they become EVENT rows.

Truth before coverage: most lines of a real log are about something else, so a phrase that other
programs also write counts only when the line points at a WebSocket or at one connection.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from wsdiag import redact
from wsdiag.event import Dir, Kind
from wsdiag.sources import fields as of
from wsdiag.sources import vocabulary as v
from wsdiag.sources.fields import split_fields
from wsdiag.sources.vocabulary import Need, Phrase

__all__ = ["rows_of", "speaks_as_client", "split_fields"]

Row = dict[str, object]
Found = tuple[Phrase, re.Match[str]]

_READ = 2_000
"""Characters of a message that are read; what follows is payload or a stack."""

_SAYING_FIELDS = (
    "err",
    "error",
    "err.message",
    "error.message",
    "exception",
    "exc",
    "cause",
    "reason",
)
_EVENT_FIELDS = ("event", "evt", "event_type", "eventType", "type", "action", "op", "kind")
_LOGFMT = re.compile(r"^[\w.]+=\S*(?: [\w.]+=|$)")
_EVENT_NAME = re.compile(r"^[A-Za-z]+(?:[_.:-][A-Za-z]+)*(?=$|\s+\w+[=:])")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TAGS = re.compile(r"^(?:\[[A-Za-z_:. -]{1,60}\]\s*)+(?=\S)")
_FRAME = re.compile(
    r"^(?P<side>server|client) (?P<way>[<>]) Frame\(fin=(?P<fin>True|False), opcode=(?P<opcode>\d+), "
    r"data=(?P<data>b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\")"
)
_ELIDED = re.compile(rb"\.\.\.(\d+) bytes$")
_FRAME_KINDS = {1: Kind.MESSAGE, 2: Kind.MESSAGE, 8: Kind.CLOSE, 9: Kind.PING, 10: Kind.PONG}

_BARE = re.compile(
    r"^(?:\w*(?:error|exc|err|read|write|exception)\w*\W+)*"
    r"(?:connect |read |write |dial tcp |read tcp |write tcp |\[errno |econn|connection re|eof)"
)
"""Nothing but an error of the network, so it is as much about a WebSocket as the log is."""
_ADDRESS = re.compile(
    r"(?<![\w./:-])(?:\[?(?P<v6>::ffff:[\d.]+|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})\]|"
    r"(?P<v4>\d{1,3}(?:\.\d{1,3}){3})):(?P<port>\d{1,5})(?![\w.]*\.\d)",
    re.IGNORECASE,
)
_ADDRESS_PAIR = re.compile(r"\btcp (\S+?:\d+)->(\S+?:\d+)(?=[:\s]|$)")
_ADDRESS_TUPLE = re.compile(r"[(\[]'(?P<v4>[\d.]{7,15})', (?P<port>\d{1,5})[)\]]")
_TOWARDS = re.compile(
    r"(?:\bto|\bon|\bat|upstream|backend|listening|refused|econnrefused|://|\bhost)\W*$"
)
_LEADING_CLOSE = re.compile(
    r"^\W*(?:(?:the|ws|app|peer|client|server|remote|connection|conn|socket|session|\w*websocket)\b"
    r"[ :]*(?:connection |client |socket )?(?:\S{1,60} )??)?(?:is |was |has been )?"
    r"(?:on_?)?(?:clos(?:e[ds]?|ing)|disconnect(?:ed|ing)?)\b"
)
_PLURAL = re.compile(r"\s+[a-z]+(?:[^s\W]s|[sxz]es)\b(?<!\bis)(?<!\bwas)(?<!\bhas)")
_BY = re.compile(
    r"\b(?:closed|terminated|disconnected|kicked|dropped|aborted) by (?:the )?(?:remote )?(client|server)\b"
    r"|\b(client|server) (?:closed|initiated (?:the )?close|sent (?:a )?close|requested (?:a )?close)\b"
)
_STATUS_LINE = re.compile(
    r"\b([45]\d\d) (?:internal server error|bad gateway|bad request|unauthorized|forbidden|not found"
    r"|service (?:temporarily )?unavailable|gateway time-?out|upgrade required|too many requests)"
)
_AFTER_CODE = re.compile(
    r"[\s:,;/|)\]*'—–-]*(?:\((?P<inner>[^)]*)\)[\s:,;.'—–-]*)?"
    r"(?:\"(?P<quoted>[^\"]*)\"|(?P<plain>[^\"{=<]*))"
)
_PAIR_NEXT = re.compile(
    r"^[\s,;]*[\"']?(?:reason|was_?clean|code|clients?|conn\w*|\w+_id)[\"']?\s?[:=]", re.I
)
_REASON_ENDS = re.compile(
    r";| - goodbye|(?:^|,? )(?:attempting|reconnecting|retrying|will |scheduling)| -\+-"
)
_LIVED = re.compile(
    r"\b(?:lifetime|lived|duration|after|open for|connected for)\W{1,3}"
    r"(?P<wait>\d+(?:\.\d+)?\s?(?:ms|milliseconds?|s|secs?|seconds?|m|min|minutes?|h|hours?)\b)"
    r"(?! ?(?:of )?(?:idle|inactiv|silen|without))"
)
_TOOK = re.compile(
    r"\b(?:in|took|rtt|latency)\W{1,3}(?P<wait>\d+(?:\.\d+)?\s?(?:ms|s|secs?|seconds?)\b)"
)
_IDS = (
    re.compile(r"^\[(?P<id>\d{6,20})\] (?=(?:dis)?connect|auth|did not|client)", re.IGNORECASE),
    re.compile(r"\bconnected from \S+ as (?P<id>[\w.-]{1,64}) \(p\d"),
    re.compile(
        r"^(?P<id>[\w-]{4,40}): (?=client is gone|sending packet|received packet|upgrade to"
        r"|received request|unexpected error)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:client|connection|conn|socket|session|peer|sid)(?:[ _]?id)?(?: is)?[ :=#]+['\"\[(<]?"
        r"(?P<id>(?!\d+(?:ms|s)?\b(?= ?(?:ms|s|bytes)\b))(?![\d.]+[.:]\d)"
        r"(?=[\w-]*\d|[\w-]{15,})[\w-]{1,80})(?![\w.]*[.:]\d)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:dis)?connect(?:ed|ion)? (?:with id )?(?P<id>(?=\S*\d|\S*[a-z][A-Z])[\w-]{16,40})(?=\s|$)"
    ),
    re.compile(r"\b(?P<id>conn[_-]\w*\d\w*)\b", re.IGNORECASE),
)
_PROSE_USER = re.compile(
    r"\buser(?:[ _]?id)?[ :=#]+['\"]?(?P<user>[\w.@+-]+)['\"]? (?:has |is |was |just )?"
    r"(?:re)?(?:dis)?(?:connected|joined|left|authenticated|closed)",
    re.IGNORECASE,
)
_QUERY_USER = re.compile(r"[?&](?:user|uid|user_?id|username)=(?P<user>[^\s&\"'#]+)", re.IGNORECASE)
_URL_PATH = re.compile(r"\bwss?://[^\s/\"'?#,)]+(?P<path>/[^\s\"'?#,)]*)?", re.IGNORECASE)
_BARE_PATH = re.compile(
    r"(?:^|[\s\"'(=])(?P<path>/[\w.~%:@+-]*(?:/[\w.~%:@+-]*)*)(?=$|[\s\"'?#),])"
)
_MEMORY = re.compile(
    r"\b(?:rss|(?:process |resident )?memory(?: usage| used| rss)?)\W{0,3}(?P<bytes>\d+(?:\.\d+)? ?[kmg]i?b)\b"
)

_ENDS_OF_LIFE = {Kind.CLOSE, Kind.END}
_FAILED = {Kind.REJECTED, Kind.REFUSED}
_OF_THE_PROCESS = {Kind.SERVER_START, Kind.SERVER_STOP, Kind.RELOAD, Kind.MEMORY, Kind.STALL}
_SHORTEST_STALL_MS = 50.0


def rows_of(message: str, fields: Mapping[str, object]) -> list[Row]:
    """The EVENT rows (column name → value) that a message and its structured fields state.

    The rows carry no time, vantage, source or position. `fields` is flat (nested keys joined by
    dots). A line that says nothing about a connection or its server gives no row.
    """
    text = _statement(message, fields)
    low = _lower(text)
    if not any(stem in low for stem in v.GATE):
        return []
    pairs = split_fields(message)
    if _LOGFMT.match(message):
        text = _statement(pairs.get("msg") or pairs.get("message") or "", {**pairs, **fields})
        low = _lower(text)
    said = of.spread(fields, pairs)
    frame = _FRAME.match(text)
    if frame:
        return [_frame_row(frame)]
    if v.ECHO.search(low):
        return []
    tags = _TAGS.match(text)
    if tags:
        text, low = text[tags.end() :], low[tags.end() :]
    where = " ".join(said[name] for name in of.WHERE if name in said)
    around = f"{tags[0] if tags else ''}{where}".lower()
    found = _settled(_phrases(text, low, around, said))
    rows = [row for phrase, match in found for row in _rows(phrase, match, text, said)]
    return rows or _figures(low, said)


def speaks_as_client(message: str, fields: Mapping[str, object]) -> bool:
    """True when only a client writes such a sentence: reconnecting, onclose, connecting to ws://."""
    low = _lower(_statement(message, fields))
    if v.CLIENT_SPEECH.search(low) and not v.FOREIGN.search(low):
        return True
    return any(name.lower() in {"wasclean", "was_clean"} for name in fields)


# -- from a message to its phrases --


def _statement(message: str, fields: Mapping[str, object]) -> str:
    """What the line says: the message (or the event's name) and its error and reason fields."""
    text = message[:_READ].strip()
    if fields:
        if not text:
            named = (fields.get(name) for name in _EVENT_FIELDS)
            text = next((str(value)[:_READ] for value in named if value), "")
        for name in _SAYING_FIELDS:
            value = fields.get(name)
            if isinstance(value, str) and value and value not in text:
                text = f"{text}; {value[:_READ]}"
    event = _EVENT_NAME.match(text)
    if event:
        spaced = _HUMP.sub(" ", re.sub(r"[_.:-]", " ", event[0]))
        text = spaced + text[event.end() :]
    return text


def _lower(text: str) -> str:
    """Lower case without a change of length, so that places in it are places in the text."""
    low = text.lower()
    return (
        low
        if len(low) == len(text)
        else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)
    )


def _phrases(text: str, low: str, around: str, said: Mapping[str, str]) -> Iterator[Found]:
    """The first phrase of each family that the line means; `around`: its tags and logger."""
    whole = f"{low} {around}" if around else low
    foreign = bool(v.FOREIGN.search(whole))
    websocket = bool(v.ABOUT_WEBSOCKET.search(whole))
    pointed = (
        websocket or of.names_a_connection(said) or bool(_prose_peer(text) or _BARE.match(low))
    )
    for family in v.PHRASES:
        for phrase in family:
            if not any(stem in low for stem in phrase.stems):
                continue
            if foreign and phrase.needs is not Need.NOTHING:
                continue
            if phrase.needs is Need.CONNECTION and not pointed:
                continue
            match = phrase.pattern.search(low)
            if match is None:
                continue
            if phrase.needs is Need.CLOSE_CODE and not _is_code(match, low, websocket, pointed):
                continue
            if phrase.needs is Need.ERROR and not (pointed or _is_bare(match, low)):
                continue
            yield phrase, match
            break


def _is_code(match: re.Match[str], low: str, websocket: bool, pointed: bool) -> bool:
    """True when the number beside a close word is a close code, not a count, a price or an id."""
    code = int(match["code"])
    if not (1000 <= code <= 1015 or 3000 <= code <= 4999):
        return False
    if websocket:
        return True
    if v.BUSINESS.search(low) or _PLURAL.match(low, match.end("code")):
        return False
    return pointed or bool(_LEADING_CLOSE.match(low))


def _is_bare(match: re.Match[str], low: str) -> bool:
    """True when the line is hardly more than the phrase, behind the name of an error."""
    return match.start() <= 40 and len(low) - match.end() <= 80 and "/" not in low[: match.start()]


def _settled(found: Iterator[Found]) -> list[Found]:
    """Drop what a stronger statement of the same line already says."""
    kept = {phrase.kind: (phrase, match) for phrase, match in found}
    kinds = set(kept)
    if kinds & _FAILED:
        for kind in _ENDS_OF_LIFE:
            if kind in kept and "code" not in kept[kind][1].groupdict():
                del kept[kind]
    ended = bool(kept.keys() & _ENDS_OF_LIFE)
    decided = ended or bool(kinds & _FAILED)
    silent: set[Kind] = set()
    if ended:
        silent |= {
            Kind.OPEN,
            Kind.ATTEMPT,
            Kind.PING,
            Kind.PONG,
            Kind.SERVER_STOP,
            Kind.SERVER_START,
        }
        silent |= {Kind.SUBSCRIBE, Kind.UNSUBSCRIBE}
    if decided:
        silent |= {Kind.ERROR, Kind.AUTH}
    if kinds & {Kind.HEARTBEAT_TIMEOUT, Kind.REJECTED}:
        silent |= {Kind.TIMEOUT, Kind.ERROR, Kind.PING, Kind.PONG}
    if kinds & {Kind.SERVER_START, Kind.STALL, Kind.BACKPRESSURE, Kind.ERROR, Kind.TIMEOUT}:
        silent |= {Kind.OPEN}
    if kinds & {Kind.ERROR, Kind.TIMEOUT}:
        silent |= {Kind.ATTEMPT}
    if kinds & {Kind.SERVER_STOP}:
        silent |= {Kind.END}
    if len(kept) > 1:
        silent |= {Kind.MESSAGE}
    return [pair for kind, pair in kept.items() if kind not in silent]


# -- from a phrase to rows --


def _rows(phrase: Phrase, match: re.Match[str], text: str, said: Mapping[str, str]) -> list[Row]:
    """The row of one phrase, and the `end` beside a `close` that states the lifetime."""
    groups = {
        name.rstrip("0123456789"): text[slice(*match.span(name))]
        for name, value in match.groupdict().items()
        if value is not None
    }
    row: Row = {"kind": phrase.kind.value}
    row.update(phrase.fixed)
    side = groups.get("by", "").lower()
    if groups.get("reason"):
        row["reason"] = of.reason(groups["reason"])
    if "bytes" in groups:
        row["bytes"] = of.size(groups["bytes"])
    if "topic" in groups:
        row["topic"] = of.shown(groups["topic"], 200)
    if "conn" in groups:
        row["conn"] = of.connection_id(groups["conn"])
    stated = groups.get("wait") or (groups["ms"] + "ms" if "ms" in groups else None)
    row["ms"] = of.millis(stated) if stated else None
    if phrase.kind in _ENDS_OF_LIFE:
        rows = _closing(row, groups, match, text, said, side)
    else:
        rows = [row] if _complete(row, phrase.kind, groups, match, text, said) else []
    for each in rows:
        _add_identity(each, phrase.kind, text, said)
    return [{name: value for name, value in each.items() if value is not None} for each in rows]


def _closing(
    row: Row,
    groups: Mapping[str, str],
    match: re.Match[str],
    text: str,
    said: Mapping[str, str],
    side: str,
) -> list[Row]:
    """A `close` when the line tells a code, a reason or who closed; else an `end`."""
    low = match.string
    code = of.number(groups.get("code"), 1000, 4999) or _named_code(groups.get("named"))
    stated = of.first(said, of.CODE)
    code = code or of.number(stated, 1000, 4999)
    by = _BY.search(low)
    if by:
        side = side or by[1] or by[2]
    if "named" in groups and groups.get("code") and not row.get("reason"):
        groups = {**groups, "rest": f"({groups['named']})"}
    if "rest" in groups:
        row["reason"] = _reason_in(groups["rest"])
    if row["kind"] == Kind.CLOSE.value and str(row.get("reason", "")).lower() in v.UNSAID:
        row["reason"] = None
    transport = row.get("reason") if row["kind"] == Kind.END.value else None
    said_reason = of.first(said, of.REASON)
    if code or said_reason or side or stated == "0" or row["kind"] == Kind.CLOSE.value:
        row["kind"] = Kind.CLOSE.value
        row["code"] = code
        given = row.get("reason") if not transport else None
        row["reason"] = given or of.reason(said_reason or of.first(said, of.ERROR) or "")
        if transport and not row["reason"]:
            row["reason"] = of.reason(groups.get("reason") or match[0])
        if str(row["reason"]).lower() in v.UNSAID:
            row["reason"] = None
        row["dir"] = _dir(side)
    lived = row.pop("ms", None) or _lifetime(low, said)
    if row["kind"] == Kind.END.value:
        return [{**row, "ms": lived}]
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
    low = match.string
    if kind is Kind.REJECTED:
        status = of.number(groups.get("code"), 300, 599) or of.number(
            of.first(said, of.STATUS), 300, 599
        )
        line = _STATUS_LINE.search(low)
        row["code"] = status or row.get("code") or (int(line[1]) if line else None)
        if not row.get("reason") and "code" in groups:
            row["reason"] = _reason_in(text[match.end() :])
        row["reason"] = row.get("reason") or of.reason(of.first(said, of.REASON) or "")
    elif kind is Kind.OPEN:
        took = _TOOK.search(low)
        row["ms"] = of.duration(said, of.HANDSHAKE, "ms") or (
            of.millis(took["wait"]) if took else None
        )
    elif kind is Kind.PONG:
        took = _TOOK.search(low)
        row["ms"] = of.duration(said, of.LATENCY, "ms") or (
            of.millis(took["wait"]) if took else None
        )
    elif kind is Kind.MESSAGE:
        row["ms"] = row["ms"] if row["ms"] is not None else of.duration(said, of.LATENCY, "ms")
        row["bytes"] = of.sizes(said, of.BYTES)
        row["topic"] = of.shown(of.first(said, of.TOPIC), 200)
        return row["ms"] is not None
    elif kind is Kind.STALL:
        row["ms"] = row["ms"] if row["ms"] is not None else of.duration(said, of.PAUSE, "ms")
        return not (isinstance(row["ms"], float) and row["ms"] < _SHORTEST_STALL_MS)
    elif kind in (Kind.HEARTBEAT_TIMEOUT, Kind.TIMEOUT):
        if row["ms"] is None:
            row["ms"] = of.duration(said, ("timeout", "after", "idle", "silence"), None)
    elif kind is Kind.BACKPRESSURE:
        row.setdefault("bytes", of.sizes(said, of.BYTES))
    elif kind in (Kind.SUBSCRIBE, Kind.UNSUBSCRIBE):
        row["topic"] = of.shown(of.first(said, of.TOPIC), 200) or row.get("topic")
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
    who = of.identity(said, loose_id=True)
    conn = row.get("conn") or who.get("conn") or _prose_conn(text, row.get("code"))
    row.update(who)
    row["conn"] = conn
    if "user" not in row:
        spoken = _PROSE_USER.search(text) or _QUERY_USER.search(text)
        row["user"] = redact.user(spoken["user"]) if spoken else None
    if "peer" not in row and not v.CLIENT_SPEECH.search(_lower(text)):
        row["peer"] = _prose_peer(text)
    if kind in (Kind.ATTEMPT, Kind.OPEN, Kind.REJECTED):
        row["name"] = _path(text, said)
        if "token" not in row:
            _add_credential(row, f"{text} {of.first(said, of.PATH) or ''}")


def _figures(low: str, said: Mapping[str, str]) -> list[Row]:
    """Rows of lines that are all figures: memory, a credential's expiry."""
    stated = _MEMORY.search(low)
    resident = of.sizes(said, of.MEMORY) or (of.size(stated["bytes"]) if stated else None)
    if resident is not None:
        return [{"kind": Kind.MEMORY.value, "bytes": resident}]
    if of.expiry_stated(said) and (of.names_a_connection(said) or v.ABOUT_WEBSOCKET.search(low)):
        who = of.identity(said, loose_id=True)
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
        row["trace"] = data[:125].hex() or None
    return {name: value for name, value in row.items() if value is not None}


# -- what stands in the prose --


def _dir(side: str) -> str | None:
    if side == "client":
        return Dir.C2S.value
    return Dir.S2C.value if side == "server" else None


def _named_code(name: str | None) -> int | None:
    return v.CLOSE_NAMES.get(re.sub(r"[\W_]", "", name.lower())) if name else None


def _reason_in(rest: str) -> str | None:
    """The reason in what follows a code: `(abnormal closure): unexpected EOF`, `"bye"`, ` bye`."""
    after = _AFTER_CODE.match(rest)
    if not after or _PAIR_NEXT.match(rest):
        return None
    plain = after["quoted"]
    if plain is None:
        plain = after["plain"] or ""
        if rest[after.end() : after.end() + 1] == "=":
            plain = plain.rpartition(" ")[0]
        plain = _REASON_ENDS.split(plain, maxsplit=1)[0]
    for text in (plain, after["inner"] or ""):
        text = text.strip(" \t.,:;|*)(]['\"—-")
        if text.lower() not in v.UNSAID:
            return of.reason(text)
    return None


def _lifetime(low: str, said: Mapping[str, str]) -> float | None:
    stated = of.duration(said, of.LIFETIME, None)
    if stated is not None:
        return stated
    lived = _LIVED.search(low)
    return of.millis(lived["wait"]) if lived else None


def _prose_conn(text: str, code: object) -> str | None:
    for pattern in _IDS:
        found = pattern.search(text)
        if found and found["id"] != str(code):
            return of.connection_id(found["id"])
    return None


def _prose_peer(text: str) -> str | None:
    """The client's address in the prose: of two ends of a socket the one with the passing port."""
    if ":" not in text and "'" not in text:
        return None
    ends = _ADDRESS_PAIR.search(text)
    if ends:
        ours, theirs = ends[1], ends[2]
        passing = _port(ours) >= 32768 > _port(theirs)
        return of.peer(ours if passing else theirs)
    for found in _ADDRESS.finditer(text):
        if not _TOWARDS.search(text[max(0, found.start() - 16) : found.start()].lower()):
            return of.peer(f"[{found['v6']}]:{found['port']}" if found["v6"] else found[0])
    found_tuple = _ADDRESS_TUPLE.search(text)
    return of.peer(f"{found_tuple['v4']}:{found_tuple['port']}") if found_tuple else None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _path(text: str, said: Mapping[str, str]) -> str | None:
    """The path of the handshake, without its query."""
    stated = of.first(said, of.PATH) or ""
    url = _URL_PATH.search(stated) or _URL_PATH.search(text)
    if url:
        return of.shown(url["path"] or "/", 200)
    bare = _BARE_PATH.search(stated) or _BARE_PATH.search(text)
    return of.shown(bare["path"], 200) if bare else None


def _add_credential(row: Row, text: str) -> None:
    raw = redact.find_token(text)
    if raw:
        row["token"] = redact.token(raw)
        expires = redact.jwt_times(raw)[1]
        if expires is not None:
            row.setdefault("expires", expires)
