"""The WebSockets that share one connection over HTTP/2 (RFC 8441), each read like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from wsdiag.capture.http.http1 import Request, Response
from wsdiag.capture.http.http2 import Ended, Http2, Part, Sent
from wsdiag.capture.websocket.protocol import Frame, Message

Said = Request | Response | Frame | Message


class OfStream(NamedTuple):
    """What one WebSocket said, or that a side is done with it: the one on the stream of this
    number."""

    number: int
    fact: Said | Ended


Fact = Said | OfStream


class Talk(Protocol):
    """What reads one WebSocket."""

    def feed(self, side: int, data: bytes, pos: int, ts: int, /) -> list[Fact]:
        """Take bytes that `side` sent, in order; what they complete."""

    def opened(self, answer: Response, /) -> list[Fact]:
        """It begins with this answer; what waited for it."""


OneTalk = TypeVar("OneTalk", bound=Talk)


class Multiplexed(Generic[OneTalk]):
    """One connection over HTTP/2. `talks`: by stream, each WebSocket that is not over; `begin`
    makes one of a request.
    """

    def __init__(self, http2: Http2, begin: Callable[[Request], OneTalk]) -> None:
        self.talks: dict[int, OneTalk] = {}
        self._http2, self._begin = http2, begin

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be told."""
        return self._http2.is_over

    @property
    def may_carry(self) -> bool:
        """Whether WebSockets may be on it."""
        return self._http2.is_offered

    def feed(self, side: int, data: bytes, pos: int, ts: int) -> list[OfStream]:
        """Take bytes that `side` sent, in order; what they complete."""
        return self._told(self._http2.feed(side, data, pos, ts))

    def finish(self) -> list[OfStream]:
        """Nothing more comes."""
        return self._told(self._http2.finish())

    def _told(self, parts: list[Part]) -> list[OfStream]:
        return [OfStream(part.stream, fact) for part in parts for fact in self._of(*part)]

    def _of(self, stream: int, fact: Request | Response | Sent | Ended) -> list[Said | Ended]:
        if isinstance(fact, Request):
            self.talks[stream] = self._begin(fact)
            return [fact]
        talk = self.talks[stream]
        if isinstance(fact, Sent):
            return _said(talk.feed(*fact))
        if isinstance(fact, Response):
            return [fact, *(_said(talk.opened(fact)) if fact.opens else [])]
        if fact.is_last:
            del self.talks[stream]
        return [fact]


def _said(facts: list[Fact]) -> list[Said | Ended]:
    """None of them is of a stream: no connection over HTTP/2 is within another."""
    return [fact for fact in facts if not isinstance(fact, OfStream)]
