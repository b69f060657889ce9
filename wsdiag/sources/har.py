"""HAR exports of a browser's Network tab, with their WebSocket messages.

HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec) and `_webSocketMessages`, as Chrome
DevTools, Playwright and mitmproxy write it. A HAR sees neither Ping nor Close frames nor the end of
a connection. Firefox (devtools/client/netmonitor/src/har/har-builder.js) and Safari (WebKit's
WebInspectorUI/UserInterface/Controllers/HARBuilder.js) write an entry for the handshake and no
messages at all. `pos` numbers the items from 1: each entry, then its messages, in file order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from wsdiag import contents
from wsdiag.capture.http.handshake import credential, trace
from wsdiag.capture.http.http1 import Request
from wsdiag.capture.websocket import payload
from wsdiag.config import Config
from wsdiag.event import SERVED, Kind, Vantage, events
from wsdiag.evidence import InputFile, Reading
from wsdiag.redact import Redactor, ping_payload, session
from wsdiag.sources.browser import sockjs
from wsdiag.sources.browser.har_items import (
    TEXT,
    Entry,
    Message,
    body,
    content,
    epoch,
    handshake_ms,
    instant,
    items,
    line,
    micros,
)
from wsdiag.sources.browser.reading import reading
from wsdiag.sources.browser.words import REFUSED, status_in, target

NO_MESSAGES = (
    "holds no WebSocket messages: exports of Firefox and Safari leave them out; those of Chrome "
    "(DevTools → Network → Export HAR), Playwright and mitmproxy have them"
)
LARGEST = 512 * 2**20
"""Bytes of a HAR that is read: it is one JSON text and has to be taken at once."""

_WITH_CONTROL_FRAMES = {8: Kind.CLOSE, 9: Kind.PING, 10: Kind.PONG}


def sniff(head: bytes, name: str) -> float:
    """By the JSON's first keys; the file's name alone is not enough to be sure."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"{"):
        return 0.0
    if re.match(rb'\{\s*"log"\s*:\s*\{', start) and re.search(
        rb'"(?:creator|entries|pages)"\s*:', start
    ):
        return 1.0
    return 0.8 if name.lower().endswith(".har") else 0.0


def read(item: InputFile, config: Config) -> Reading:
    """The WebSocket connections of a HAR, and the requests of Socket.IO and SockJS without one."""
    rows = _Rows(item.name)
    remarks: list[str] = []
    unread = 0
    if (size := item.path.stat().st_size) > LARGEST:
        remarks.append(f"{size >> 20} MiB: a HAR of more than {LARGEST >> 20} MiB is not read")
        unread = 1
    for pos, entry, message in items(item.path.read_bytes()) if not unread else ():
        if isinstance(entry, str):
            unread += 1
            if not pos:
                remarks.append(entry)
        elif message is None:
            rows.begin(pos, entry)
        elif isinstance(message, str):
            unread += 1
        else:
            rows.message(pos, message)
    if unread and not remarks:
        remarks.append(f"{unread} entries or messages are not as HAR 1.2 has them")
    if rows.opened and not rows.told_messages:
        remarks.append(NO_MESSAGES)
    return reading("har", rows.frame(), unread, remarks, rows.redactor)


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The items at `positions` and `context` ones around each, one line each. Raw: redact them."""
    wanted = {p + d for p in positions for d in range(-context, context + 1) if p + d > 0}
    found: dict[int, str] = {}
    for pos, entry, message in items(item.path.read_bytes()):
        if pos in wanted:
            found[pos] = line(entry if message is None else message)
        if pos >= max(wanted, default=0):
            break
    return found


class _Rows:
    """The rows of one HAR."""

    def __init__(self, source: str) -> None:
        self.redactor = Redactor()
        self._mask = payload.Masking(self.redactor)
        self._source = source
        self._rows: list[dict[str, object]] = []
        self._conn = ""  # empty: not a WebSocket
        self.opened, self.told_messages = 0, False  # WebSockets; whether any states its messages
        self._engine_io = False
        self._notebook = contents.current()
        self._last: tuple[int, datetime | None] | None = None
        self._open: dict[str, object] | None = None  # its row, until the first message
        self._served: dict[str, tuple[int, datetime | None] | None] = {}
        self._sockjs = sockjs.Sessions()

    def begin(self, pos: int, entry: Entry) -> None:
        """An entry: one HTTP exchange, or a WebSocket connection with messages to come."""
        self._stop()
        url = entry.request.url
        headers = {header.name.lower(): header.value for header in entry.request.headers}
        request = Request(entry.request.method, target(url), headers, pos, 0)
        columns: dict[str, Any] = {
            "conn": f"entry {pos}",
            "name": self._mask(request.path),
            "key": self._mask(headers.get("sec-websocket-key")),
            "trace": trace(headers, self.redactor),
            **credential(request.target, headers)._asdict(),
        }
        websocket = (
            entry.resource_type == "websocket"
            or url.startswith(("ws:", "wss:"))
            or entry.messages is not None
        )
        if websocket:
            self._handshake(pos, entry, request, columns)
            return
        self._note_fetch(pos, entry, request, instant(entry.started_date_time))
        self._note_served(pos, entry)
        if "transport=polling" in url:
            self._poll(pos, entry, columns)
        elif of := sockjs.asked(url):
            self.redactor.counts["session"] += 1
            told = {"name": self._mask(of.path), "trace": session(of.session)}
            started, took = instant(entry.started_date_time), handshake_ms(entry)
            reason = self._sockjs.refusal(of, entry.response.status, started, took or 0)
            self._poll(pos, entry, columns | told, reason)

    def _poll(
        self, pos: int, entry: Entry, columns: dict[str, Any], reason: str | None = None
    ) -> None:
        """The request of a transport without WebSocket, and its answer."""
        started, took = instant(entry.started_date_time), handshake_ms(entry)
        told = {name: columns[name] for name in ("conn", "name")} | {"reason": reason}
        code = _valid(entry.response.status)
        self._add(Kind.REQUEST, pos, started, dir="c2s", **columns)
        self._add(Kind.RESPONSE, pos, _later(started, took), dir="s2c", code=code, ms=took, **told)

    def _handshake(self, pos: int, entry: Entry, request: Request, columns: dict[str, Any]) -> None:
        """A WebSocket is asked for: what becomes of it."""
        started, took = instant(entry.started_date_time), handshake_ms(entry)
        answered = _later(started, took)
        self._add(Kind.ATTEMPT, pos, started, **columns)
        status, failure = entry.response.status, entry.response.failure or entry.response.error
        told = self.redactor.reason(failure)
        status = _valid(status) or status_in(failure or "")
        # Over HTTP/2 the answer to the extended CONNECT is 200 (RFC 8441 §5).
        tunnel = status == 200 and (request.method == "CONNECT" or bool(entry.messages))
        if status == 101 or tunnel or (not status and not failure and entry.messages):
            self._add(Kind.OPEN, pos, answered, dir="s2c", code=101, ms=took, **columns)
            self._opened(pos, entry, request, answered)
        elif status:
            self._add(Kind.REJECTED, pos, answered, dir="s2c", code=status, reason=told, **columns)
        elif failure:
            kind = Kind.REFUSED if REFUSED.search(failure) else Kind.ERROR
            self._add(kind, pos, answered, reason=told, **columns)
            self._served[_host(entry)] = None
        else:
            self._conn, self._last = columns["conn"], (pos, started)

    def _opened(self, pos: int, entry: Entry, request: Request, answered: datetime | None) -> None:
        """The latest row is of a WebSocket that opened: messages may come."""
        self._open = self._rows[-1]
        self.opened += 1
        self.told_messages |= entry.messages is not None
        self._conn = f"entry {pos}"
        self._engine_io = payload.is_engine_io(entry.request.url)
        self._last = (pos, answered)
        if self._notebook is not None:
            told_back = {it.name.lower(): it.value for it in entry.response.headers}
            of = (self._source, self._conn, "browser", request.target)
            self._notebook.handshake(*of, request.headers, told_back)

    def message(self, pos: int, message: Message) -> None:
        """A message of the entry before."""
        if not self._conn:
            return
        ts = epoch(message.time)
        self._last = (pos, ts)
        self._opened_before(ts)
        direction = {"send": "c2s", "receive": "s2c"}.get(message.type)
        if direction is None:
            reason = self.redactor.reason(message.data)
            self._add(Kind.ERROR, pos, ts, conn=self._conn, reason=reason)
            return
        data = content(message)
        columns: dict[str, Any] = {"conn": self._conn, "dir": direction, "bytes": len(data)}
        kind = _WITH_CONTROL_FRAMES.get(message.opcode, Kind.MESSAGE)
        if kind is Kind.CLOSE:
            columns["code"] = int.from_bytes(data[:2]) if len(data) > 1 else 1005
            columns["reason"] = self.redactor.reason(data[2:].decode("utf-8", "replace"))
        elif kind is not Kind.MESSAGE:
            columns["trace"] = ping_payload(data)
        elif message.opcode == TEXT:
            said = payload.read(data, self._engine_io)
            kind = Kind(said.heartbeat) if said.heartbeat else kind
            columns |= {
                "name": self._mask(said.name),
                "topic": self._mask(said.topic),
                "trace": self._mask(said.trace),
            }
        if kind is Kind.MESSAGE and self._notebook is not None:
            text = data if message.opcode == TEXT else None
            of = (self._source, pos, micros(ts), self._conn, direction, len(data))
            self._notebook.message(*of, text, engine_io=self._engine_io)
        self._add(kind, pos, ts, **columns)

    def _note_fetch(
        self, pos: int, entry: Entry, request: Request, started: datetime | None
    ) -> None:
        """A plain HTTP exchange, which no diagnosis asks for; pages and scripts are none."""
        if self._notebook is None or entry.resource_type not in ("", "xhr", "fetch", "other"):
            return
        content_, told = body(entry.response)
        took = entry.time if entry.time and entry.time >= 0 else None
        self._notebook.fetch(
            self._source,
            pos,
            micros(started),
            "browser",
            request.method,
            request.target,
            _valid(entry.response.status),
            took,
            content_,
            media=told.mime_type,
            size=told.size if told.size and told.size >= 0 else None,
        )

    def _note_served(self, pos: int, entry: Entry) -> None:
        """An answer from a host at which no WebSocket opened any more: it is there."""
        if _host(entry) in self._served and 200 <= entry.response.status < 500:
            answered = _later(instant(entry.started_date_time), handshake_ms(entry))
            self._served[_host(entry)] = (pos, answered)

    def frame(self) -> pl.DataFrame:
        """All rows in the order of time."""
        self._stop()
        for pos, ts in filter(None, self._served.values()):
            self._add(Kind.PAGE, pos, ts, reason=SERVED)
        self._served.clear()
        return events(self._rows).sort("ts", "pos", nulls_last=True, maintain_order=True)

    def _opened_before(self, ts: datetime | None) -> None:
        """No message comes before the 101: `time` may count what was before `startedDateTime`."""
        opened = self._open and self._open["ts"]
        if self._open and ts and isinstance(opened, datetime) and ts < opened:
            self._open["ts"] = ts
        self._open = None

    def _stop(self) -> None:
        """A HAR cannot see how a connection ends: the evidence just stops."""
        if self._conn and self._last:
            self._add(Kind.END, *self._last, conn=self._conn, reason="evidence-stops")
        self._conn, self._last, self._open = "", None, None

    def _add(self, kind: Kind, pos: int, ts: datetime | None, **columns: object) -> None:
        row = {"ts": ts, "vantage": Vantage.CLIENT, "source": self._source, "pos": pos}
        self._rows.append({**row, "kind": kind, **columns})


def _host(entry: Entry) -> str:
    """Host and port of an entry's URL; empty where it is none."""
    try:
        return urlsplit(entry.request.url).netloc
    except ValueError:
        return ""


def _valid(status: int) -> int | None:
    """A status code (RFC 9110 §15); browsers put 0 or -1 where none came."""
    return status if 100 <= status <= 599 else None


def _later(started: datetime | None, ms: float | None) -> datetime | None:
    try:
        return started + timedelta(milliseconds=ms or 0) if started else None
    except (OverflowError, ValueError):
        return None
