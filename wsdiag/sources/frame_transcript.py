"""Follow logs whose lines name no connection: frame transcripts, `connection closed` and the like.

The python `websockets` library (and uvicorn, sanic and others through it) writes at level DEBUG
one line per header and frame: `< GET /ws HTTP/1.1`, `> PING 1f 02`, `= connection is OPEN`.
`<` is what was received, `>` what was sent; curl -v writes the handshake alike. Where such lines
interleave, nothing tells the connections apart, so a line is given to a connection only while that
one is the only one alive; else its `conn` stays null. A handshake is written in one piece, and a
ping and its pong carry the same payload (`trace`): these stay joined in any case.

A connection is named by the line where it first shows: `@120`.
"""

from __future__ import annotations

import re

from wsdiag.sources.line_fields import Fields, RowMaker

MAX_ALIVE = 100_000
"""Beyond this nothing is attributed any more, and nothing remembered."""

MAX_GONE = 1_000
"""How many ended connections are remembered for what is still said about them."""

_LINE = re.compile(
    r"^(?P<logger>\S*websockets\S*?[\]:\s]+|(?:server|client)[\s:]+)?"
    r"(?P<mark>[<>=!%x-]) (?P<text>.+)$"
)
_FRAME = re.compile(
    r"(?P<type>TEXT|BINARY|CONT|PING|PONG|CLOSE)\b ?(?P<body>.*?)"
    r" ?\[(?:binary, |text, )?(?P<bytes>\d+) bytes?(?P<more>, continued)?\]$"
)
_OLD_FRAME = re.compile(r"Frame\(fin=(?P<fin>\w+), opcode=(?:\w+\.)?(?P<opcode>\w+),? ?(?P<rest>.*)")
_OLD_DATA = re.compile(r"""data=b(?P<quote>['"])(?P<data>.*?)(?:\.\.\.(?P<bytes>\d+) bytes)?(?P=quote)""")
_REQUEST = re.compile(r"GET (?P<path>\S+) HTTP/1\.1")
_RESPONSE = re.compile(r"HTTP/[\d.]+ (?P<status>\d{3})")
_HEADER = re.compile(r"(?P<name>[A-Za-z][\w-]*): (?P<value>.*)")
_CLOSE = re.compile(r"(?P<code>\d{4}) \([^)]*\) ?(?P<reason>.*)")
_SIDES = ("server ", "client ")
_OPCODES = {"1": "TEXT", "2": "BINARY", "0": "CONT", "8": "CLOSE", "9": "PING", "10": "PONG"}
_ANONYMOUS_KINDS = frozenset({"close", "end", "error", "heartbeat_timeout", "message", "ping", "pong"})
_IN_TRANSCRIPT = frozenset({"close", "end", "heartbeat_timeout", "message", "ping", "pong"})
_LAST_KINDS = frozenset({"close", "end", "error"})

Row = dict[str, object]


class _Connection:
    def __init__(self, pos: int) -> None:
        self.known: Row = {"conn": f"@{pos}"}
        self.announced = False
        self.closing = False  # something said that it closes; the library's own line is to come


class Transcript:
    """The connections of one input that are alive, as far as its lines tell."""

    def __init__(self, maker: RowMaker) -> None:
        self._maker = maker
        self._alive: list[_Connection] = []
        self._blurred = False  # one of several closed, and nothing told which
        self._last: _Connection | None = None
        self._reading: _Connection | None = None
        self._coming: Row | None = None  # an attempt whose request is still to be read
        self._gone: dict[object, object] = {}  # peer → conn of those that ended lately
        self._leaving = 0  # refused connections whose closing will still be noted
        self.client = False
        self._sees_states = False
        self._announces = False

    def rows(self, message: str, pos: int) -> list[Row] | None:
        """The rows of a transcript line, without `ts`; None when it is not one."""
        plain = message[1:2] == " " and message[0] in "<>=!%x-"
        if not plain and "websockets" not in message and not message.startswith(_SIDES):
            return None
        found = _LINE.match(message)
        if not found:
            return None
        if found["logger"]:
            self.client = "client" in found["logger"]
        mark, text = found["mark"], found["text"]
        if mark in "<>":
            made = self._sent_or_received(mark, text, pos)
        else:
            made = self._noted(mark, text, bool(found["logger"]))
        if made:
            for row in made:
                row["vantage"] = "client" if self.client else "server"
        return made

    def adopt(self, rows: list[Row], pos: int, anonymous: str) -> list[Row]:
        """Give the rows of other lines of this input the connection they belong to.

        `anonymous` as in a format file: "states" or "explains", or "" for lines with ids.
        """
        kept = []
        for row in rows:
            kind = row["kind"]
            if kind == "server_start":
                self._alive, self._leaving, self._blurred, self._last = [], 0, False, None
            elif "conn" in row and kind == "open" and anonymous:
                if anonymous == "explains" and self._announces:
                    continue  # the server has announced the same connection
                self._new(pos).known["conn"] = row["conn"]
            elif "conn" in row:
                pass
            elif anonymous and kind == "attempt" and "peer" in row:
                self._coming = row
            elif anonymous and kind in ("open", "rejected"):
                if self._sees_states and "name" not in row:
                    continue  # the transcript has the handshake
                self._handshake(row, pos)
            elif anonymous and kind == "message" and self._sees_states:
                continue  # the transcript has the frame
            elif "peer" in row:
                self._by_peer(row)
            elif anonymous and kind in _ANONYMOUS_KINDS:
                closed = kind == "close" and "code" not in row
                if (self._sees_states and kind in _IN_TRANSCRIPT) or (closed and self._left()):
                    continue  # the transcript has it, or the connection was never open
                self._attribute(row)
                if kind == "close" and anonymous == "states":
                    self._ended()
                elif kind == "close" and (only := self._only(kind)):
                    only.closing = True
            kept.append(row)
        return kept

    def _handshake(self, row: Row, pos: int) -> None:
        """A log says how a handshake ended, beside or without a transcript."""
        self._announces = self._announces or "name" in row
        waiting = [c for c in self._alive if not c.announced] if self._sees_states else []
        if len(waiting) == 1 and not self._blurred:
            connection = waiting[0]
        elif waiting:
            return
        else:
            connection = self._new(pos)
        if row["kind"] == "rejected":
            self._reject(connection)
        connection.announced = True
        connection.known |= {name: row[name] for name in ("peer", "user", "token") if name in row}
        for name, value in connection.known.items():
            row.setdefault(name, value)

    def _reject(self, connection: _Connection | None) -> None:
        self._leaving += 1
        if connection in self._alive:
            self._alive.remove(connection)

    def _left(self) -> bool:
        """True when this close belongs to a connection that never was open."""
        if not self._leaving:
            return False
        self._leaving -= 1
        return True

    def _by_peer(self, row: Row) -> None:
        peer = row["peer"]
        for connection in self._alive:
            if connection.known.get("peer") == peer:
                row["conn"] = connection.known["conn"]
                connection.closing = connection.closing or row["kind"] in ("close", "end")
                if row["kind"] == "end":
                    self._alive.remove(connection)
                    self._last = connection
                    self._blurred = self._blurred and bool(self._alive)
                    self._remember(peer, row["conn"])
                return
        if peer in self._gone and row["kind"] in _LAST_KINDS:
            row["conn"] = self._gone[peer]

    def _remember(self, peer: object, conn: object) -> None:
        self._gone.pop(peer, None)
        self._gone[peer] = conn
        if len(self._gone) > MAX_GONE:
            del self._gone[next(iter(self._gone))]

    def _new(self, pos: int) -> _Connection:
        connection = _Connection(pos)
        if len(self._alive) < MAX_ALIVE:
            self._alive.append(connection)
        else:
            self._blurred = True
        return connection

    def _only(self, kind: object = "") -> _Connection | None:
        """The one connection that a line without an id can be about."""
        if self._blurred:
            return None
        closing = [c for c in self._alive if c.closing]
        candidates = closing if closing and kind in _LAST_KINDS else self._alive
        if kind not in _LAST_KINDS and len(closing) < len(self._alive):
            candidates = [c for c in self._alive if not c.closing]
        if len(candidates) == 1:
            return candidates[0]
        return self._last if not self._alive else None

    def _attribute(self, row: Row) -> Row:
        only = self._only(row["kind"])
        if only:
            row["conn"] = only.known["conn"]
        return row

    def _ended(self) -> None:
        only = self._only("end")
        self._last = only
        if only in self._alive:
            self._alive.remove(only)
        elif self._alive:
            self._alive.pop(0)
            self._blurred = True
        self._blurred = self._blurred and bool(self._alive)

    def _sent_or_received(self, mark: str, text: str, pos: int) -> list[Row] | None:
        request = _REQUEST.match(text)
        if request:
            self.client = mark == ">"
            self._reading = self._new(pos)
            row = self._maker.row(Fields({"path": request["path"]}), {"kind": "attempt"})
            self._reading.known |= {n: row[n] for n in ("name", "token", "user", "expires") if n in row}
            coming, self._coming = self._coming, None
            if coming:
                self._reading.known["peer"] = coming["peer"]
                coming |= self._reading.known
                return []
            return [row | {"conn": self._reading.known["conn"]}]
        response = _RESPONSE.match(text)
        if response:
            return self._answered(response["status"])
        frame = self._frame(text, "c2s" if (mark == ">") == self.client else "s2c")
        if frame:
            self._reading = None
            return frame
        if text == "EOF":
            return []
        header = _HEADER.match(text)
        if header and self._reading:
            self._header(header["name"].lower(), header["value"])
        return [] if header and (self._reading or self._sees_states) else None

    def _header(self, name: str, value: str) -> None:
        known = self._reading.known if self._reading else {}
        if name == "sec-websocket-key":
            row = self._maker.row(Fields({"key": value}), {"kind": "open"})
        elif name == "traceparent":
            row = self._maker.row(Fields({"traceparent": value}), {"kind": "open"})
        elif name == "x-request-id" and "trace" not in known:
            row = self._maker.row(Fields({"trace": value}), {"kind": "open"})
        else:
            return
        known |= {column: row[column] for column in ("key", "trace") if column in row}

    def _answered(self, status: str) -> list[Row]:
        connection = self._reading or self._only()
        self._reading = None
        if self._announces:  # the log states openings and rejections in lines of its own
            return []
        row: Row = {"kind": "open"} if status == "101" else {"kind": "rejected", "code": int(status)}
        if connection:
            row |= connection.known
            connection.announced = True
        if status != "101":
            self._reject(connection)
        return [row]

    def _frame(self, text: str, direction: str) -> list[Row] | None:
        found = _FRAME.match(text)
        if found:
            kind, body, size = found["type"], found["body"], int(found["bytes"])
            final = not found["more"]
        elif old := _OLD_FRAME.match(text):
            kind = _OPCODES.get(old["opcode"], old["opcode"])
            final = old["fin"] == "True"
            data = _OLD_DATA.search(old["rest"])
            raw = _unescape(data["data"]) if data else b""
            size = int(data["bytes"]) if data and data["bytes"] else len(raw)
            body = _old_body(kind, raw)
        else:
            return None
        if kind in ("TEXT", "BINARY", "CONT"):
            row: Row = {"kind": "message"} if final else {}
        elif kind in ("PING", "PONG"):
            row = {"kind": kind.lower()}
            if payload := _payload(body):
                row["trace"] = payload
        elif kind == "CLOSE":
            row = self._close(body)
        else:
            return None
        if not row:
            return []
        return [self._attribute(row | {"dir": direction, "bytes": size})]

    def _close(self, body: str) -> Row:
        row: Row = {"kind": "close", "code": 1005}
        found = _CLOSE.match(body)
        if found:
            row["code"] = int(found["code"])
            if reason := self._maker.redactor.reason(found["reason"]):
                row["reason"] = reason
        return row

    def _noted(self, mark: str, text: str, named: bool) -> list[Row] | None:
        if mark == "=" and text.startswith("connection is "):
            self._sees_states = True
            if text == "connection is CLOSED" and not self._left() and self._alive:
                row = self._attribute({"kind": "end"})
                self._ended()
                return [row]
            return []
        if text.startswith(("timed out waiting for keepalive pong", "timed out waiting for pong")):
            given_up: Row = {"kind": "heartbeat_timeout", "dir": "c2s" if self.client else "s2c"}
            return [self._attribute(given_up)]
        if text == "failing CLOSING WebSocket connection with code 1006":
            return [self._attribute({"kind": "close", "code": 1006})]
        if text.startswith("no valid HTTP request"):
            self._leaving += 1
        return [] if named or self._sees_states else None


def _payload(body: str) -> str | None:
    """A ping's payload in hexadecimal: written as bytes (`1f 02`) or as a Python string."""
    if not body or body in ("''", "b''"):
        return None
    if body[0] in "'\"":
        return _unescape(body[1:-1]).hex() or None
    digits = body.replace(" ", "")
    return digits if re.fullmatch(r"(?:[0-9a-f]{2}){1,125}", digits) else None


def _old_body(kind: str, raw: bytes) -> str:
    if kind == "CLOSE" and len(raw) >= 2:
        return f"{int.from_bytes(raw[:2]):04d} () {raw[2:].decode('utf-8', 'replace')}"
    return raw.hex() if kind in ("PING", "PONG") else ""


def _unescape(text: str) -> bytes:
    try:
        plain = re.sub(
            r"\\(x[0-9a-f]{2}|.)",
            lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" and len(m[1]) == 3
            else {"n": "\n", "r": "\r", "t": "\t"}.get(m[1], m[1]),
            text,
        )
        return plain.encode("latin-1")
    except UnicodeEncodeError:
        return plain.encode("utf-8", "replace")
