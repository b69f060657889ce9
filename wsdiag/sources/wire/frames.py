"""What both sides of a WebSocket say, as rows: messages, heartbeats, Close frames, broken rules."""

from __future__ import annotations

from collections.abc import Callable

from wsdiag import redact
from wsdiag.capture.tcp.flow import Sent
from wsdiag.capture.websocket import payload
from wsdiag.capture.websocket.payload import Payload
from wsdiag.capture.websocket.protocol import CLOSE, PING, PONG, TEXT, Frame, Message
from wsdiag.event import CROSSED, SENT_FIRST, Kind
from wsdiag.sources.wire.page import Page, took

MAX_PINGS = 64
"""So many pings of one connection wait for their pong."""


Bringer = Callable[[int], Sent | None]
"""The packet that brought the bytes which became available at this one, where it is known."""


class Frames:
    """The frames of one connection."""

    def __init__(self, page: Page) -> None:
        self.engine_io = False
        self._page = page
        self._pings: dict[tuple[int, str | None, str | None], int] = {}
        self._broken_rules: list[tuple[int, str]] = []  # by side; few
        self._closes: dict[int, Sent | None] = {}  # by side

    def tell(self, fact: Frame | Message, brought: Bringer) -> None:
        """A frame or a message is complete."""
        self.violations(fact)
        if isinstance(fact, Message):
            self._message(fact)
        elif fact.opcode == CLOSE:
            self._close(fact, brought(fact.pos))
        elif fact.opcode in (PING, PONG):
            content = ping_content(fact.payload) if fact.payload else None
            what = Kind.PING if fact.opcode == PING else Kind.PONG
            self._heartbeat(what, fact, None, content)

    def violations(self, fact: Frame | Message) -> None:
        """Each broken rule once for a side: a peer that breaks one does so in every frame."""
        for rule in fact.violations:
            if (fact.side, rule) not in self._broken_rules:
                self._broken_rules.append((fact.side, rule))
                self._page.row(Kind.ERROR, fact.side, fact.pos, fact.ts, reason=rule)

    def note(self, side: int, pos: int, ts: int, size: int, text: bytes | None) -> None:
        """Let a review look at a message."""
        page = self._page
        if notebook := page.book.notebook:
            way = "c2s" if side == page.client else "s2c"
            of = (*page.book.place(pos), ts if ts >= 0 else None, page.name, way, size)
            notebook.message(*of, text, engine_io=self.engine_io)

    def without_id(self, side: int, pos: int, ts: int, text: bytes) -> None:
        """A text by which only its echo could be known."""
        page = self._page
        client = side == page.client
        page.book.echoes.note(page.name, client=client, pos=pos, ts=ts, text=text)

    @property
    def is_talking(self) -> bool:
        """Whether the client has sent a text without an id."""
        return self._page.book.echoes.is_talking(self._page.name)

    def beat(self, said: Payload, message: Message) -> None:
        """A message is a heartbeat of the application."""
        mask = self._page.book.mask
        self._heartbeat(Kind(said.heartbeat or ""), message, mask(said.name), mask(said.trace))

    def answered(
        self, side: int, ts: int, name: str | None, trace_id: str | None, *, ping: bool
    ) -> float | None:
        """How long (ms) the ping waited that a pong answers: the latest of the other side with the
        same payload (RFC 6455 §5.5.3). A ping is kept until then."""
        if not ping:
            pinged = self._pings.pop((1 - side, name, trace_id), None)
            return None if pinged is None else took(pinged, ts)
        mark = (side, name, trace_id)
        self._pings.pop(mark, None)
        self._pings[mark] = ts
        if len(self._pings) > MAX_PINGS:
            del self._pings[next(iter(self._pings))]
        return None

    def _message(self, message: Message) -> None:
        said = payload.NOTHING
        if message.opcode == TEXT:
            said = payload.read(message.payload, self.engine_io)
        if said.heartbeat:
            self.beat(said, message)
            return
        text = message.payload if message.opcode == TEXT else None
        self.note(message.side, message.pos, message.ts, message.size, text)
        if text is not None and said.trace is None:
            self.without_id(message.side, message.pos, message.ts, text)
        mask = self._page.book.mask
        self._page.row(
            Kind.MESSAGE,
            message.side,
            message.pos,
            message.ts,
            bytes=message.size,
            name=mask(said.name),
            topic=mask(said.topic),
            trace=mask(said.trace),
        )

    def _heartbeat(
        self, what: Kind, fact: Frame | Message, name: str | None, trace_id: str | None
    ) -> None:
        ms = self.answered(fact.side, fact.ts, name, trace_id, ping=what is Kind.PING)
        at = (fact.side, fact.pos, fact.ts)
        self._page.row(what, *at, bytes=fact.size, name=name, trace=trace_id, ms=ms)

    def _close(self, frame: Frame, sent: Sent | None) -> None:
        """A Close frame, the packet that carries its end, and which of two was sent first.

        Who answers a Close acknowledges it by the same packet. That may be available before what it
        answers, which waited for bytes before it. Neither acknowledges the other where both sides
        closed before they could know of it.
        """
        other, name = self._closes.get(1 - frame.side), None
        if sent and other and not sent.knew(other):
            name = SENT_FIRST if other.knew(sent) else CROSSED
        self._closes.setdefault(frame.side, sent)
        reason = self._page.book.redactor.reason(frame.reason)
        at = (frame.side, frame.pos, frame.ts)
        self._page.row(Kind.CLOSE, *at, code=frame.code, reason=reason, bytes=frame.size, name=name)


ping_content = redact.remembered(4096)(redact.ping_payload)
"""A pong mostly comes soon after the ping that it repeats."""
