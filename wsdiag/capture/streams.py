"""Streams: TCP segments put in order, connection by connection.

Sequence numbers are unwrapped into plain integers. A byte counts as available at the packet that
completed everything before it, as a receiver sees it. RFC 9293 for the terms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from wsdiag.capture.packets import ACK, FIN, RST, SYN, Endpoint, Segment

MAX_PENDING = 4 * 1024**2
"""Bytes that wait behind a hole before its bytes are given up as lost: a large TCP window."""

MAX_AHEAD = 256 * 1024**2
"""A segment farther ahead than this is not of this stream."""

REORDER_US = 3_000
"""Reordering is assumed within this, where the round trip is shorter or unknown (as Wireshark)."""

_SAME_PACKET_US = (1_000, 100_000)  # without and with an IPv4 identification; least RTO is 200 ms


class What(Enum):
    """What a TCP connection shows."""

    SYN = auto()
    DATA = auto()  # `data` became available
    LOST = auto()  # `size` bytes are not in the capture
    RESENT = auto()  # a segment with `size` bytes was sent again
    ZERO_WINDOW = auto()
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


class Flow:
    """One direction of a connection. Offsets are unwrapped sequence numbers."""

    __slots__ = ("fin", "high", "isn", "next", "pending", "recent", "rst", "start", "waiting")

    def __init__(self) -> None:
        self.isn: int | None = None
        self.start: int | None = None  # offset of the first byte; None: not known yet
        self.next = 0  # offset of the first byte that is not available yet
        self.high = 0  # offset after the last byte sent
        self.pending: list[tuple[int, bytes, int, int]] = []  # offset, data, pos, ts; disjoint
        self.waiting = 0  # bytes in pending
        self.recent: deque[tuple[int, int, int, int, int, int]] = deque(maxlen=16)
        self.fin = self.rst = False

    def begin(self, offset: int) -> None:
        """The first byte of this direction stands at `offset`."""
        self.start = self.next = self.high = offset

    def place(self, seq: int) -> int:
        """The unwrapped offset of a sequence number: the one nearest to what comes next."""
        return self.next + ((seq - self.next + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


class Connection:
    """One TCP connection. Where its SYN was captured, `ends[0]` is the client."""

    def __init__(self, first: Endpoint, second: Endpoint, ordinal: int) -> None:
        self.ends = (first, second)
        self.ordinal = ordinal  # from 1, among the connections of the same two ends
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
            flow.pending.clear()

    @property
    def ended(self) -> bool:
        """A FIN or RST was seen."""
        return any(flow.fin or flow.rst for flow in self.flows)


def follow(segments: Iterable[Segment]) -> Iterator[TcpFact]:
    """What happens on every connection, in the order of the capture; OVER comes for each."""
    current: dict[tuple[Endpoint, Endpoint], Connection] = {}
    for seg in segments:
        key = (seg.src, seg.dst) if seg.src < seg.dst else (seg.dst, seg.src)
        conn = current.get(key)
        if conn is None or _begins_anew(conn, seg):
            if conn is not None:
                conn.replaced = True
                yield from _over(conn)
            ordinal = conn.ordinal + 1 if conn is not None else 1
            answer = seg.flags & (SYN | ACK) == SYN | ACK
            ends = (seg.dst, seg.src) if answer else (seg.src, seg.dst)
            conn = current[key] = Connection(*ends, ordinal)
        yield from _take(conn, seg)
    for conn in current.values():
        yield from _over(conn)


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


def _take(conn: Connection, seg: Segment) -> Iterator[TcpFact]:
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
    copy = _is_copy(flow, seg)
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
    if seg.size and conn.wanted and offset - flow.high < MAX_AHEAD:
        if not copy and _is_resent(conn, flow, offset, seg):
            yield TcpFact(What.RESENT, conn, side, pos, ts, seg.size)
        elif flags & FIN and flow.fin and not copy:
            yield TcpFact(What.RESENT, conn, side, pos, ts)
        yield from _arrive(conn, side, offset, seg)
        flow.high = max(flow.high, offset + seg.size)
    elif flags & FIN and flow.fin and not copy:
        yield TcpFact(What.RESENT, conn, side, pos, ts)
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


def _is_copy(flow: Flow, seg: Segment) -> bool:
    """Whether the capture saw this very packet before, as `-i any` and mirror ports do."""
    special = seg.flags & (SYN | FIN) or not seg.window
    if not seg.size and not special:
        return False
    mark = (seg.seq, seg.ack, seg.flags, seg.size, seg.ident)
    behind = (seg.seq - flow.high) & 0xFFFF_FFFF >= 0x8000_0000
    if (special or behind) and any(
        old[:5] == mark and seg.ts - old[5] < _SAME_PACKET_US[seg.ident != 0] for old in flow.recent
    ):
        return True
    flow.recent.append((*mark, seg.ts))
    return False


def _is_resent(conn: Connection, flow: Flow, offset: int, seg: Segment) -> bool:
    """Whether a segment was sent before, as far as the capture can tell.

    Either its bytes were seen, or it fills a hole too late for mere reordering: a lost segment is
    sent again one round trip after the one that followed it, at the earliest.
    """
    if offset >= flow.high or flow.start is None or offset < flow.start:
        return False
    if seg.size == 1 and offset == flow.high - 1:
        return False  # a keep-alive probe
    if offset < flow.next or not flow.pending:
        return True
    after = bisect_left(flow.pending, (offset,))
    if after and offset < flow.pending[after - 1][0] + len(flow.pending[after - 1][1]):
        return True
    if after == len(flow.pending) or flow.pending[after][0] < offset + seg.size:
        return True
    return seg.ts - flow.pending[after][3] >= max(REORDER_US, conn.round_trip)


def _arrive(conn: Connection, side: int, offset: int, seg: Segment) -> Iterator[TcpFact]:
    """Add a payload; give out what is available in order, at this packet."""
    flow = conn.flows[side]
    data = seg.payload
    if seg.size == 1 and offset == flow.high - 1:
        return  # a keep-alive probe: its byte may be garbage
    if offset < flow.next:
        data, offset = data[flow.next - offset :], flow.next
    if not data:
        return
    if offset == flow.next and not flow.pending:
        flow.next += len(data)
        yield TcpFact(What.DATA, conn, side, seg.pos, seg.ts, len(data), data)
        return
    _keep(flow, offset, data, seg)
    yield from _release(conn, side, seg.pos, seg.ts)
    while flow.waiting > MAX_PENDING:
        yield from _give_up(conn, side)


def _keep(flow: Flow, offset: int, data: bytes, seg: Segment) -> None:
    """Put into `pending` the parts of `data` that are not there yet: what came first counts."""
    end, index = offset + len(data), bisect_left(flow.pending, (offset,))
    if index and (before := flow.pending[index - 1]):
        offset = max(offset, before[0] + len(before[1]))
    while offset < end:
        following = flow.pending[index][0] if index < len(flow.pending) else end
        if piece := data[len(data) - (end - offset) :][: max(0, following - offset)]:
            flow.pending.insert(index, (offset, piece, seg.pos, seg.ts))
            flow.waiting += len(piece)
            index += 1
        if index == len(flow.pending):
            return
        offset = max(offset, flow.pending[index][0] + len(flow.pending[index][1]))
        index += 1


def _release(conn: Connection, side: int, pos: int, ts: int) -> Iterator[TcpFact]:
    """Give out the pending bytes that are in order now, none before packet `pos`."""
    flow, ready = conn.flows[side], 0
    for offset, data, own_pos, own_ts in flow.pending:
        if offset != flow.next:
            break
        ready += 1
        flow.next += len(data)
        flow.waiting -= len(data)
        pos, ts = max((pos, ts), (own_pos, own_ts))
        yield TcpFact(What.DATA, conn, side, pos, ts, len(data), data)
    del flow.pending[:ready]


def _give_up(conn: Connection, side: int) -> Iterator[TcpFact]:
    """Pass over the first hole: its bytes are not in the capture."""
    flow = conn.flows[side]
    offset, _, pos, ts = flow.pending[0]
    yield TcpFact(What.LOST, conn, side, pos, ts, offset - flow.next)
    flow.next = offset
    yield from _release(conn, side, pos, ts)


def _over(conn: Connection) -> Iterator[TcpFact]:
    for side, flow in enumerate(conn.flows):
        while flow.pending and conn.wanted:
            yield from _give_up(conn, side)
        if conn.wanted and flow.start is not None and flow.high > flow.next:
            yield TcpFact(What.LOST, conn, side, *conn.last, flow.high - flow.next)
    yield TcpFact(What.OVER, conn, 0, *conn.last)
