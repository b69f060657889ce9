"""The rows of a connection in a capture: what it shows, as events.

Nothing of a connection is told until it proves to be of interest: an upgrade, frames, or a SYN that
was refused or never answered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Any

from wsdiag import redact
from wsdiag.capture import payload
from wsdiag.capture.conversation import Conversation, Fact
from wsdiag.capture.flow import Sent
from wsdiag.capture.handshake import Request, Response, broken_rules, credential, trace
from wsdiag.capture.packets import Endpoint
from wsdiag.capture.payload import Payload
from wsdiag.capture.streams import Connection, TcpFact, What
from wsdiag.capture.tls import ALERTS, FATAL, Tls
from wsdiag.capture.websocket import CLOSE, PING, PONG, TEXT, Frame, Message, Reader
from wsdiag.event import CROSSED, SENT_FIRST, Kind
from wsdiag.sources.wire_book import Book

MAX_PINGS = 64
"""So many pings of one connection wait for their pong."""

ENDS = (What.FIN, What.RST)

_TRANSPORT = {
    What.RESENT: Kind.RETRANSMIT,
    What.ZERO_WINDOW: Kind.ZERO_WINDOW,
    What.EOF: Kind.END,
    What.FIN: Kind.END,
    What.RST: Kind.END,
}


class Story:
    """One connection on its way into rows. Nothing is told until it proves to be of interest."""

    def __init__(self, conn: Connection, book: Book) -> None:
        self.conn, self._book = conn, book
        self.engine_io = False
        self._talk: Conversation | None = None
        self._shown = False
        self._held: list[TcpFact] = []  # of the transport, until the connection is shown
        self._name = ""
        self._requests = 0
        self._began = (0, 0)  # pos, ts of the attempt
        self._awaiting = False  # an upgrade has no answer yet
        self._pings: dict[tuple[int, str | None, str | None], int] = {}
        self._broken_rules: set[tuple[int, str]] = set()
        self._ended: set[int] = set()
        self._done: set[int] = set()  # sides
        self._lost = 0
        self._tls: Tls | None = None
        self._stops = (0, 0)  # pos, ts where the evidence does
        self._end: tuple[int, str, int] | None = None  # side, name and time of the first
        self._brought: tuple[int, Sent | None] = (0, None)  # pos of the latest bytes, their packet
        self._closes: dict[int, Sent | None] = {}  # by side

    @property
    def readers(self) -> tuple[Reader, Reader] | None:
        """The readers of both sides, where nothing but frames is left to be read."""
        if self._talk is None or not self._shown:
            return None
        one, other = self._talk.readers
        if one is None or other is None or one.broken or other.broken:
            return None
        return one, other

    def is_done_by(self, ends: Collection[int]) -> bool:
        """Whether with the ends of these sides it will have ended on both."""
        return len(self._done.union(ends)) == 2

    @property
    def is_plain(self) -> bool:
        """Whether nothing but frames is left to be read, and the handshake of TCP is over."""
        conn = self.conn
        begun = conn.answered and (conn.round_trip > 0 or conn.syn is None)
        return begun and self.readers is not None

    @property
    def is_ignored(self) -> bool:
        """Whether nothing of it is read until it ends."""
        conn = self.conn
        return not conn.wanted and all(flow.start is not None for flow in conn.flows)

    @property
    def name(self) -> str:
        """The connection, as the rows name it."""
        if not self._name:
            ends, client = self.conn.ends, self.client
            self._name = f"{_address(ends[client])}-{_address(ends[1 - client])}"
            if self.conn.ordinal > 1:
                self._name += f"#{self.conn.ordinal}"
        return self._name

    @property
    def client(self) -> int:
        """The side that asks."""
        return 0 if self._talk is None or self._talk.client is None else self._talk.client

    def take(self, fact: TcpFact) -> None:
        """Something happened on the connection."""
        if fact.what in ENDS:
            self._end = self._end or (fact.side, fact.what.name, fact.ts)
            self._done.add(fact.side)
            if len(self._done) == 2 and self._talk is not None:
                self._talk.forget()
        if fact.what in _TRANSPORT:
            if self._shown:
                self._transport(fact)
            elif self.conn.wanted or self._book.keyed is not None:
                self._held.append(fact)
        elif fact.what is What.REFUSED:
            self._attempt(None)
            self._row(Kind.REFUSED, fact.side, fact.pos, fact.ts, peer=self._peer)
        elif fact.what in (What.DATA, What.LOST):
            if self._talk is None:
                self._talk = Conversation(
                    0 if self.conn.handshake_seen else None, keep=self._book.keep
                )
            if fact.what is What.DATA:
                self._brought = fact.pos, fact.sent
                self.tell(self._talk.feed(fact.side, fact.data, fact.pos, fact.ts))
            else:
                self._lost += fact.size
                self.tell(self._talk.lose(fact.side, fact.size, fact.pos, fact.ts))
            if self._talk.is_tls:
                self._encrypted(fact)
            elif self._talk.is_other and not self._shown:
                self._note_http2(self._talk)
                self._ignore()

    def _encrypted(self, fact: TcpFact) -> None:
        """TLS: what it shows in clear."""
        tls = self._tls = self._tls or Tls()
        if fact.what is What.LOST:
            tls.lose(fact.side)
        for alert in tls.feed(fact.side, fact.data, fact.pos, fact.ts):
            if alert.level == FATAL:
                self._attempt(None)
                name = ALERTS.get(alert.number)
                at = (alert.side, alert.pos, alert.ts)
                self._row(Kind.TLS_ALERT, *at, code=alert.number, reason=name)
        if tls.is_full and self._book.keyed is None:
            self._ignore()

    def _note_http2(self, talk: Conversation) -> None:
        self._book.over_http2 += talk.http2 is not None and talk.http2.asks

    def _ignore(self) -> None:
        self._held.clear()
        self.conn.ignore()

    def finish(self, pos: int, ts: int) -> None:
        """The capture shows nothing more of it; `pos` and `ts` are where the evidence stops."""
        conn, talk, book = self.conn, self._talk, self._book
        if talk is not None and talk.is_tls:
            self._stops = pos, ts
            if book.keyed is not None and self._tls is not None:
                book.keyed.append(self)
            else:
                book.encrypted.add(conn, self._tls, self._end)
        elif talk is not None:
            self.tell(talk.finish())
            book.unreadable += talk.is_unreadable
            if self._shown and self._lost:
                book.lossy += 1
                book.lost_bytes += self._lost
            if self._shown and not self._ended and (talk.is_websocket or self._awaiting):
                self._row(Kind.END, None, pos, ts, reason="evidence-stops")
        elif conn.syn and not conn.answered:
            self._attempt(None)
            if self._ended:
                return
            if conn.syn_resent:
                self._row(Kind.END, None, *conn.last, reason="timeout")
            else:
                self._row(Kind.END, None, pos, ts, reason="evidence-stops")

    def reveal(self, facts: Sequence[TcpFact]) -> None:
        """Read what was in TLS; where nothing could be opened, it stays encrypted."""
        if not any(fact.data for fact in facts):
            self._book.encrypted.add(self.conn, self._tls, self._end)
            return
        client = self._tls.client if self._tls else None
        asks = 0 if client is None and self.conn.handshake_seen else client
        self._talk = Conversation(asks, keep=self._book.keep)
        ends = [fact for fact in facts if fact.what is What.EOF]
        self._held = sorted([*ends, *self._held], key=lambda fact: fact.pos)
        for fact in facts:
            self.tell(self._talk.feed(fact.side, fact.data, fact.pos, fact.ts))
        self._note_http2(self._talk)
        self.finish(*self._stops)

    @property
    def _peer(self) -> str:
        return _address(self.conn.ends[self.client])

    def _row(self, what: Kind, side: int | None, pos: int, ts: int, **columns: object) -> None:
        direction = None if side is None else "c2s" if side == self.client else "s2c"
        if what in (Kind.CLOSE, Kind.END) and self._began == (0, 0):
            columns["peer"] = self._peer  # no attempt tells it
        self._book.add(what, pos, ts, conn=self.name, dir=direction, **columns)

    def _show(self) -> None:
        """It is a WebSocket, or was to be one: tell of its transport, too."""
        if self._shown:
            return
        self._shown = True
        for fact in self._held:
            self._transport(fact)
        self._held.clear()

    def _transport(self, fact: TcpFact) -> None:
        what, columns = _TRANSPORT[fact.what], dict[str, Any]()
        if what is Kind.END:
            if fact.side in self._ended:
                return
            self._ended.add(fact.side)
            columns["reason"] = fact.what.name.lower()
        elif what is Kind.RETRANSMIT:
            columns["bytes"] = fact.size
        self._row(what, fact.side, fact.pos, fact.ts, **columns)

    def tell(self, facts: Sequence[Fact]) -> None:
        """Both sides said something."""
        for fact in facts:
            if isinstance(fact, Request):
                self._request(fact)
            elif isinstance(fact, Response):
                self._response(fact)
            else:
                if not self._shown and self.conn.syn:
                    self._attempt(None)  # its handshake is not in the capture
                self._show()
                self.violations(fact)
                if isinstance(fact, Message):
                    self._message(fact)
                elif fact.opcode in (CLOSE, PING, PONG):
                    self._control(fact)

    def _attempt(self, request: Request | None) -> None:
        """The connection begins: at its SYN, or at the request where it carried others before."""
        if self.conn.syn is not None and self._requests <= 1:
            self._began = self.conn.syn
        elif request is not None:
            self._began = (request.pos, request.ts)
        self._show()
        columns = {} if request is None else self._handshake(request)
        self._row(Kind.ATTEMPT, None, *self._began, peer=self._peer, **columns)

    def _handshake(self, request: Request) -> dict[str, Any]:
        """Columns that identify a handshake and who asks for it."""
        return {
            "name": self._book.mask(request.path),
            "key": self._book.mask(request.headers.get("sec-websocket-key")),
            "trace": trace(request.headers, self._book.redactor),
            **credential(request.target, request.headers)._asdict(),
        }

    def _request(self, request: Request) -> None:
        self._requests += 1
        if request.is_upgrade:
            self._awaiting = True
            self.engine_io = payload.is_engine_io(request.target)
            self._attempt(request)
        elif request.is_polling:
            columns = self._handshake(request)
            self._row(Kind.REQUEST, self.client, request.pos, request.ts, **columns)

    def _response(self, answer: Response) -> None:
        request, told = answer.request, dict[str, Any]()
        if answer.status >= 400 or (request.is_upgrade and answer.status != 101):
            told["reason"] = self._book.redactor.reason(answer.explanation())
        if request.is_upgrade:
            self._awaiting = False
            what = Kind.OPEN if answer.status == 101 else Kind.REJECTED
            began = self._began[1]
            told |= {"peer": self._peer, **self._handshake(request)}
        elif request.is_polling:
            what, began = Kind.RESPONSE, request.ts
            told["name"] = self._book.mask(request.path)
        else:
            self._note_fetch(answer)
            return
        if what is Kind.OPEN and (notebook := self._book.notebook):
            client = _host(self.conn.ends[self.client].ip)
            source, _ = self._book.place(request.pos)
            of = (source, self.name, client, request.target)
            notebook.handshake(*of, request.headers, answer.headers)
        if what is not Kind.REJECTED:
            told["ms"] = _ms(began, answer.ts)
        side = 1 - self.client
        self._row(what, side, answer.pos, answer.ts, code=answer.status, **told)
        if what is Kind.OPEN:
            for rule in broken_rules(answer):
                self._row(Kind.ERROR, side, answer.pos, answer.ts, reason=rule)

    def _note_fetch(self, answer: Response) -> None:
        """A plain HTTP exchange, which no diagnosis asks for."""
        if (notebook := self._book.notebook) is None:
            return
        request, headers = answer.request, answer.headers
        size = headers.get("content-length", "")
        notebook.fetch(
            *self._book.place(request.pos),
            request.ts,
            _host(self.conn.ends[self.client].ip),
            request.method,
            request.target,
            answer.status,
            _ms(request.ts, answer.ts),
            answer.body,
            media=headers.get("content-type", ""),
            encoding=headers.get("content-encoding", ""),
            size=int(size) if size.isdecimal() else None,
        )

    def note(self, side: int, pos: int, ts: int, size: int, text: bytes | None) -> None:
        """Let a review look at a message."""
        if notebook := self._book.notebook:
            way = "c2s" if side == self.client else "s2c"
            of = (*self._book.place(pos), ts if ts >= 0 else None, self.name, way, size)
            notebook.message(*of, text, engine_io=self.engine_io)

    def without_id(self, side: int, pos: int, ts: int, text: bytes) -> None:
        """A text by which only its echo could be known."""
        client = side == self.client
        self._book.echoes.note(self.name, client=client, pos=pos, ts=ts, text=text)

    @property
    def is_talking(self) -> bool:
        """Whether the client has sent a text without an id."""
        return self._book.echoes.is_talking(self.name)

    def violations(self, fact: Frame | Message) -> None:
        """Each broken rule once for a side: a peer that breaks one does so in every frame."""
        for rule in fact.violations:
            if (fact.side, rule) not in self._broken_rules:
                self._broken_rules.add((fact.side, rule))
                self._row(Kind.ERROR, fact.side, fact.pos, fact.ts, reason=rule)

    def _control(self, frame: Frame) -> None:
        if frame.opcode == CLOSE:
            self._close(frame)
        else:
            content = ping_content(frame.payload) if frame.payload else None
            what = Kind.PING if frame.opcode == PING else Kind.PONG
            self._heartbeat(what, frame, None, content)

    def _close(self, frame: Frame) -> None:
        """A Close frame, and which of two was sent first.

        Who answers a Close acknowledges it by the same packet. That may be available before what it
        answers, which waited for bytes before it. Neither acknowledges the other where both sides
        closed before they could know of it.
        """
        sent, other = self._sent(frame), self._closes.get(1 - frame.side)
        name = None
        if sent and other and not sent.knew(other):
            name = SENT_FIRST if other.knew(sent) else CROSSED
        self._closes.setdefault(frame.side, sent)
        reason = self._book.redactor.reason(frame.reason)
        at = (frame.side, frame.pos, frame.ts)
        self._row(Kind.CLOSE, *at, code=frame.code, reason=reason, bytes=frame.size, name=name)

    def _sent(self, frame: Frame) -> Sent | None:
        """The packet that carries the end of a frame, where it is known."""
        if self._book.sent is not None:
            return self._book.sent(self._book.turn, frame.pos)
        pos, sent = self._brought
        return sent if pos == frame.pos else None

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
        self._row(
            Kind.MESSAGE,
            message.side,
            message.pos,
            message.ts,
            bytes=message.size,
            name=self._book.mask(said.name),
            topic=self._book.mask(said.topic),
            trace=self._book.mask(said.trace),
        )

    def beat(self, said: Payload, message: Message) -> None:
        """A message is a heartbeat of the application."""
        name, trace_id = self._book.mask(said.name), self._book.mask(said.trace)
        self._heartbeat(Kind(said.heartbeat or ""), message, name, trace_id)

    def _heartbeat(
        self, what: Kind, fact: Frame | Message, name: str | None, trace_id: str | None
    ) -> None:
        ms = self.answered(fact.side, fact.ts, name, trace_id, ping=what is Kind.PING)
        at = (fact.side, fact.pos, fact.ts)
        self._row(what, *at, bytes=fact.size, name=name, trace=trace_id, ms=ms)

    def answered(
        self, side: int, ts: int, name: str | None, trace_id: str | None, *, ping: bool
    ) -> float | None:
        """How long (ms) the ping waited that a pong answers: the latest of the other side with the
        same payload (RFC 6455 §5.5.3). A ping is kept until then."""
        if not ping:
            pinged = self._pings.pop((1 - side, name, trace_id), None)
            return None if pinged is None else _ms(pinged, ts)
        mark = (side, name, trace_id)
        self._pings.pop(mark, None)
        self._pings[mark] = ts
        if len(self._pings) > MAX_PINGS:
            del self._pings[next(iter(self._pings))]
        return None


def _ms(begin: int, end: int) -> float | None:
    return (end - begin) / 1000 if 0 <= begin <= end else None


ping_content = redact.remembered(4096)(redact.ping_payload)
"""A pong mostly comes soon after the ping that it repeats."""


@redact.remembered(4096)
def _host(ip: bytes) -> str:
    return redact.address(str(ip_address(ip)))


def _address(end: Endpoint) -> str:
    return f"{_host(end.ip)}:{end.port}"
