"""One TCP connection, read as HTTP and after the 101 as WebSocket.

Requests and answers are read in turns: what a side sends out of turn waits. Where the capture
begins in the middle of a connection, or lost the handshake or the boundary of the next frame,
frames are looked for (trials.py). Of heads that the snaplen cut off, what stands in their first
bytes is told.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from wsdiag.capture import tls
from wsdiag.capture.http.http1 import (
    BODY_BYTES,
    Request,
    RequestReader,
    Response,
    ResponseReader,
    UnreadableError,
)
from wsdiag.capture.http.http2 import PREFACE, Http2
from wsdiag.capture.multiplexed import Fact, Multiplexed, OfStream
from wsdiag.capture.websocket.deflate import Deflate, negotiated
from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.capture.websocket.trials import FRAGMENT_STARTS, FRAME_STARTS, Trials

MakeReader = Callable[[int, bool, Deflate | None], Reader]
"""Side, whether it is the client's, what was negotiated."""

MAX_WAITING = 1024 * 1024
"""Bytes out of turn that are kept before the connection is given up as HTTP."""

_REQUEST = re.compile(rb"[A-Z]{3,7} \S+ HTTP/1|(?:GET|POST|CONNECT) ")


class Conversation:
    """What the two sides of a connection say. `client` is the side that asks, None: not known.

    `reader` makes what reads the frames of one side; of the body of each answer `keep` bytes are
    kept.
    """

    def __init__(
        self, client: int | None, reader: MakeReader = Reader, keep: int = BODY_BYTES
    ) -> None:
        self.client = client
        self._reader, self._keep = reader, keep
        self.upgrade: Response | None = None  # the 101
        self.is_websocket = False
        self.is_other = False  # neither HTTP nor WebSocket: nothing more is read
        self.is_tls = False
        self.is_unreadable = False  # HTTP that h11 does not take
        self.http2: Multiplexed[Conversation] | None = None
        self._request: Request | None = None  # the one that waits for its answer
        self._asking: RequestReader | None = None
        self._answering: ResponseReader | None = None
        self._waiting: tuple[deque[tuple[bytes, int, int]], ...] = (deque(), deque())
        self._waiting_bytes = 0
        self._seeking = client is None
        self.readers: list[Reader | None] = [None, None]
        self._trials = Trials(self._try)

    @property
    def pending(self) -> Request | None:
        """The request that has no answer yet."""
        return self._request

    def feed(self, side: int, data: bytes, pos: int, ts: int) -> list[Fact]:
        """Take bytes that `side` sent, in order; what they complete."""
        if self.is_other:
            return []
        reader = self.readers[side]
        if reader is not None:
            return [*reader.feed(data, pos, ts)]
        if side == self.client and self._request_is_cut:
            return []  # the rest of it: a client waits for the answer (RFC 6455 section 4.1)
        if self.http2 is not None:
            return [*self._hear_http2(self.http2, side, data, pos, ts)]
        if self._seeking:
            return self._seek(side, data, pos, ts)
        self._waiting[side].append((data, pos, ts))
        self._waiting_bytes += len(data)
        facts = self._take_turns()
        if self._waiting_bytes > MAX_WAITING:
            self._give_up()
        return facts

    def lose(self, side: int, size: int, pos: int, ts: int) -> list[Fact]:
        """Pass over bytes of `side` that are not in the capture."""
        reader = self.readers[side]
        if reader is not None:
            facts: list[Fact] = [*reader.lose(size, pos, ts)]
            if reader.broken:
                self.readers[side], self._seeking = None, True
            return facts
        if (fits := self._trials.lose(side, size, pos, ts)) is not None:
            return self._believe() if fits else []
        if self.http2 is not None:
            self._give_up()
        if self.is_other or self._seeking:
            return []
        if (cut := self._cut_head(side, pos, ts)) is not None:
            return cut
        return self._start_seeking()

    @property
    def _request_is_cut(self) -> bool:
        return self._request is not None and not self._request.whole

    def _cut_head(self, side: int, pos: int, ts: int) -> list[Fact] | None:
        """What there is of the head that `side` is sending, the rest of which is not captured; None
        where it sends none."""
        if side == self.client:
            return self._cut_request(pos, ts)
        return self._cut_answer(side, pos, ts)

    def _cut_request(self, pos: int, ts: int) -> list[Fact] | None:
        if self._request is not None:  # more of it is lost, or of what comes behind it
            return [] if self._request_is_cut else None
        request = self._asking.cut(pos, ts) if self._asking is not None else None
        if request is None:
            return None
        self._asking, self._request = None, request
        self._answering = ResponseReader(request, self._keep)
        facts: list[Fact] = [request] if request.is_upgrade else []
        return facts + self._take_turns()

    def _cut_answer(self, side: int, pos: int, ts: int) -> list[Fact] | None:
        answer = self._answering.cut(pos, ts) if self._answering is not None else None
        if answer is None or self._request is None:
            return None
        self._answering = self._request = None
        if answer.status == 101:
            self._open(answer)
            self.readers[side] = None  # where its first frame begins is not known
        self._seeking = not self.is_other
        return _told(answer) + self._hear_waiting()

    def forget(self) -> None:
        """Both sides have ended: no memory is kept to inflate what may still come."""
        for reader in self.readers:
            if reader is not None and reader.inflater is not None:
                reader.inflater.forget()

    def finish(self) -> list[Fact]:
        """Nothing more comes: what was incomplete only for want of an end."""
        if self.http2 is not None:
            return [*self.http2.finish()]
        if self.is_other or self._answering is None:
            return self._believe(at_least=1) if self.client is not None else []
        try:
            answer = self._answering.feed(b"", 0, 0)
        except UnreadableError:
            answer = None
        answer = answer or self._answering.partial
        if answer is not None:
            self._request = None
            return [answer]
        return [*self._start_seeking(), *self._believe(at_least=1)]

    def _take_turns(self) -> list[Fact]:
        facts: list[Fact] = []
        try:
            while not (self.is_other or self.is_websocket or self.http2):
                assert self.client is not None
                side = self.client if self._request is None else 1 - self.client
                if not self._waiting[side]:
                    break
                data, pos, ts = self._waiting[side].popleft()
                self._waiting_bytes -= len(data)
                if self._answering is None:
                    self._hear_request(facts, data, pos, ts)
                else:
                    self._hear_answer(facts, self._answering, data, pos, ts)
        except UnreadableError:
            self.is_unreadable = self._request is not None
            self._give_up()
        return facts

    def _hear_request(self, facts: list[Fact], data: bytes, pos: int, ts: int) -> None:
        if self._asking is None:
            if not 0x41 <= data[0] <= 0x5A:  # methods are in capitals
                self.is_tls = tls.starts(data)
                self._give_up()
                return
            if data.startswith(PREFACE):
                client = int(self.client or 0)
                self.http2 = Multiplexed(Http2(client, self._keep), self._asked)
                self._put_back(client, data, pos, ts)
                facts.extend(self._hear_waiting())
                return
            self._asking = RequestReader()
        request = self._asking.feed(data, pos, ts)
        if request is not None:
            facts.append(request)
            self._put_back(int(self.client or 0), self._asking.rest, pos, ts)
            self._asking, self._request = None, request
            self._answering = ResponseReader(request, self._keep)

    def _hear_answer(
        self, facts: list[Fact], reader: ResponseReader, data: bytes, pos: int, ts: int
    ) -> None:
        answer = reader.feed(data, pos, ts)
        if answer is None:
            return
        facts.extend(_told(answer))
        self._put_back(1 - int(self.client or 0), reader.rest, pos, ts)
        self._answering = self._request = None
        if answer.status == 101:
            facts.extend(self.opened(answer))

    def opened(self, answer: Response) -> list[Fact]:
        """This answer opens a WebSocket: what waited for it."""
        self._open(answer)
        facts: list[Fact] = []
        for side, waiting in enumerate(self._waiting):
            while waiting:
                facts.extend(self.feed(side, *waiting.popleft()))
        return facts

    def _asked(self, request: Request) -> Conversation:
        """A conversation that begins with this request, which waits for its answer."""
        talk = Conversation(self.client, self._reader, self._keep)
        talk._request = request
        return talk

    def _hear_http2(
        self, http2: Multiplexed[Conversation], side: int, data: bytes, pos: int, ts: int
    ) -> list[OfStream]:
        told = http2.feed(side, data, pos, ts)
        if http2.is_over:
            self._give_up()
        return told

    def _put_back(self, side: int, rest: bytes, pos: int, ts: int) -> None:
        if rest:
            self._waiting[side].appendleft((rest, pos, ts))
            self._waiting_bytes += len(rest)

    def _open(self, answer: Response) -> None:
        if "websocket" not in answer.headers.get("upgrade", "websocket").lower():
            self._give_up()
            return
        self.is_websocket, self.upgrade = True, answer
        for side in (0, 1):
            from_client = side == self.client
            self.readers[side] = self._reader(side, from_client, self._deflate(from_client))

    def _deflate(self, from_client: bool) -> Deflate | None:
        answered = self.upgrade.headers if self.upgrade else {}
        agreed = answered.get("sec-websocket-extensions")
        if agreed is None and self.upgrade and not self.upgrade.whole:
            return Deflate()  # it may have been agreed on
        return negotiated(agreed or "", from_client)

    def _give_up(self) -> None:
        self.is_other = True
        self._drop_waiting()

    def _drop_waiting(self) -> list[tuple[int, bytes, int, int]]:
        """Empty the queues; what was in them, in the order of the capture."""
        dropped = [
            (side, *chunk) for side, waiting in enumerate(self._waiting) for chunk in waiting
        ]
        for waiting in self._waiting:
            waiting.clear()
        self._waiting_bytes = 0
        return sorted(dropped, key=lambda chunk: chunk[2])

    def _start_seeking(self) -> list[Fact]:
        self._seeking = True
        self._asking = self._answering = None
        if self._request_is_cut:
            self._request = None
        return self._hear_waiting()

    def _hear_waiting(self) -> list[Fact]:
        """Take again what waited for its turn."""
        facts: list[Fact] = []
        for side, data, pos, ts in self._drop_waiting():
            facts.extend(self.feed(side, data, pos, ts))
        return facts

    def _seek(self, side: int, data: bytes, pos: int, ts: int) -> list[Fact]:
        """Look for a request or for frames where nothing is known of the connection."""
        if not self.is_websocket and self.client in (None, side) and _REQUEST.match(data):
            self.client, self._seeking, self._request = side, False, None
            self._trials.forget()
            return self.feed(side, data, pos, ts)
        if not self.is_websocket and tls.starts(data):
            self.is_tls = True
            self._give_up()
            return []
        if self._trials.feed(side, data, pos, ts):
            return self._believe()
        self.is_other = self._trials.are_hopeless and not self.is_websocket
        return []

    def _try(self, side: int, data: bytes) -> Reader | None:
        """A reader where `data` may start with the header of a frame that begins a message."""
        known = self.upgrade is not None and data[:1] and data[0] in FRAGMENT_STARTS
        if len(data) < 2 or (data[0] not in FRAME_STARTS and not known):
            return None
        masked = data[1] >= 0x80
        if self.client is not None and masked != (side == self.client):
            return None
        deflate = self._deflate(masked) if self.upgrade else Deflate()
        return self._reader(side, masked, deflate)

    def _believe(self, at_least: int | None = None) -> list[Fact]:
        """What the trials found, once it is enough to be sure."""
        facts: list[Fact] = []
        for trial in self._trials.believed(known=self.client is not None, at_least=at_least):
            self.is_websocket = True
            self.client = trial.side if trial.from_client else 1 - trial.side
            self.readers[trial.side] = trial.reader
            facts.extend(trial.facts)
        return facts


def _told(answer: Response) -> list[Fact]:
    """An answer, and before it its request where that could not be told as what it was."""
    request = answer.request
    if answer.status != 101 or request.is_upgrade:
        return [answer]
    request = request._replace(headers={**request.headers, "upgrade": "websocket"})
    return [request, answer._replace(request=request)]
