"""The words a log format may use, and how they become columns of an event row.

A format's named groups (or a JSON record's mapped fields) are these words:

| word | meaning |
|---|---|
| `time` | the line's time, in any form of `stamps.py` |
| `started` | when it began, where the line states both ends |
| `s` `ms` `us` `ns` | the duration (of a tunnel: its life), in that unit |
| `lasted` | the same with its unit: `1m12.5s` |
| `handshake_s` `handshake_ms` | the duration of the upgrade alone: `ms` of an `open` row |
| `client` | the client's address, `ip`, `ip:port` or `[ip]:port`; or `ip` and `port` apart |
| `request` | the request line, `GET /path HTTP/1.1`; or `path` alone, with its query |
| `user` | a name: becomes a pseudonym |
| `conn` `key` `topic` `name` `reason` `code` `dir` `bytes` `vantage` | the column of that name |
| `sid` | a session's id, which is as good as a credential: its pseudonym becomes `conn` |
| `trace` `traceparent` | a request id; a W3C trace context, which wins |
| `captures` | any text in which a Sec-WebSocket-Key and a request id of 32 hex digits may stand |
| `message` | the text in which `match` searches |

Where neither is stated the `sid` of the path's query is the trace, as a pseudonym.

`websocket` is `yes` where the request asked for an upgrade as far as the line tells: it carries a
key, an `upgrade` field, or a path that WebSocket servers commonly use – by another method than POST
and the like, for a handshake is a GET (RFC 6455, section 4.1) or a CONNECT (RFC 8441, section 4),
and not to poll or to negotiate. Any other word is free: it may be used in `where` and as `{word}`
in a row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from wsdiag import paths, redact
from wsdiag.event import Dir, Vantage
from wsdiag.redact import Redactor
from wsdiag.sources.line import quantities
from wsdiag.sources.line.needles import Searches

WORDS = frozenset(
    {
        *("time", "started", "s", "ms", "us", "ns", "lasted", "handshake_s", "handshake_ms"),
        *("client", "ip", "port", "request", "method", "path", "user", "message", "captures"),
        *("conn", "key", "topic", "name", "reason", "code", "dir", "bytes", "vantage"),
        *("sid", "trace", "traceparent", "upgrade", "websocket"),
    }
)

MS = {"ms": 1.0, "s": 1000.0, "us": 0.001, "ns": 0.000001}
MAX_MS = 3.2e11
"""Ten years: a longer duration is a mistake of the log."""

MAX_KNOWN = 4_096
"""Texts of a kind that are remembered."""

WS_PATH = re.compile(paths.MAY_BE, re.IGNORECASE)

ASKING = ("GET", "CONNECT", "")
"""The methods of handshakes; a line need not tell it."""

POLLED = r"transport=polling|/negotiate\b"
"""The target of a request that is Socket.IO's or SignalR's own, beside a WebSocket."""
_POLLED = re.compile(POLLED)

KEY = r"[A-Za-z0-9+/]{21}[AQgw]=="
_KEY = re.compile(rf"(?<![A-Za-z0-9+/]){KEY}")
ASKS_FOR_UPGRADE = rf"(?i:{WS_PATH.pattern}|websocket)|{KEY}"
"""A pattern of which each line holds something whose word `websocket` is `yes`."""

TRACE = r"[0-9a-f]{32}"
_TRACE = re.compile(rf"(?<![0-9a-fA-F]){TRACE}(?![0-9a-fA-F])")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}")
ID = re.compile(r"[\w.:/=+*@#|$-]{1,80}")
PEER = re.compile(
    r"\[?(?P<ip>[0-9.]+|[0-9a-fA-F:]*::[0-9a-fA-F:.]*?|(?:[0-9a-fA-F]+:){7}[0-9a-fA-F]+)\]?"
    r"(?::(?P<port>\d{1,5}))?"
)
WORD = re.compile(r"\{(\w+)\}")
QUERY_USER = r"(?i:[?&](?:user|user_?id|uid|username)=([^&\s]+))"
"""A user as the query of a request names them."""
_query_user = re.compile(QUERY_USER).search
QUERY_SID = r"[?&]sid=([\w-]{8,64})"
"""A session of Engine.IO as the query of its requests names it."""
_query_sid = re.compile(QUERY_SID).search
ORIGIN = r"^(?i:https?|wss?)://[^/]*"
"""What stands before the path where a target is written whole (RFC 9112, section 3.2.2)."""

CHOICES = {"dir": frozenset([*Dir, "sent", "received"]), "vantage": frozenset(Vantage)}
"""What may stand in these columns; "sent" and "received" become a direction by whose log it is."""

SAID = ("topic", "name", "reason", "code", "dir", "bytes")
"""Words that are the column of their name."""

LIMITS = {"code": 2**31, "bytes": 2**62}
"""Columns of whole numbers, and what these stay below."""

DERIVED = frozenset({"path", "method", "websocket", "key", "message"})
EMPTY = frozenset({"", "-", "null", "None"})


class Fields(dict[str, str]):
    """What a line says, by word; a word the line does not have is empty.

    The searches of the format run once, when a word is asked for that the pattern did not give.
    """

    def __init__(
        self, found: Mapping[str, str | None], line: str = "", finds: Iterable[Searches] = ()
    ) -> None:
        super().__init__({name: text for name, text in found.items() if text})
        self._line, self._finds = line, finds
        self.told: dict[str, object] | None = None  # what RowMaker made of them

    def __missing__(self, name: str) -> str:
        for pattern in self._finds:
            found = pattern.search(self._line)
            if found:
                for word, text in found.groupdict().items():
                    if text:
                        self.setdefault(word, text)
        self._finds = ()
        if name not in self:
            self[name] = self._derived(name) if name in DERIVED else ""
        return self[name]

    def _derived(self, name: str) -> str:
        if name == "path" and "request" in self:
            parts = self["request"].split(" ")
            return parts[1] if len(parts) > 1 else ""
        if name == "method" and "request" in self:
            return self["request"].partition(" ")[0]
        if name == "websocket":
            upgrade = self["upgrade"].lower() == "websocket" or self._key()
            return "yes" if upgrade or self._asks_by_its_path() else ""
        if name == "key":
            return self._key()
        if name == "message":
            return self._line
        return ""

    def _asks_by_its_path(self) -> bool:
        path = self["path"]
        return bool(WS_PATH.search(path) and self["method"] in ASKING and not _POLLED.search(path))

    def _key(self) -> str:
        found = _KEY.search(self.get("key", "") or self["captures"])
        return found.group() if found else ""

    def fill(self, template: str) -> str:
        """The text with each `{word}` replaced; nothing where such a word is empty."""
        if "{" not in template:
            return template
        if not all(self[word] for word in WORD.findall(template)):
            return ""
        return WORD.sub(lambda found: self[found.group(1)], template)

    def duration_ms(self, prefix: str = "") -> float | None:
        """The stated duration in milliseconds."""
        for unit, factor in MS.items():
            text = self[prefix + unit]
            if text:
                try:
                    value = float(text.lstrip("+").replace(",", ".")) * factor
                except ValueError:
                    return None
                return round(value, 6) if 0 <= value < MAX_MS else None
        return None if prefix else lasted_ms(self["lasted"])


class RowMaker:
    """Makes event rows of fields; whatever may hold a secret is masked, and counted."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self._paths: dict[str, dict[str, object]] = {}
        self._shown: dict[str, tuple[str | None, Counter[str]]] = {}

    def row(self, fields: Fields, constants: Mapping[str, str]) -> dict[str, object]:
        """One row: the constants of the format's rule over the fields; without `ts`."""
        if fields.told is None:
            fields.told = self._told(fields)
        row = dict(fields.told)
        handshake = constants["kind"] == "open"
        stated: dict[str, object] = {
            "ms": fields.duration_ms("handshake_" if handshake else ""),
            **{column: fields.fill(text) for column, text in constants.items() if column != "at"},
        }
        for column, value in stated.items():
            row[column] = self._typed(column, value)
        return {column: value for column, value in row.items() if value is not None}

    def _told(self, fields: Fields) -> dict[str, object]:
        """What every row of the line has, unless its rule says otherwise."""
        row = dict(self.of_request(fields["path"])) if fields["path"] else {}
        row |= {
            "conn": self._session(fields["sid"]) or _identifier(fields["conn"]),
            "key": fields["key"] or None,
            "trace": _trace(fields) or row.get("trace"),
            "peer": peer(fields),
            "vantage": fields["vantage"] or None,
        }
        if fields["user"] not in EMPTY:
            row["user"] = self._user(fields["user"])
        for column in SAID:
            if fields[column]:
                row[column] = fields[column]
        return {column: self._typed(column, value) for column, value in row.items()}

    def _typed(self, column: str, value: object) -> object:
        if value is None or value == "":
            return None
        if column in LIMITS:
            return _integer(value, LIMITS[column])
        if column == "ms":
            return float(value) if isinstance(value, int | float) else _number(str(value))
        if column in ("reason", "topic", "name"):
            return self.shown(str(value), 1)
        if column in CHOICES:
            return value if value in CHOICES[column] else None
        return value

    def shown(self, text: str, times: int) -> str | None:
        """A text that stands so many times, as it may be shown."""
        if text not in self._shown:
            before = self.redactor.counts.copy()
            made = self.redactor.reason(text)
            hidden = self.redactor.counts - before
            self.redactor.counts -= hidden
            if len(self._shown) >= MAX_KNOWN:
                self._shown.clear()
            self._shown[text] = (made, hidden)
        made, hidden = self._shown[text]
        for rule, number in hidden.items():
            self.redactor.counts[rule] += number * times
        return made

    def of_path(self, target: str, kind: str) -> dict[str, object]:
        """A row of which nothing but the target of a request is known."""
        row = {name: self._typed(name, value) for name, value in self.of_request(target).items()}
        return {"kind": kind} | {name: value for name, value in row.items() if value is not None}

    def of_request(self, target: str, times: int = 1) -> dict[str, object]:
        """Path, credential, user and session of a request target that stands so many times."""
        if target not in self._paths:
            if len(self._paths) >= MAX_KNOWN:
                self._paths.clear()
            self._paths[target] = _of_target(target)
        made = self._paths[target]
        for rule, column in (("token", "token"), ("user", "user"), ("session", "trace")):
            if column in made:
                self.redactor.counts[rule] += times
        return made

    def _session(self, sid: str) -> str | None:
        if sid in EMPTY:
            return None
        self.redactor.counts["session"] += 1
        return redact.session(sid)

    def _user(self, name: str) -> str:
        self.redactor.counts["user"] += 1
        return redact.user(name)


def _of_target(target: str) -> dict[str, object]:
    path, _, query = target.partition("?")
    made: dict[str, object] = {"name": _origin(path)}
    secret = redact.find_token(target) if query else None
    if secret:
        made["token"] = redact.token(secret)
        made["expires"] = redact.jwt_times(secret)[1]
    user = _query_user(target) if query else None
    if user:
        made["user"] = redact.user(user.group(1))
    sid = _query_sid(target) if query else None
    if sid:
        made["trace"] = redact.session(sid.group(1))
    return made


def _origin(path: str) -> str:
    return re.sub(ORIGIN, "", path) or "/" if "://" in path else path


def peer(fields: Fields) -> str | None:
    """`ip:port` of the client, the address as it may be shown; None without a real port."""
    ip, port = fields["ip"], fields["port"]
    if not ip and fields["client"]:
        found = PEER.fullmatch(fields["client"])
        if not found:
            return None
        ip, port = found["ip"], found["port"] or ""
    if not ip or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return f"{redact.address(ip)}:{int(port)}"


def lasted_ms(text: str) -> float | None:
    """A duration with its unit, in milliseconds."""
    value = quantities.millis(text)
    return round(value, 6) if value is not None and value < MAX_MS else None


def began(fields: Fields, ended: datetime | None, started: datetime | None) -> None:
    """Where a line states both its ends, make the duration of them."""
    if ended and started and fields.duration_ms() is None and ended >= started:
        fields["ms"] = str((ended - started).total_seconds() * 1000)


def _identifier(text: str) -> str | None:
    return text if text not in EMPTY and ID.fullmatch(text) else None


def _trace(fields: Fields) -> str | None:
    parent = TRACEPARENT.search(fields["traceparent"])
    if parent:
        return parent.group(1)
    found = _TRACE.search(fields["captures"])
    return _identifier(fields["trace"]) or (found.group() if found else None)


def _integer(value: object, limit: int) -> int | None:
    text = str(value).strip().lstrip("+")
    if not text.lstrip("-").isdecimal() or len(text) > 19:
        return None
    number = int(text)
    return number if -limit < number < limit else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < MAX_MS else None
