"""Follow logs whose lines name no connection: frame transcripts, `connection closed` and the like.

The python `websockets` library (and uvicorn, sanic and others through it) writes at level DEBUG
one line per header and frame: `< GET /ws HTTP/1.1`, `> PING 1f 02`, `= connection is OPEN`.
`<` is what was received, `>` what was sent; curl -v writes the handshake alike. Where such lines
interleave, nothing tells the connections apart: see `open_connections.py`. Yet a handshake is
written in one piece, and a ping and its pong carry the same payload (`trace`), so these stay
joined in any case.
"""

from __future__ import annotations

import re
from collections import Counter

from wsdiag.sources.context.open_connections import Connection, OpenConnections, Row
from wsdiag.sources.formats.words import Fields, RowMaker
from wsdiag.sources.line_by_line import frame_text

LINE = re.compile(
    r"^(?P<logger>\S*websockets(?!\.py\b)\S*?[\]:\s]+(?:- [A-Z]+ - )?(?:(?:server|client) )?"
    r"|(?:server|client)[\s:]+)?"
    r"(?P<mark>[<>=!%x-]) (?P<text>.+)$"
)
_MARKS = frozenset("<>=!%x-")
_SIDES = ("server ", "client ")
_REQUEST = re.compile(r"GET (?P<path>\S+) HTTP/1\.1")
_RESPONSE = re.compile(r"HTTP/[\d.]+ (?P<status>\d{3})")
_HEADER = re.compile(r"(?P<name>[A-Za-z][\w-]*): (?P<value>.*)")
_HEADERS = {"sec-websocket-key": "key", "traceparent": "traceparent", "x-request-id": "trace"}
_FAILED = re.compile("failing (?:OPEN|CLOSING) WebSocket connection with code 1006")
"""With another code a Close frame is sent, which has a line of its own."""

_PONG_IS_MISSING = ("timed out waiting for keepalive pong", "timed out waiting for pong")

_NEAR = 5
"""Lines between two statements of one refusal."""

_ANONYMOUS_KINDS = frozenset(
    {"close", "end", "error", "heartbeat_timeout", "message", "ping", "pong"}
)
_IDENTITY = {"conn", "peer"}
_SUCCESS = range(200, 300)
_IN_TRANSCRIPT = _ANONYMOUS_KINDS - {"error"}


def may_be_one(message: str) -> bool:
    """True for a message that may be a line of a transcript."""
    return _match(message) is not None


def _match(message: str) -> re.Match[str] | None:
    marked = message[1:2] == " " and message[0] in _MARKS
    if not marked and "websockets" not in message and not message.startswith(_SIDES):
        return None
    return LINE.match(message)


class Transcript:
    """What the lines of one input, taken together, tell about its connections."""

    def __init__(self, maker: RowMaker) -> None:
        self.client = False
        self._maker = maker
        self._open = OpenConnections()
        self._reading: Connection | None = None  # its request's headers are being read
        self._coming: Row | None = None  # an attempt whose request is still to be read
        self._sees_states = False  # the transcript is complete: it has every frame and state
        self._announces = False  # the log states handshakes in lines of its own, with the path
        self._early: Row = {}  # the last close of a connection that had not opened
        self._why: object = None  # the reason of a refusal that is still to come
        self._refusal: tuple[object, int] = (None, 0)  # the last one so stated: status and place
        self._unplaced: Counter[object] = Counter()  # handshakes so stated, of nobody knows whom

    def is_idle(self) -> bool:
        """True where no connection is known that rows of other lines could be about."""
        return not self._sees_states and self._open.is_new()

    def rows(self, message: str, pos: int) -> list[Row] | None:
        """The rows of a transcript line, without `ts`; None when it is not one."""
        found = _match(message)
        if not found:
            return None
        if found["logger"]:
            self.client = "client" in found["logger"]
        mark, text = found["mark"], found["text"]
        if mark in "<>":
            made = self._sent_or_received(mark, text, pos)
        else:
            made = self._noted(mark, text, bool(found["logger"]))
        for row in made or ():
            row["vantage"] = "client" if self.client else "server"
        return made

    def frames(self, run: Row, count: int, client: bool) -> None:
        """So many messages, pings and pongs one after another, of which the rows share `run`."""
        self.client = client
        if count:
            self._reading = None
            if only := self._open.only():
                only.claim(run, count)

    def adopt(self, rows: list[Row], pos: int, anonymous: str) -> list[Row]:
        """Give the rows of other lines of this input the connection they belong to.

        `anonymous` as in a format file: "states" or "explains", or "" for lines with ids. Rows
        that only repeat what the transcript has are left out.
        """
        return [row for row in rows if self._adopted(row, pos, anonymous)]

    def _adopted(self, row: Row, pos: int, anonymous: str) -> bool:
        kind = row["kind"]
        if not anonymous and self._sees_states and not row.keys() & _IDENTITY:
            if kind == "rejected":  # why the response that comes is no 101
                self._why = row.get("reason")
            if kind in ("end", "rejected"):
                return False
        if kind == "server_start":
            self._open.reset()
        elif "conn" in row:
            if kind == "open" and anonymous:
                if (anonymous == "explains" and self._announces) or self._open.knows(row["conn"]):
                    return False
                self._open.add(pos).known["conn"] = row["conn"]
            elif kind == "open":
                return not self._open.named(row)
            elif kind in ("close", "end"):
                self._open.named_closes(row)
        elif anonymous and kind == "attempt" and "peer" in row:
            self._coming = row
        elif anonymous and kind in ("open", "rejected"):
            if "name" not in row and (self._sees_states or self._repeats(row, pos)):
                return False
            self._handshake(row, pos)
            # The server sends a page, or says that it is well: who got that asked for no WebSocket.
            return kind == "open" or row.get("code") not in _SUCCESS
        elif anonymous and self._sees_states and kind in ("message", "close") and "dir" in row:
            return False
        elif "peer" in row:
            self._open.by_peer(row)
            if kind == "close" and "conn" not in row:
                self._early = row
        elif anonymous and kind in _ANONYMOUS_KINDS:
            return self._told(row, anonymous)
        return True

    def _told(self, row: Row, anonymous: str) -> bool:
        kind = row["kind"]
        if self._sees_states and kind in _IN_TRANSCRIPT:
            return False
        bare = kind == "close" and "code" not in row and anonymous == "states"
        if bare and (self._open.was_refused() or self._open.none_left()):
            return False  # it never was open
        self._open.attribute(row)
        if kind == "close" and anonymous == "states":
            self._open.ended(row)
        elif kind in ("close", "end") and (only := self._open.only(kind)):
            only.closing = True
        return True

    def _repeats(self, row: Row, pos: int) -> bool:
        """True for `connection rejected (403 …)` behind the line that says so with the path."""
        code, before = self._refusal
        self._refusal = (None, 0)
        return row["kind"] == "rejected" and row.get("code") == code and pos - before <= _NEAR

    def _handshake(self, row: Row, pos: int) -> None:
        """A log says how a handshake ended, beside or without a transcript."""
        self._announces = self._announces or "name" in row
        if row["kind"] == "rejected" and "name" in row:
            self._refusal = (row.get("code"), pos)
        waiting = self._open.unannounced() if self._sees_states else []
        if len(waiting) > 1:
            self._unplaced[row.get("code", 101)] += 1
            return
        connection = waiting[0] if waiting else self._open.add(pos)
        self._open.learn(connection, row)
        if row["kind"] == "rejected":
            self._open.reject(connection)
            if self._early.get("peer", "") == row.get("peer"):  # closed before it was accepted
                connection.claim(self._early)

    def _sent_or_received(self, mark: str, text: str, pos: int) -> list[Row] | None:
        if request := _REQUEST.match(text):
            self.client = mark == ">"
            return self._asked(request["path"], pos)
        if response := _RESPONSE.match(text):
            return self._answered(response["status"], response.string)
        frame = frame_text.row_of(text, self._maker.redactor)
        if frame is not None:
            self._reading = None
            if not frame:
                return []
            frame["dir"] = "c2s" if (mark == ">") == self.client else "s2c"
            return [self._open.attribute(frame)]
        if text == "EOF":
            return []
        header = _HEADER.match(text)
        if header and self._reading:
            self._header(self._reading.known, header["name"].lower(), header["value"])
        return [] if header and (self._reading or self._sees_states) else None

    def _asked(self, target: str, pos: int) -> list[Row]:
        self._reading = connection = self._open.add(pos)
        row = self._maker.of_path(target, "attempt")
        connection.known |= {column: row[column] for column in row if column != "kind"}
        coming, self._coming = self._coming, None
        if not coming:
            connection.claim(row)
            return [row]
        self._open.learn(connection, coming)
        connection.announced = False
        return []

    def _header(self, known: Row, name: str, value: str) -> None:
        word = _HEADERS.get(name)
        if not word or (word == "trace" and "trace" in known):
            return
        row = self._maker.row(Fields({word: value}), {"kind": "open"})
        known |= {column: row[column] for column in ("key", "trace") if column in row}

    def _answered(self, status: str, said: str) -> list[Row]:
        connection = self._reading or self._open.only()
        self._reading = None
        if self._announces and self._is_stated(status, connection):
            return []
        row: Row = {"kind": "open"}
        if status != "101":
            row = {"kind": "rejected", "code": int(status), "reason": self._why or said}
            self._open.reject(connection)
        if connection:
            row |= connection.known
            connection.claim(row)
            connection.announced = True
        self._why = None
        return [row]

    def _is_stated(self, status: str, connection: Connection | None) -> bool:
        """True when a line of its own has said what the response line says; not all have one."""
        if status == "101" or not connection or connection.announced:
            return True
        self._unplaced[int(status)] -= 1
        return self._unplaced[int(status)] >= 0

    def _noted(self, mark: str, text: str, named: bool) -> list[Row] | None:
        if mark == "=" and text.startswith("connection is "):
            self._sees_states = True
            if text != "connection is CLOSED" or self._open.was_refused() or not self._open:
                return []
            row = self._open.attribute({"kind": "end"})
            self._open.ended(row)
            return [row]
        if text.startswith(_PONG_IS_MISSING):
            ping = "c2s" if self.client else "s2c"
            return [self._open.attribute({"kind": "heartbeat_timeout", "dir": ping})]
        if _FAILED.fullmatch(text):
            return [self._open.attribute({"kind": "close", "code": 1006})]
        if text.startswith("no valid HTTP request"):
            self._open.never_opened()
        return [] if named or self._sees_states else None
