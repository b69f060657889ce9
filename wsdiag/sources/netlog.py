"""NetLogs: what Chrome's network stack did, from chrome://net-export or `--log-net-log=FILE`.

Event types are those of net/log/net_log_event_type_list.h in Chromium. Frames' headers are logged
in every capture mode; the code of a Close frame stands only in the bytes that the mode
"Everything" keeps. `pos` numbers the events from 1.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from wsdiag import redact
from wsdiag.capture.http.handshake import credential, trace
from wsdiag.capture.http.http1 import Request
from wsdiag.config import Config
from wsdiag.event import Kind, Vantage, events
from wsdiag.evidence import InputFile, Reading
from wsdiag.redact import Redactor
from wsdiag.sources.browser.netlog_items import Event, NetLog, line
from wsdiag.sources.browser.reading import reading
from wsdiag.sources.browser.words import REFUSED, status_in, target

_UPGRADED = -173  # ERR_WS_UPGRADE: the request ends because it became a WebSocket
_RESET = -101  # ERR_CONNECTION_RESET
_FRAMES = {1: Kind.MESSAGE, 2: Kind.MESSAGE, 8: Kind.CLOSE, 9: Kind.PING, 10: Kind.PONG}
_MASK = 4  # bytes of a client's masking key, RFC 6455 §5.2
_LONGEST_CONTROL = 125  # bytes of a control frame's payload, RFC 6455 §5.5


def sniff(head: bytes, name: str) -> float:
    """By the constants that every NetLog begins with."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return 1.0 if re.match(rb'\{\s*"constants"\s*:\s*\{\s*"\w', start) else 0.0


def read(item: InputFile, config: Config) -> Reading:
    """The WebSocket connections of a NetLog, and how the sockets under them ended."""
    log = NetLog(item.path)
    rows = _Rows(item.name, log)
    for event in log.events():
        rows.take(event)
    return reading("netlog", rows.frame(), log.unread, log.remarks, rows.redactor)


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The events at `positions` and `context` ones around, one line each. Raw: redact them."""
    wanted = {p + d for p in positions for d in range(-context, context + 1) if p + d > 0}
    found: dict[int, str] = {}
    for event in NetLog(item.path).events():
        if event.pos in wanted:
            found[event.pos] = line(event)
        if event.pos >= max(wanted, default=0):
            break
    return found


class _Connection:
    """What is known of one WebSocket: its request, and the socket under it."""

    def __init__(self, event: Event) -> None:
        self.conn = f"request {event.source}"
        self.began = event.ts
        self.target = ""
        self.attempt: dict[str, object] = {}  # its row, until the headers are known
        self.columns: dict[str, Any] = {"conn": self.conn}
        self.socket: int | None = None
        self.closes: dict[str, dict[str, object]] = {}  # rows of Close frames, by direction
        self.chunk = b""  # what came last from the socket
        self.opened = self.done = False
        self.last = (event.pos, event.ts)


class _Rows:
    """The rows of one NetLog."""

    def __init__(self, source: str, log: NetLog) -> None:
        self.redactor = Redactor()
        self._source = source
        self._log = log
        self._rows: list[dict[str, object]] = []
        self._requests: dict[int, _Connection] = {}
        self._sockets: dict[int, _Connection] = {}
        self._by_job: dict[int, int] = {}  # the socket that a job got
        self._peers: dict[int, str] = {}

    def take(self, event: Event) -> None:
        """The next event."""
        found = self._requests.get(event.source)
        if event.type == "SOCKET_POOL_BOUND_TO_SOCKET":
            self._by_job[event.source] = _dependency(event)
        elif event.type == "TCP_CONNECT" and event.ends:
            self._peers[event.source] = _peer(_text(event, "local_address"))
        elif event.source in self._sockets:
            self._of_socket(self._sockets[event.source], event)
        elif event.type in ("WEBSOCKET_SENT_FRAME_HEADER", "WEBSOCKET_RECV_FRAME_HEADER"):
            self._frame(found or self._begin(event), event)
        elif event.type in ("REQUEST_ALIVE", "URL_REQUEST_START_JOB") and not event.ends:
            url = _text(event, "url")
            if not found and url.startswith(("ws:", "wss:")):
                self._attempt(self._begin(event), event, url)
        elif found:
            self._of_request(found, event)

    def frame(self) -> pl.DataFrame:
        """All rows in the order of time."""
        for found in self._requests.values():
            if found.opened and not found.done:
                pos, ts = found.last
                self._add(Kind.END, pos, ts, conn=found.conn, reason="evidence-stops")
        return events(self._rows).sort("ts", "pos", nulls_last=True, maintain_order=True)

    def _begin(self, event: Event) -> _Connection:
        found = self._requests[event.source] = _Connection(event)
        found.opened = event.type.startswith("WEBSOCKET_")
        return found

    def _attempt(self, found: _Connection, event: Event, url: str) -> None:
        found.target = target(url)
        path = Request("GET", found.target, {}, event.pos, 0).path
        found.columns |= {"name": self.redactor.mask(path), **credential(url, {})._asdict()}
        self._add(Kind.ATTEMPT, event.pos, event.ts, **found.columns)
        found.attempt = self._rows[-1]

    def _of_request(self, found: _Connection, event: Event) -> None:
        """What happens to the request: headers, the answer, a failure."""
        found.last = (event.pos, event.ts)
        if event.type == "HTTP_STREAM_REQUEST_BOUND_TO_JOB":
            socket = self._by_job.get(_dependency(event))
            if socket is not None:
                found.socket = socket
                self._sockets[socket] = found
                found.columns["peer"] = self._peers.get(socket) or None
        elif event.type == "HTTP_TRANSACTION_SEND_REQUEST_HEADERS":
            headers = _headers(event)
            found.columns |= {
                "key": self.redactor.mask(headers.get("sec-websocket-key", "")) or None,
                "trace": trace(headers, self.redactor),
                **credential(found.target, headers)._asdict(),
            }
            found.attempt |= found.columns
        elif event.type == "HTTP_TRANSACTION_READ_RESPONSE_HEADERS":
            self._answer(found, event, _status(event), "")
        elif event.type == "WEBSOCKET_UPGRADE_FAILURE":
            told = _text(event, "message")
            self._answer(found, event, status_in(told), told)
        elif event.type == "WEBSOCKET_INVALID_FRAME":
            reason = self.redactor.reason(_text(event, "internal_reason"))
            self._add(Kind.ERROR, event.pos, event.ts, conn=found.conn, reason=reason)
        elif event.type == "REQUEST_ALIVE" and event.ends:
            error = _number(event, "net_error")
            if error and error != _UPGRADED:
                self._answer(found, event, 0, f"net::{self._log.errors.get(error, error)}")

    def _answer(self, found: _Connection, event: Event, status: int, failure: str) -> None:
        """The handshake succeeds or fails, and does so once."""
        if found.opened or found.done:
            return
        took = (event.ts - found.began).total_seconds() * 1e3 if event.ts and found.began else None
        columns = {**found.columns, "reason": self.redactor.reason(failure)}
        if status == 101 and not failure:
            found.opened = True
            self._add(Kind.OPEN, event.pos, event.ts, dir="s2c", code=101, ms=took, **found.columns)
            return
        found.done = True
        if status and status != 101:
            self._add(Kind.REJECTED, event.pos, event.ts, dir="s2c", code=status, **columns)
        else:
            kind = Kind.REFUSED if REFUSED.search(failure) else Kind.ERROR
            self._add(kind, event.pos, event.ts, **columns)

    def _frame(self, found: _Connection, event: Event) -> None:
        """The header of a frame; continuations belong to a message that was counted."""
        found.last = (event.pos, event.ts)
        sent = event.type == "WEBSOCKET_SENT_FRAME_HEADER"
        kind, size = _FRAMES.get(_number(event, "opcode")), _number(event, "payload_length")
        if kind is None or size < 0:
            return
        side = "c2s" if sent else "s2c"
        self._add(kind, event.pos, event.ts, conn=found.conn, dir=side, bytes=size)
        if kind is Kind.CLOSE:
            row = found.closes[side] = self._rows[-1]
            if size < 2:
                row["code"] = 1005  # RFC 6455 §7.1.5: no status code was in the frame
            elif not sent:
                self._code(row, found.chunk)

    def _of_socket(self, found: _Connection, event: Event) -> None:
        """What happens to the socket under a WebSocket: bytes, the end of them, a reset."""
        if not found.opened:
            return
        if event.type.endswith("SOCKET_BYTES_RECEIVED"):
            found.chunk = _bytes(event) or found.chunk
            if event.type == "SOCKET_BYTES_RECEIVED" and _number(event, "byte_count") == 0:
                self._end(found, event, "s2c", "fin")
        elif event.type.endswith("SOCKET_BYTES_SENT"):
            row = found.closes.get("c2s")
            if row is not None and "code" not in row:
                self._code(row, _bytes(event))
        elif event.type == "SOCKET_READ_ERROR":
            error = _number(event, "net_error")
            name = f"net::{self._log.errors.get(error, error)}"
            self._end(found, event, "s2c", "rst" if error == _RESET else name)
        elif event.type == "SOCKET_ALIVE" and event.ends:
            self._end(found, event, "c2s", "fin")
            del self._sockets[event.source]

    def _code(self, row: dict[str, object], chunk: bytes) -> None:
        """Code and reason of a Close frame, the last of its side, if `chunk` ends with it."""
        size = row["bytes"] if isinstance(row["bytes"], int) else 0
        if not 2 <= size <= _LONGEST_CONTROL:
            return
        sent = row["dir"] == "c2s"
        begin = size + (_MASK if sent else 0)
        if chunk[-begin - 2 : -begin] != bytes([0x88, size | (0x80 if sent else 0)]):
            return
        data = chunk[-size:]
        if sent:
            mask = chunk[-begin:-size]
            data = bytes(byte ^ mask[i % _MASK] for i, byte in enumerate(data))
        row["code"] = int.from_bytes(data[:2])
        row["reason"] = self.redactor.reason(data[2:].decode("utf-8", "replace"))

    def _end(self, found: _Connection, event: Event, side: str, reason: str) -> None:
        if not found.done:
            found.done = True
            self._add(Kind.END, event.pos, event.ts, conn=found.conn, dir=side, reason=reason)

    def _add(self, kind: Kind, pos: int, ts: datetime | None, **columns: object) -> None:
        row = {"ts": ts, "vantage": Vantage.CLIENT, "source": self._source, "pos": pos}
        self._rows.append({**row, "kind": kind, **columns})


def _dependency(event: Event) -> int:
    other = event.params.get("source_dependency")
    number = other.get("id") if isinstance(other, dict) else None
    return number if isinstance(number, int) else -1


def _text(event: Event, name: str) -> str:
    value = event.params.get(name)
    return value if isinstance(value, str) else ""


def _number(event: Event, name: str) -> int:
    """An integer that fits a column; -1 for anything else that should be one, 0 for none."""
    value = event.params.get(name, 0)
    return value if isinstance(value, int) and abs(value) < 2**62 else -1


def _bytes(event: Event) -> bytes:
    try:
        return base64.b64decode(_text(event, "bytes"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _lines(event: Event) -> list[str]:
    found = event.params.get("headers")
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _headers(event: Event) -> dict[str, str]:
    parts = (text.partition(":") for text in _lines(event))
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def _status(event: Event) -> int:
    found = re.match(r"HTTP/[\d.]+ (\d{3})\b", next(iter(_lines(event)), ""))
    return int(found[1]) if found and 100 <= int(found[1]) <= 599 else 0


def _peer(address: str) -> str:
    """The client's own end, `ip:port`; a public address as a pseudonym."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return f"{redact.address(host)}:{port}" if host else ""
