"""What the key=value pairs and JSON fields of a log line say: who, which code, how long.

Programs name the same thing in many ways (`closeCode`, `ws.close_code`, `statusCode`), so names are
compared without case and separators, whole first (`client.address`), then by their last part.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from wsdiag import redact

CODE = (
    *("wsclosecode", "closecode", "disconnectcode", "closestatus", "closestatuscode", "wscode"),
    *("code", "statuscode", "status"),
)
_CODE_LIKE = re.compile(
    r"(?:code|kode|status|wsc|^rc|(?:reason|why|cause|close)(?:num|number|id)?)$"
)
_CLOSE_CODES = frozenset(map(str, (*range(1000, 1004), *range(1005, 1016))))
STATUS = ("httpstatus", "responsestatus", "statuscode", "status", "code")
REASON = (
    *("closereason", "disconnectreason", "closedescription", "closestatusdescription"),
    *("wsreason", "reason", "description", "why", "note", "closetext", "reasontext", "whytext"),
    "whytxt",
)
ERROR = ("errmessage", "errormessage", "err", "error", "exception", "exc", "cause", "errmsg")
EVENT = ("event", "evt", "ev", "type", "action", "op", "msg", "message")
WHERE = ("logger", "loggername", "component", "module", "subsystem", "target", "system")
PATH = ("path", "url", "uri", "endpoint", "route")
LATENCY = (
    *("", "latency", "rtt", "roundtrip", "took", "elapsed", "delay", "pingms", "pongms"),
    *("delivery", "deliverytime", "messagelatency", "msglatency", "endtoend", "e2e"),
)
HANDSHAKE = (
    "",
    "handshake",
    "handshaketime",
    "connect",
    "connecttime",
    "took",
    "elapsed",
    "latency",
)
LIFETIME = (
    *("lifetime", "duration", "uptime", "age", "connected", "connectedfor", "sessionduration"),
    *("connectionduration", "connectiontime", "elapsed", "alive", "lived", "life", "up", "stayed"),
)
SILENCE = ("timeout", "after", "idle", "silence", "idlefor", "silentfor", "waited")
PAUSE = ("", "lag", "eventlooplag", "blocked", "blockedfor", "delay", "pause", "took", "duration")
BYTES = ("bytes", "size", "messagesize", "payloadsize", "length", "buffered", "bufferedamount")
MEMORY = ("rss", "rssbytes", "memoryrss", "memrss", "processrss")
TOPIC = ("topic", "channel", "room", "subscription", "destination", "feed", "stream")

_CONN_SURE = (
    *("conn", "connid", "connection", "connectionid", "cid", "wsid", "websocketid"),
    *("socket", "socketid", "sock", "sockid", "sid", "transportid"),
)
_CONN_WEAK = ("client", "clientid", "session", "sessionid", "sess", "peer", "remote", "remoteaddr")
_CONN = (*_CONN_SURE, "client", "clientid", "session", "sessionid", "sess")
_CREDENTIALS = frozenset({"sid", "session", "sessionid", "sess"})
"""A connection may be named by these, but in a URL or a cookie they let one in."""
_LEAST_SECRET = 8

_HTTP_FIELDS = frozenset({"method", "httpmethod", "verb", "useragent", "requestmethod"})
_USER = (
    *("user", "userid", "uid", "username", "sub", "account", "accountid", "email", "login"),
    *(
        "usr",
        "usrid",
        "device",
        "deviceid",
        "dev",
        "enduserid",
        "principal",
        "customerid",
        "memberid",
        "playerid",
        "player",
    ),
)
_PEER = (
    *("peer", "remote", "addr", "remoteaddr", "remoteaddress", "clientaddr", "clientaddress"),
    *("peeraddr", "client", "ip", "clientip", "remoteip", "from", "peername", "socketaddress"),
    *("networkpeeraddress", "address", "xforwardedfor"),
)
_PORT = ("port", "clientport", "remoteport", "peerport", "networkpeerport")
_TRACE = (
    *("requestid", "reqid", "rid", "xrequestid", "traceid", "traceparent"),
    *("correlationid", "xcorrelationid"),
)
_EXPIRES = ("tokenexp", "tokenexpires", "tokenexpiresat", "tokenexpiry", "jwtexp", "exp")
_EXPIRES_VAGUE = ("expires", "expiresat", "expiry", "expiration")
_TOKEN = ("token", "jwt", "accesstoken", "authtoken", "idtoken", "bearer")
_KEY = ("secwebsocketkey", "websocketkey", "wskey", "key")

_EQUALS = re.compile(
    r"(?:^|(?<=[\s{(\[,;|&?\"']))"
    r"[\"']?(?P<name>[A-Za-z_@][\w.@-]{0,47})[\"']?\s?=(?!=)\s?"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[\w.]+\((?:[^)\"']|\"[^\"]*\"|'[^']*')*\)"
    r"|[^\s,;&}\])\"']*)"
)
_COLON = re.compile(
    r"(?:(?:^|(?<=[\s{(\[,;|]))[\"'](?P<quoted>[A-Za-z_@][\w.@-]{0,47})[\"']\s?:\s?"
    r"|(?:^|(?<=[\s{(\[,;|]))(?P<plain>[A-Za-z_][\w.-]{0,47}):\s"
    r"|(?<=[{,])(?P<tight>[A-Za-z_][\w.-]{0,47}):)"
    r"\s*(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
    r"|-?\d[\w.:%µ-]*|[\w.-]+(?: [\w.-]+){0,7}(?=\s*[,}\])])|[\w.-]+$)"
)
_ESCAPED = re.compile(r"\\(.)")
_PAIRS_READ = 2_000
"""Characters of a message in which pairs are looked for."""

_NOTHING = frozenset({"", "-", "null", "none", "nil", "undefined", "<nil>", "n/a", "unknown", "{}"})
_NO_ID = frozenset(
    {
        "keep-alive",
        "close",
        "closed",
        "upgrade",
        "open",
        "websocket",
        "ws",
        "wss",
        "polling",
        "true",
    }
    | {"connected", "disconnected", "connecting", "false", "server", "client", "default", "gone"}
)
_UNLIKE_ID = re.compile(r"[\s(){}<>\"'`]")
_SEPARATORS = re.compile(r"[_\-]")
_SECONDS_OF = {
    **dict.fromkeys(("ns", "nanos", "nanoseconds", "nanosecond"), 1e-6),
    **dict.fromkeys(("us", "µs", "μs", "micros", "microseconds", "microsecond"), 1e-3),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "milliseconds", "millisecond"), 1.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1e3),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 6e4),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3.6e6),
}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*\(?(ns|µs|μs|us|[a-z]{1,12})?\)?")
_CLOCK = re.compile(r"^(\d{1,3}):(\d{2}):(\d{2}(?:\.\d{1,9})?)$")
_NAMED_UNIT = re.compile(r"(ns|us|ms|millis|milliseconds|s|secs?|seconds)$")
_SIZE = re.compile(r"^(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(i?b|i?bytes?|)$")
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_NONCE = re.compile(r"^[A-Za-z0-9+/]{22}==$")
_IPV4_PORT = re.compile(r"^(?:tcp4?:)?(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$")
_IPV6_PORT = re.compile(r"^(?:tcp6?:)?(?:\[([0-9A-Fa-f:.]+)\]|(::ffff:[\d.]+)):(\d{1,5})$")


def split_fields(message: str) -> dict[str, str]:
    """The key=value, logfmt and `key: value` pairs in a message; the first of a name wins."""
    text = message[:_PAIRS_READ]
    found: dict[str, str] = {}
    if "=" in text:
        for pair in _EQUALS.finditer(text):
            if pair.start() and text[pair.start() - 1] in "?&" and not _hidden(pair["name"]):
                continue  # what a query says is not shown, unless by a pseudonym
            found.setdefault(pair["name"], _unquoted(pair["value"]))
    if ":" in text:
        for pair in _COLON.finditer(text):
            name = pair["quoted"] or pair["plain"] or pair["tight"]
            found.setdefault(name, _unquoted(pair["value"]))
    return found


def _hidden(name: str) -> bool:
    """True for a field that is shown by a pseudonym only."""
    return _SEPARATORS.sub("", name.lower()) in {*_TOKEN, *_USER, *_CREDENTIALS}


def spread(fields: Mapping[str, object], pairs: Mapping[str, str]) -> dict[str, str]:
    """Fields and pairs under comparable names; what says nothing (null, empty) is left out."""
    said: dict[str, str] = {}
    tails: dict[str, str] = {}
    for source in (fields, pairs):
        for name, value in source.items():
            if value is None:
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text.lower() in _NOTHING:
                continue
            low = name.lower()
            said.setdefault(_SEPARATORS.sub("", low.replace(".", "")), text)
            if "." in low:
                tails.setdefault(_SEPARATORS.sub("", low.rsplit(".", 1)[1]), text)
    return {**tails, **said}


def first(said: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The value of the first of `names` that is there."""
    for name in names:
        value = said.get(name)
        if value is not None:
            return value
    return None


def close_code(said: Mapping[str, str]) -> int | None:
    """The close code of a field: by its name, or by its value where the name is like one."""
    stated = number(first(said, CODE), 1000, 4999)
    if stated is not None:
        return stated
    found = (text for name, text in said.items() if _CODE_LIKE.search(name))
    own = (text for text in found if text in _CLOSE_CODES or re.fullmatch(r"4\d{3}", text))
    return next(map(int, own), None)


def tells_memory(fields: Mapping[str, object]) -> bool:
    """True when a field is the resident memory of the process."""
    return any(("rss" in name and "mem" in name) or name[:3] == "rss" for name in fields)


def names_a_connection(said: Mapping[str, str]) -> bool:
    """True when a field carries the id of a connection, or of a client outside an HTTP request."""
    strong = first(said, _CONN_SURE)
    if strong is not None:
        return strong.lower() not in _NO_ID
    return first(said, _CONN_WEAK) is not None and not _HTTP_FIELDS & said.keys()


def names_one_connection(said: Mapping[str, str]) -> bool:
    """True when a field surely carries the id of a connection, and none is of an HTTP request."""
    strong = first(said, _CONN_SURE)
    return strong is not None and strong.lower() not in _NO_ID and not _HTTP_FIELDS & said.keys()


def identity(said: Mapping[str, str], of_credential: bool = False) -> dict[str, object]:
    """The columns that tell who, of a line about one connection: conn, user, peer, token, …

    `of_credential`: the line is about a credential, so that a mere `expires_at` is its expiry.
    """
    row: dict[str, object] = {
        "conn": _conn(said),
        "user": _user(first(said, _USER)),
        "peer": _peer(said),
        "trace": shown(first(said, _TRACE), 128),
        **credential(said, of_credential),
    }
    key = first(said, _KEY)
    if key and _NONCE.match(key):
        row["key"] = key
    return {name: value for name, value in row.items() if value is not None}


def credential(said: Mapping[str, str], vague: bool = False) -> dict[str, object]:
    """The columns `token` and `expires`."""
    row: dict[str, object] = {}
    token = first(said, _TOKEN)
    if token and len(token) >= 8 and " " not in token.strip():
        row["token"] = token if token.startswith("token-") else redact.token(token)
        row["expires"] = redact.jwt_times(token)[1]
    names = (*_EXPIRES, *_EXPIRES_VAGUE) if token or vague else _EXPIRES
    stated = first(said, names)
    if stated and (when := instant(stated)):
        row["expires"] = when
    return {name: value for name, value in row.items() if value is not None}


def expiry_stated(said: Mapping[str, str]) -> bool:
    """True when a field says by its name that it is the expiry of a credential."""
    return any(name in said for name in _EXPIRES)


def peer(text: str) -> str | None:
    """`ip:port` of a client as it may be shown; None for anything else and for port 0."""
    found = _IPV4_PORT.match(text)
    if found:
        return _shown_peer(found[1], found[2])
    found = _IPV6_PORT.match(text)
    return _shown_peer(found[1] or found[2], found[3]) if found else None


def number(text: str | None, low: int, high: int) -> int | None:
    """The whole number that `text` is, or begins with (`1006 (abnormal)`), when it is in range."""
    found = re.match(r"(?!-)\D{0,2}(\d{1,6})(?![\d.])", text) if text else None
    value = int(found[1]) if found else None
    return value if value is not None and low <= value <= high else None


def millis(text: str, unit: str | None = None) -> float | None:
    """A stated duration in ms: `12.3ms`, `1m30s`, `00:00:01`, `5 (s)`; bare: in `unit`."""
    plain = text.strip().strip("\"'~").lower().replace(",", "")
    clock = _CLOCK.match(plain)
    if clock:
        return float(clock[1]) * 3.6e6 + float(clock[2]) * 6e4 + float(clock[3]) * 1e3
    total, place = 0.0, 0
    while found := _AMOUNT.match(plain, place):
        scale = _SECONDS_OF.get(found[2] or unit or "")
        if scale is None:
            return None
        total, place = total + float(found[1]) * scale, found.end()
    return total if place and math.isfinite(total) else None


def duration(said: Mapping[str, str], names: tuple[str, ...], unit: str | None) -> float | None:
    """The first stated duration among `names`, in milliseconds; bare numbers are in `unit`.

    A unit at the end of the name (`latency_ms`, `durationSeconds`) counts before `unit`. A bare
    fraction of one says nothing: it may be milliseconds or seconds.
    """
    for name in names:
        if name in said and (value := millis(said[name], unit)) is not None:
            bare_fraction = value < 1 and said[name].replace(".", "").isdecimal()
            return None if bare_fraction else value
    for name, text in said.items():
        ending = _NAMED_UNIT.search(name)
        stem = name[: ending.start()] if ending else name
        if ending and stem in names and (value := millis(text, ending[1])) is not None:
            return value
    return None


def size(text: str | None, unit: str = "") -> int | None:
    """A stated size in bytes: `2097152`, `2 MB`, `1.5GiB` (1024 based)."""
    found = _SIZE.match(text.strip().lower().replace(",", "")) if text else None
    if not found:
        return None
    value = float(found[1]) * 1024 ** _POWER[found[2] or unit]
    return int(value) if value < 2**62 else None


def sizes(said: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    """The first stated size among `names` (`rss`, `rss_mb`), in bytes."""
    for name in names:
        for ending, unit in (("", ""), ("bytes", ""), ("kb", "k"), ("mb", "m"), ("gb", "g")):
            value = size(said.get(name + ending), unit)
            if value is not None:
                return value
    return None


@lru_cache(4096)
def instant(text: str) -> datetime | None:
    """A moment as epoch (seconds to nanoseconds) or ISO 8601 (no zone: UTC)."""
    plain = text.strip().strip("\"'")
    try:
        seconds = float(plain)
    except ValueError:
        try:
            moment = datetime.fromisoformat(plain)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    for _ in range(3):
        if seconds > 1e11:
            seconds /= 1e3
    return datetime.fromtimestamp(seconds, UTC) if 1e9 < seconds < 1e11 else None


@redact.remembered(4096)
def reason(text: str) -> str | None:
    """A close reason or error phrase as it may be shown."""
    plain = _unquoted(text.strip()).strip()
    for quote in "\"'":
        if plain.count(quote) == 1:
            plain = plain.strip(quote)
    return redact.Redactor().reason(plain)


@redact.remembered(4096)
def shown(text: str | None, limit: int) -> str | None:
    """A name or path as it may be shown: masked, and cut to `limit` characters."""
    return redact.Redactor().mask(text[: 2 * limit])[:limit].strip() or None if text else None


@redact.remembered(4096)
def connection_id(text: str) -> str | None:
    """A connection's id as it may be shown; what looks like a secret becomes a pseudonym."""
    plain = redact.sanitise(text).strip().strip("\"'<>[]()").rstrip(":,.;")
    if (
        not plain
        or _UNLIKE_ID.search(plain)
        or plain.lower() in _NO_ID
        or plain.lower() in _NOTHING
    ):
        return None
    try:
        return redact.address(str(_ip(plain)))
    except ValueError:
        pass
    if redact.is_pseudonym(plain):
        return plain
    if len(plain) > 64 or redact.Redactor().mask(plain) != plain:
        return redact.pseudonym("conn", plain)
    return plain


def id_told(words: str, text: str) -> str | None:
    """A connection's id as it may be shown; `words` are those of a sentence that hold it.

    Where they show that it lets one in, as a cookie, it is the pseudonym of a session; what is
    short lets nobody in.
    """
    found = connection_id(text)
    if found is None or found.isdecimal() or len(text) < _LEAST_SECRET:
        return found
    if text in redact.Redactor().mask(words):
        return found
    return redact.session(text)


def _conn(said: Mapping[str, str]) -> str | None:
    for name in (*_CONN, "id"):
        text = said.get(name)
        if text and " " not in text and not peer(text):
            found = connection_id(text)
            if found and name in _CREDENTIALS and not found.isdecimal():
                return redact.session(text)
            if found:
                return found
    return None


def _user(name: str | None) -> str | None:
    return redact.user(name) if name and len(name) <= 256 else None


def _peer(said: Mapping[str, str]) -> str | None:
    for name in _PEER:
        text = said.get(name)
        if not text:
            continue
        found = peer(text)
        if found:
            return found
        port = first(said, _PORT)
        if port and port.isdecimal():
            try:
                return _shown_peer(str(ipaddress.ip_address(text)), port)
            except ValueError:
                continue
    return None


def _shown_peer(ip: str, port: str) -> str | None:
    if not 0 < int(port) < 65536:
        return None
    try:
        return f"{_address(ip)}:{int(port)}"
    except ValueError:
        return None


@redact.remembered(1 << 16)
def _address(ip: str) -> str:
    return redact.address(str(_ip(ip)))


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(text)
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text
