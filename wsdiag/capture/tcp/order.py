"""Segments of many connections put in order at once.

Nearly every segment brings just the bytes that come next. Where one does not, its direction is
taken on by the code of flow.py, segment by segment, until all is in order again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wsdiag.capture.packets.batch import Bytes, Ints
from wsdiag.capture.packets.headers import Mask, Traffic
from wsdiag.capture.packets.segments import FIN, RST, SYN
from wsdiag.capture.tcp.flow import SEQUENCE, Flow, Sent
from wsdiag.capture.tcp.streams import Connection, TcpFact, What, take

RANK_BITS, PLACE_BITS = 14, 26
"""A turn is a segment's index, the rank of what it shows, and a place in the bytes it brings."""

_LANE_BITS = 24  # a turn leaves so many bits for a segment's index, less the sign
_RANKS = (1 << RANK_BITS) - 1


class Chunks(NamedTuple):
    """Bytes in order as columns, lane by lane: a lane is one direction, `2 * connection + side`.

    `pos` and `ts` are of the packet with which they became available, `turn` orders all that a
    connection shows. The `size` bytes stand at `at` in the data.
    """

    lane: Ints
    turn: Ints
    pos: Ints
    ts: Ints
    at: Ints
    size: Ints


class Ordered(NamedTuple):
    """What segments show: bytes in order, and all else with its connection and turn."""

    chunks: Chunks
    data: Bytes
    facts: list[tuple[int, int, TcpFact]]
    waited: dict[int, Sent]  # by the turn of a chunk that was put together, what brought it
    traffic: Traffic

    def sent(self, turn: int, pos: int) -> Sent | None:
        """The packet that brought the bytes of this turn, if they became available at `pos`."""
        index, traffic = turn >> RANK_BITS + PLACE_BITS, self.traffic
        if traffic.pos[index] != pos:
            return None
        if sent := self.waited.get(turn >> PLACE_BITS):
            return sent
        seq, size, ack = (
            int(column[index])
            for column in (traffic.segments.seq, traffic.segments.size, traffic.segments.ack)
        )
        at = int(traffic.pos[index]), int(traffic.ts[index])
        return Sent(*at, ack, seq + size & SEQUENCE)


def turn(index: int, rank: int = 0) -> int:
    """When something happens."""
    return (index << RANK_BITS | min(rank, _RANKS)) << PLACE_BITS


def order(traffic: Traffic, conns: Sequence[Connection], index: Ints, lane: Ints) -> Ordered:
    """Put the segments `index` of `conns` in order.

    Their lanes are sorted, and within a lane the segments come as they were captured. None of them
    is a SYN.
    """
    sent = traffic.segments
    size, flags, window = sent.size[index], sent.flags[index], sent.window[index]
    odd = (flags & (SYN | FIN | RST) != 0) | (window == 0) | (sent.captured[index] < size)
    odd |= np.isin(index, list(traffic.odd)) if traffic.odd else False
    telling = np.flatnonzero((size > 0) | odd)
    index, lane, size, odd = index[telling], lane[telling], size[telling], odd[telling]
    return _Ordering(traffic, conns, index, lane, size, odd).run()


class _Ordering:
    """The columns are of segments that tell something: payload, or a flag."""

    def __init__(
        self,
        traffic: Traffic,
        conns: Sequence[Connection],
        index: Ints,
        lane: Ints,
        size: Ints,
        odd: Mask,
    ) -> None:
        self._traffic, self._conns, self._index, self._lane = traffic, conns, index, lane
        sent = traffic.segments
        marks = (sent.seq, sent.ack, sent.flags, sent.size, sent.ident, traffic.ts)
        self._marks = np.stack([column[index] for column in marks], axis=1)
        self._sums = np.concatenate(([0], np.cumsum(size)))
        self._seq, self._odd = self._marks[:, 0], odd
        self._end = self._seq + size & SEQUENCE
        self._alone = np.zeros(index.size, bool)  # taken one by one
        self._more = list[bytes]()
        self._chunks = list[tuple[int, ...]]()
        self._facts = list[tuple[int, int, TcpFact]]()
        self._waited = dict[int, Sent]()

    def run(self) -> Ordered:
        begins = np.flatnonzero(np.diff(self._lane, prepend=-1))
        lanes = self._lane[begins].tolist()
        flows = [self._conns[lane >> 1].flows[lane & 1] for lane in lanes]
        expected = np.empty_like(self._seq)
        expected[1:] = self._end[:-1]
        expected[begins] = [flow.next & SEQUENCE if flow.is_settled else -1 for flow in flows]
        breaks = np.flatnonzero(self._odd | (self._seq != expected))
        ends = [*begins.tolist(), self._index.size][1:]
        bounds = np.searchsorted(breaks, [*begins.tolist(), self._index.size]).tolist()
        for number, (lane, flow, begin, end) in enumerate(
            zip(lanes, flows, begins.tolist(), ends, strict=True)
        ):
            of_lane = breaks[bounds[number] : bounds[number + 1]].tolist()
            self._lane_of(lane, flow, begin, end, of_lane)
        data, begin = self._traffic.batch.with_more(b"".join(self._more))
        chunks = self._all_chunks(begin)
        return Ordered(chunks, data, self._facts, self._waited, self._traffic)

    def _lane_of(self, lane: int, flow: Flow, begin: int, end: int, breaks: list[int]) -> None:
        resumed = begin - 1
        for broken in breaks:
            if broken > resumed:
                self._advance(flow, begin, broken)
                begin = resumed = self._one_by_one(lane, flow, broken, end)
        self._advance(flow, begin, end)

    def _advance(self, flow: Flow, begin: int, end: int) -> None:
        if begin < end:
            size = int(self._sums[end] - self._sums[begin])
            flow.advance(size, self._marks[begin:end])

    def _one_by_one(self, lane: int, flow: Flow, begin: int, end: int) -> int:
        """Take segments from `begin` on until all is in order; where to go on."""
        conn, side = self._conns[lane >> 1], lane & 1
        for at in range(begin, end):
            if at > begin and self._fits(flow, at):
                return at
            self._alone[at] = True
            index = int(self._index[at])
            segment = self._traffic.segment(index, conn.ends[side], conn.ends[1 - side])
            for rank, fact in enumerate(take(conn, segment)):
                when = turn(index, rank)
                if fact.what is What.DATA:
                    self._chunks.append((lane, when, fact.pos, fact.ts, fact.size))
                    self._more.append(fact.data)
                    if fact.sent is not None:
                        self._waited[when >> PLACE_BITS] = fact.sent
                else:
                    self._facts.append((lane >> 1, when, fact))
        return end

    def _fits(self, flow: Flow, at: int) -> bool:
        in_order = int(self._seq[at]) == flow.next & SEQUENCE
        return in_order and flow.is_settled and not self._odd[at]

    def _all_chunks(self, more_at: int) -> Chunks:
        """The chunks of whole segments, and between them those that were put together."""
        plain = ~self._alone
        index, traffic = self._index[plain], self._traffic
        whole = (
            self._lane[plain],
            index << RANK_BITS + PLACE_BITS,
            traffic.pos[index],
            traffic.ts[index],
            traffic.segments.at[index],
            traffic.segments.size[index],
        )
        if not self._chunks:
            return Chunks(*whole)
        lane, when, pos, ts, size = np.array(self._chunks, np.int64).T
        at = more_at + np.cumsum(size) - size
        # Both are in order, and no segment shows both: its lane and number say where it belongs.
        place = np.searchsorted(
            self._lane[plain] << _LANE_BITS | index,
            lane << _LANE_BITS | when >> RANK_BITS + PLACE_BITS,
        )
        columns = zip(whole, (lane, when, pos, ts, at, size), strict=True)
        return Chunks(*(np.insert(column, place, more) for column, more in columns))
