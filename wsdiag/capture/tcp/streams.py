"""Streams: what happens on each TCP connection of a capture (RFC 9293 for the terms)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from wsdiag.capture.packets.segments import ACK, FIN, RST, SYN, Endpoint, Segment
from wsdiag.capture.tcp.flow import Chunk, Flow, Sent


class What(Enum):
    """What a TCP connection shows."""

    SYN = auto()
    DATA = auto()  # `data` became available
    LOST = auto()  # `size` bytes are not in the capture
    RESENT = auto()  # a segment with `size` bytes was sent again
    ZERO_WINDOW = auto()
    EOF = auto()  # the first time that TLS says that this side is done
    FIN = auto()  # the first of this side
    RST = auto()  # the first of this side
    REFUSED = auto()  # a SYN was answered by RST
    OVER = auto()  # nothing more comes from this connection


class TcpFact(NamedTuple):
    """Something that happened on `conn`; `side` indexes `conn.ends` and is the sender."""

    what: What
    conn: Connection
    side: int
    pos: int
    ts: int
    size: int = 0
    data: bytes = b""
    sent: Sent | None = None  # the packet that brought the data


class Connection:
    """One TCP connection. Where its SYN was captured, `ends[0]` is the client."""

    def __init__(self, first: Endpoint, second: Endpoint, ordinal: int, begun: int) -> None:
        self.ends = (first, second)
        self.ordinal = ordinal  # from 1, among the connections of the same two ends
        self.begun = begun  # pos
        self.flows = (Flow(), Flow())
        self.syn: tuple[int, int] | None = None  # pos, ts
        self.syn_resent = 0
        self.answered = False  # the side that did not begin was seen
        self.handshake_seen = False  # ends[0] is known to be the client
        self.round_trip = 0  # µs
        self.wanted = True  # False: nobody reads the payload, only its end is followed
        self.replaced = False  # the same two ends began another connection
        self.last = (0, 0)  # pos, ts

    def ignore(self) -> None:
        """Nobody reads the payload of this connection: keep none of it."""
        self.wanted = False
        for flow in self.flows:
            flow.forget()

    @property
    def ended(self) -> bool:
        """A FIN or RST was seen."""
        return any(flow.fin or flow.rst for flow in self.flows)


def follow(segments: Iterable[Segment]) -> Iterator[TcpFact]:
    """What happens on every connection, in the order of the capture; OVER comes for each."""
    current: dict[tuple[Endpoint, Endpoint], Connection] = {}
    for seg in segments:
        key = (seg.src, seg.dst) if seg.src < seg.dst else (seg.dst, seg.src)
        before = current.get(key)
        conn = current[key] = connection(before, seg)
        if before is not None and before is not conn:
            yield from over(before)
        yield from take(conn, seg)
    for conn in sorted(current.values(), key=lambda conn: conn.begun):
        yield from over(conn)


def connection(before: Connection | None, seg: Segment) -> Connection:
    """The connection that a segment belongs to: `before`, the latest of its ends, or a new one."""
    if before is not None and not _begins_anew(before, seg):
        return before
    ordinal = 1
    if before is not None:
        before.replaced, ordinal = True, before.ordinal + 1
    answer = seg.flags & (SYN | ACK) == SYN | ACK
    ends = (seg.dst, seg.src) if answer else (seg.src, seg.dst)
    return Connection(*ends, ordinal, seg.pos)


def _begins_anew(conn: Connection, seg: Segment) -> bool:
    """Whether this SYN belongs to another connection between the same ends.

    A SYN that is sent again has the same initial sequence number. It may also come late in the
    capture, after the bytes that follow it.
    """
    if not seg.flags & SYN:
        return False
    flow = conn.flows[seg.src != conn.ends[0]]
    known = flow.isn if flow.start is None or flow.isn is not None else flow.start - 1
    differs = known is not None and (known - seg.seq) & 0xFFFF_FFFF != 0
    return differs and (not seg.flags & ACK or conn.ended)


def take(conn: Connection, seg: Segment) -> Iterator[TcpFact]:
    """What one segment of a connection shows."""
    side = int(seg.src != conn.ends[0])
    flow, pos, ts, flags = conn.flows[side], seg.pos, seg.ts, seg.flags
    conn.last = (pos, ts)
    if flags & RST:
        refused = side == 1 and not conn.answered and conn.syn is not None
        conn.answered = conn.answered or side == 1
        if not flow.rst:
            flow.rst = True
            yield TcpFact(What.REFUSED if refused else What.RST, conn, side, pos, ts)
        return
    copy = flow.is_copy(seg)
    if flags & SYN:
        if flow.isn is not None:
            conn.syn_resent += side == 0 and not copy
            if not copy:
                yield TcpFact(What.RESENT, conn, side, pos, ts)
        else:
            _synchronise(conn, side, seg)
            if not flags & ACK:
                yield TcpFact(What.SYN, conn, side, pos, ts)
    elif side == 0 and conn.answered and conn.syn and not conn.round_trip:
        conn.round_trip = max(1, ts - conn.syn[1])
    conn.answered = conn.answered or side == 1
    if seg.window == 0 and not flags & SYN and not copy:
        yield TcpFact(What.ZERO_WINDOW, conn, side, pos, ts)
    if flow.start is None and (seg.size > 1 or flags & FIN):
        flow.begin(seg.seq)
    if flow.start is None:
        return
    offset = flow.place(seg.seq + bool(flags & SYN))
    if flags & FIN and flow.fin:
        again = conn.wanted
    else:
        again = seg.size > 0 and conn.wanted and flow.is_resent(offset, seg, conn.round_trip)
    if again and not copy:
        yield TcpFact(What.RESENT, conn, side, pos, ts, seg.size)
    if seg.size and conn.wanted:
        yield from _facts(conn, side, flow.arrive(offset, seg))
    if flags & FIN and not flow.fin:
        flow.fin = True
        yield TcpFact(What.FIN, conn, side, pos, ts)


def _synchronise(conn: Connection, side: int, seg: Segment) -> None:
    flow, peer = conn.flows[side], conn.flows[1 - side]
    flow.isn = seg.seq
    if flow.start is None:
        flow.begin(seg.seq + 1)
    if seg.flags & ACK:
        conn.handshake_seen = True
        if peer.start is None:
            peer.begin(seg.ack)
    elif side == 0:
        conn.syn, conn.handshake_seen = (seg.pos, seg.ts), True


def _facts(conn: Connection, side: int, chunks: Iterable[Chunk]) -> Iterator[TcpFact]:
    for chunk in chunks:
        if chunk.lost:
            yield TcpFact(What.LOST, conn, side, chunk.pos, chunk.ts, chunk.lost)
        if chunk.data:
            size = len(chunk.data)
            yield TcpFact(What.DATA, conn, side, chunk.pos, chunk.ts, size, chunk.data, chunk.sent)


def over(conn: Connection) -> Iterator[TcpFact]:
    """What is left to say of a connection of which nothing more comes."""
    if conn.wanted:
        for side, flow in enumerate(conn.flows):
            yield from _facts(conn, side, flow.finish(*conn.last))
    yield TcpFact(What.OVER, conn, 0, *conn.last)
