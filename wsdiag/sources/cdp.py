"""DevTools events: what Chrome's DevTools protocol told of WebSockets, one event a line.

`Network.webSocket*` as scripts on puppeteer, Playwright or chrome-remote-interface write them
(`{"method": …, "params": …}`), and the performance log of ChromeDriver and Selenium
(https://chromedevtools.github.io/devtools-protocol/tot/Network/). Times are a clock of their own
with an unknown zero; each request for a handshake tells both that clock and the time of day. Ping
and Close frames and close codes are not reported. `pos` is the line.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from wsdiag import evidence
from wsdiag.capture.http.handshake import credential, trace
from wsdiag.capture.http.http1 import Request
from wsdiag.capture.websocket import payload
from wsdiag.config import Config
from wsdiag.event import Kind, Vantage, events
from wsdiag.evidence import InputFile, Reading
from wsdiag.redact import Redactor
from wsdiag.sources.browser.cdp_lines import Event, event_of
from wsdiag.sources.browser.har_items import epoch, instant
from wsdiag.sources.browser.reading import reading
from wsdiag.sources.browser.words import REFUSED, status_in, target

LONGEST = 8 * 2**20
"""Bytes of a line; a longer one is passed over."""

HEAD_LINES = 40
_TEXT, _FIRST_CONTROL = 1, 8


def sniff(head: bytes, name: str) -> float:
    """Sure where an event about WebSockets, or nothing but events, stands in the head."""
    lines = [line for line in head.splitlines()[:HEAD_LINES] if line.strip()]
    if len(lines) > 1 and len(head) >= evidence.HEAD_BYTES:
        lines = lines[:-1]  # it may be cut
    found = [event for line in lines if (event := event_of(line)) is not None]
    about = any(event.method.startswith("Network.webSocket") for event in found)
    return 0.95 if about or (found and len(found) == len(lines)) else 0.0


def read(item: InputFile, config: Config) -> Reading:
    """The WebSocket connections that the events tell of."""
    rows = _Rows(item.name)
    unread = 0
    for pos, line in _lines(item):
        event = event_of(line) if line else None
        if event is None:
            unread += bool(line is None or line.strip())
        else:
            rows.take(pos, event)
    remarks = [f"{unread} lines are no DevTools events"] if unread else []
    if rows.undated:
        remarks.append(f"{rows.undated} events before the first handshake have no time of day")
    return reading("cdp", rows.frame(), unread, remarks, rows.redactor)


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions` and around. Raw: redact them."""
    return evidence.lines(item, positions, context)


def _lines(item: InputFile) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines; None for one that is too long."""
    with item.path.open("rb") as file:
        pos = 0
        while line := file.readline(LONGEST):
            pos += 1
            if len(line) == LONGEST and not line.endswith(b"\n"):
                while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                    pass
                yield pos, None
            else:
                yield pos, line


class _Connection:
    """What is known of one WebSocket."""

    def __init__(self, conn: str, url: str) -> None:
        self.url = url
        self.columns: dict[str, Any] = {"conn": conn}
        self.began: datetime | None = None
        self.opened = self.done = self.asked = False
        self.last: tuple[int, datetime | None] = (0, None)


class _Rows:
    """The rows of one log."""

    def __init__(self, source: str) -> None:
        self.redactor = Redactor()
        self.undated = 0
        self._mask = payload.Masking(self.redactor)
        self._source = source
        self._zero: float | None = None  # the time of day at zero of the events' own clock
        self._rows: list[dict[str, object]] = []
        self._known: dict[str, _Connection] = {}

    def take(self, pos: int, event: Event) -> None:
        """The next event."""
        if (both := event.number("wallTime")) and (own := event.number("timestamp")):
            self._zero = both - own
        what = event.method.removeprefix("Network.webSocket")
        if what == event.method:
            return
        conn = event.text("requestId")
        ts = self._when(event)
        self.undated += ts is None and what != "Created"
        found = self._known.get(conn)
        if found is None or what == "Created":
            found = self._known[conn] = _Connection(conn, event.text("url"))
            # A log that began later shows a connection that was open.
            found.opened = what in ("FrameSent", "FrameReceived")
        found.last = (pos, ts or found.last[1])
        if what == "WillSendHandshakeRequest":
            self._attempt(found, pos, ts, event.headers("request"))
        elif what == "HandshakeResponseReceived":
            self._answer(found, pos, ts, int(event.inner("response", "status")), "")
        elif what in ("FrameSent", "FrameReceived"):
            self._frame(found, pos, ts, event, "c2s" if what == "FrameSent" else "s2c")
        elif what == "FrameError":
            self._failed(found, pos, ts, event.text("errorMessage"))
        elif what == "Closed":
            self._closed(found, pos, ts)

    def frame(self) -> pl.DataFrame:
        """All rows in the order of time."""
        for found in self._known.values():
            if found.opened and not found.done:
                pos, ts = found.last
                conn = found.columns["conn"]
                self._add(Kind.END, pos, ts, conn=conn, reason="evidence-stops")
        return events(self._rows).sort("ts", "pos", nulls_last=True, maintain_order=True)

    def _when(self, event: Event) -> datetime | None:
        own = event.number("timestamp")
        if self._zero is not None and own:
            return epoch(self._zero + own)
        return instant(event.written) if event.written else epoch(event.logged)

    def _attempt(
        self, found: _Connection, pos: int, ts: datetime | None, headers: dict[str, str]
    ) -> None:
        asked = target(found.url)
        found.asked, found.began = True, ts
        found.columns |= {
            "name": self._mask(Request("GET", asked, headers, pos, 0).path),
            "key": self._mask(headers.get("sec-websocket-key")),
            "trace": trace(headers, self.redactor),
            **credential(found.url, headers)._asdict(),
        }
        self._add(Kind.ATTEMPT, pos, ts, **found.columns)

    def _answer(
        self, found: _Connection, pos: int, ts: datetime | None, status: int, failure: str
    ) -> None:
        """The handshake succeeds or fails, and does so once."""
        if found.opened or found.done:
            return
        reason = self.redactor.reason(failure)
        if status in (101, 200) and not failure:  # 200: over HTTP/2, RFC 8441
            took = (ts - found.began).total_seconds() * 1e3 if ts and found.began else None
            found.opened = True
            self._add(Kind.OPEN, pos, ts, dir="s2c", code=101, ms=took, **found.columns)
        elif 100 <= status <= 599:
            found.done = True
            columns = {"dir": "s2c", "code": status, "reason": reason}
            self._add(Kind.REJECTED, pos, ts, **columns, **found.columns)
        elif failure:
            found.done = True
            kind = Kind.REFUSED if REFUSED.search(failure) else Kind.ERROR
            self._add(kind, pos, ts, reason=reason, **found.columns)

    def _failed(self, found: _Connection, pos: int, ts: datetime | None, failure: str) -> None:
        if found.opened:
            reason = self.redactor.reason(failure)
            self._add(Kind.ERROR, pos, ts, conn=found.columns["conn"], reason=reason)
        else:
            self._answer(found, pos, ts, status_in(failure), failure)

    def _closed(self, found: _Connection, pos: int, ts: datetime | None) -> None:
        if found.opened and not found.done:
            self._add(Kind.END, pos, ts, conn=found.columns["conn"])
        found.done = True

    def _frame(
        self, found: _Connection, pos: int, ts: datetime | None, event: Event, way: str
    ) -> None:
        opcode = int(event.inner("response", "opcode"))
        text = event.inner_text("response", "payloadData")
        if opcode >= _FIRST_CONTROL:
            return  # the protocol does not report control frames
        data = text.encode("utf-8", "surrogatepass") if opcode == _TEXT else _decoded(text)
        columns: dict[str, Any] = {"conn": found.columns["conn"], "dir": way, "bytes": len(data)}
        kind = Kind.MESSAGE
        if opcode == _TEXT:
            said = payload.read(data, payload.is_engine_io(found.url))
            kind = Kind(said.heartbeat) if said.heartbeat else kind
            columns |= {
                "name": self._mask(said.name),
                "topic": self._mask(said.topic),
                "trace": self._mask(said.trace),
            }
        self._add(kind, pos, ts, **columns)

    def _add(self, kind: Kind, pos: int, ts: datetime | None, **columns: object) -> None:
        row = {"ts": ts, "vantage": Vantage.CLIENT, "source": self._source, "pos": pos}
        self._rows.append({**row, "kind": kind, **columns})


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "surrogatepass")
