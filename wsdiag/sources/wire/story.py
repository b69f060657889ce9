"""A connection of a capture, from its SYN to its end, on its way into rows.

Nothing of it is told until it proves to be of interest: an upgrade, frames, or a SYN that was
refused or never answered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wsdiag.capture.conversation import Conversation
from wsdiag.capture.http.http1 import Request, Response
from wsdiag.capture.http.http2 import Ended
from wsdiag.capture.multiplexed import Fact, OfStream, Said
from wsdiag.capture.tcp.flow import Sent
from wsdiag.capture.tcp.streams import Connection, TcpFact, What
from wsdiag.capture.tls import ALERTS, FATAL, Tls
from wsdiag.capture.websocket import payload
from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.event import Kind
from wsdiag.sources.wire import http, transport
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.frames import Bringer, Frames
from wsdiag.sources.wire.page import Page
from wsdiag.sources.wire.transport import Transport

ENDS = (What.FIN, What.RST)


class Story:
    """One connection: what becomes of it, and what of it is told where.

    Each WebSocket over HTTP/2, on a `stream` of its own, is a connection in that of TCP.
    """

    def __init__(self, conn: Connection, book: Book, stream: int | None = None) -> None:
        self.conn, self._book = conn, book
        self.page = Page(conn, book, stream)
        self.frames = Frames(self.page)
        self._transport = Transport(self.page)
        self._requests = 0
        self._awaiting = False  # an upgrade has no answer yet
        self._done: set[int] = set()  # sides
        self._lost = 0
        self._latest: tuple[int, Sent | None] = (0, None)  # pos of the latest bytes, their packet
        self._tls: Tls | None = None
        self._stops = (0, 0)  # pos, ts where the evidence does
        # Side, name, time and packet of the first.
        self._end: tuple[int, str, int, int] | None = None
        self._streams: dict[int, Story] = {}  # over HTTP/2, those that are not over

    @property
    def client(self) -> int:
        """The side that asks."""
        return self.page.client

    @property
    def readers(self) -> tuple[Reader, Reader] | None:
        """The readers of both sides, where nothing but frames is left to be read."""
        if self.page.talk is None or not self._transport.is_shown:
            return None
        one, other = self.page.talk.readers
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

    def take(self, fact: TcpFact, brought: Bringer | None = None) -> None:
        """Something happened on the connection."""
        if fact.what in ENDS:
            self._end = self._end or (fact.side, fact.what.name, fact.ts, fact.pos)
            self._done.add(fact.side)
            if len(self._done) == 2 and self.page.talk is not None:
                self.page.talk.forget()
        if fact.what in transport.KINDS:
            self._transport.take(fact)
            self._share(fact)
        elif fact.what is What.REFUSED:
            self._attempt(None)
            self.page.row(Kind.REFUSED, fact.side, fact.pos, fact.ts, peer=self.page.peer)
        elif fact.what in (What.DATA, What.LOST):
            talk = self.page.talk
            if talk is None:
                asks = 0 if self.conn.handshake_seen else None
                talk = self.page.talk = Conversation(asks, keep=self._book.keep)
            if fact.what is What.DATA:
                self._latest = fact.pos, fact.sent
                self.tell(talk.feed(fact.side, fact.data, fact.pos, fact.ts), brought)
            else:
                self._lost += fact.size
                self.tell(talk.lose(fact.side, fact.size, fact.pos, fact.ts), brought)
            if talk.is_tls:
                self._encrypted(fact)
            elif talk.is_other and not self._transport.is_shown:
                self._leave(fact.pos, fact.ts)
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
                self.page.row(Kind.TLS_ALERT, *at, code=alert.number, reason=name)
        if tls.is_full and self._book.keyed is None:
            self._ignore()

    def _share(self, fact: TcpFact) -> None:
        """What happens to a connection of TCP happens to each WebSocket on it."""
        for story in self._streams.values():
            story.take(fact)

    def _leave(self, pos: int, ts: int) -> None:
        """What is over HTTP/2 cannot be read from here on."""
        http2 = self.page.talk.http2 if self.page.talk else None
        self._book.cut_http2 += http2 is not None and http2.may_carry
        self._finish_streams(pos, ts)

    def _finish_streams(self, pos: int, ts: int) -> None:
        for story in self._streams.values():
            story.finish(pos, ts)
        self._streams.clear()

    def _ignore(self) -> None:
        self._transport.forget()
        self.conn.ignore()

    def tell(self, facts: Sequence[Fact], brought: Bringer | None = None) -> None:
        """Both sides said something; if nothing else `brought` it, the latest bytes did."""
        for fact in facts:
            if isinstance(fact, Request):
                self._request(fact)
            elif isinstance(fact, Response):
                self._awaiting = self._awaiting and not fact.request.is_upgrade
                http.answered(self.page, fact)
            elif isinstance(fact, OfStream):
                self._tell_of_stream(fact.number, fact.fact, brought or self._brought)
            else:
                if not self._transport.is_shown:
                    self._show_frames()
                self.frames.tell(fact, brought or self._brought)

    def _tell_of_stream(self, number: int, fact: Said | Ended, brought: Bringer) -> None:
        if isinstance(fact, Request):
            story = self._streams[number] = Story(self.conn, self._book, number)
            http2 = self.page.talk.http2 if self.page.talk else None
            story.page.talk = http2.talks[number] if http2 else None
        story = self._streams[number]
        if not isinstance(fact, Ended):
            story.tell([fact], brought)
            return
        if fact.code and story._awaiting and fact.side != self.client:
            http.reset(story.page, fact)
        what = What.RST if fact.code else What.FIN  # RFC 8441 section 5
        story.take(TcpFact(what, self.conn, fact.side, fact.pos, fact.ts))
        if fact.is_last:
            self._streams.pop(number).finish(fact.pos, fact.ts)

    def _brought(self, pos: int) -> Sent | None:
        latest, sent = self._latest
        return sent if latest == pos else None

    def _request(self, request: Request) -> None:
        self._requests += 1
        if request.is_upgrade:
            self._awaiting = True
            self.frames.engine_io = payload.is_engine_io(request.target)
            self._attempt(request)
        elif request.is_polling:
            http.poll(self.page, request)

    def _show_frames(self) -> None:
        """It is a WebSocket, of which the handshake is not in the capture."""
        if self.conn.syn:
            self._attempt(None)
        self._transport.show()

    def _attempt(self, request: Request | None) -> None:
        """The connection begins: at its SYN, or at the request where it carried others before."""
        page = self.page
        if self.conn.syn is not None and self._requests <= 1 and page.stream is None:
            page.began = self.conn.syn
        elif request is not None:
            page.began = (request.pos, request.ts)
        self._transport.show()
        columns = {} if request is None else http.who_asks(self._book, request)
        page.row(Kind.ATTEMPT, None, *page.began, peer=page.peer, **columns)

    def finish(self, pos: int, ts: int) -> None:
        """The capture shows nothing more of it; `pos` and `ts` are where the evidence stops."""
        conn, talk, book = self.conn, self.page.talk, self._book
        if talk is not None and talk.is_tls:
            self._stops = pos, ts
            if book.keyed is not None and self._tls is not None:
                book.keyed.append(self)
            else:
                book.encrypted.add(conn, self._tls, self._end, self.page.names)
        elif talk is not None:
            self.tell(talk.finish())
            self._finish_streams(pos, ts)
            book.unreadable += talk.is_unreadable
            shown, ended = self._transport.is_shown, self._transport.has_ended
            if shown and self._lost:
                book.lossy += 1
                book.lost_bytes += self._lost
            if shown and not ended and (talk.is_websocket or self._awaiting):
                self.page.row(Kind.END, None, pos, ts, reason="evidence-stops")
        elif conn.syn and not conn.answered:
            self._attempt(None)
            if self._transport.has_ended:
                return
            if conn.syn_resent:
                self.page.row(Kind.END, None, *conn.last, reason="timeout")
            else:
                self.page.row(Kind.END, None, pos, ts, reason="evidence-stops")

    def reveal(self, facts: Sequence[TcpFact]) -> None:
        """Read what was in TLS; where nothing could be opened, it stays encrypted."""
        if not any(fact.data for fact in facts):
            self._book.encrypted.add(self.conn, self._tls, self._end, self.page.names)
            return
        client = self._tls.client if self._tls else None
        asks = 0 if client is None and self.conn.handshake_seen else client
        talk = self.page.talk = Conversation(asks, keep=self._book.keep)
        self._transport.hold(fact for fact in facts if fact.what is What.EOF)
        held = (fact for fact in self._transport.held if fact.what is not What.EOF)
        for fact in sorted([*facts, *held], key=lambda fact: fact.pos):
            if fact.what is What.DATA:
                self.tell(talk.feed(fact.side, fact.data, fact.pos, fact.ts))
            else:
                self._share(fact)
            if talk.is_other:
                self._leave(fact.pos, fact.ts)
                break
        self.finish(*self._stops)
