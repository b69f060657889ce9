"""One direction of a TCP connection: its bytes put in order (RFC 9293).

Sequence numbers are unwrapped into plain integers, the offsets. A byte is available at the packet
that completed everything before it, as a receiver sees it. Where segments overlap, the bytes that
came first count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.packets.segments import FIN, SYN, Segment

MAX_PENDING = 4 * 1024**2
"""Bytes that wait behind a hole before its bytes are given up as lost: a large TCP window."""

MAX_AHEAD = 256 * 1024**2
"""A segment farther ahead than this is not of this stream."""

REORDER_US = 3_000
"""Reordering is assumed within this, where the round trip is shorter or unknown (as Wireshark)."""

SEQUENCE = 0xFFFF_FFFF
"""Sequence numbers are counted modulo one more."""

_RECENT = 16  # segments among which a copy is looked for
_SAME_PACKET_US = (1_000, 100_000)  # without and with an IPv4 identification; least RTO is 200 ms


class Sent(NamedTuple):
    """The packet that brought some bytes: they may have had to wait there for others.

    `ack` is what it acknowledges of the other direction, `end` the sequence number behind it.
    """

    pos: int
    ts: int
    ack: int
    end: int

    def knew(self, other: Sent) -> bool:
        """Whether who sent this had got the packet `other` of the other direction."""
        return (self.ack - other.end) & SEQUENCE < 0x8000_0000


class Chunk(NamedTuple):
    """Bytes that became available at packet `pos`, after `lost` bytes that never will."""

    data: bytes
    pos: int
    ts: int
    lost: int = 0
    sent: Sent | None = None


class Flow:
    """One direction of a connection."""

    def __init__(self) -> None:
        self.isn: int | None = None  # of its SYN
        self.start: int | None = None  # offset of the first byte; None: not known yet
        self.next = 0  # offset of the first byte that is not available yet
        self.high = 0  # offset after the last byte sent
        self.fin = self.rst = False
        self._pending: list[tuple[int, bytes, Sent]] = []  # offset, data, what brought it; disjoint
        self._waiting = 0  # bytes in _pending
        self._cut: dict[int, int] = {}  # where bytes were cut off by the snaplen, and where to
        self._recent: deque[Sequence[int]] = deque(maxlen=_RECENT)  # marks, ts
        self._lately: list[Ints] = []  # more of the same, not looked at yet

    def begin(self, offset: int) -> None:
        """The first byte of this direction stands at `offset`."""
        self.start = self.next = self.high = offset

    def place(self, seq: int) -> int:
        """The offset of a sequence number: the one nearest to what comes next."""
        return self.next + ((seq - self.next + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000

    @property
    def is_settled(self) -> bool:
        """Whether all that was sent is available, and what comes next is known."""
        return self.start is not None and self.next == self.high

    def advance(self, size: int, marks: Ints) -> None:
        """Take segments of `size` bytes in all that came in order while it was settled.

        `marks` has a row for each: seq, ack, flags, size, ident, ts.
        """
        self.next = self.high = self.next + size
        if len(marks) >= _RECENT:
            self._recent.clear()
            self._lately.clear()
        self._lately.append(marks[-_RECENT:].copy())

    def is_copy(self, seg: Segment) -> bool:
        """Whether the capture saw this very packet before, as `-i any` and mirror ports do."""
        special = seg.flags & (SYN | FIN) or not seg.window
        if not seg.size and not special:
            return False
        for marks in self._lately:
            self._recent.extend(marks.tolist())
        self._lately.clear()
        mark = [seg.seq, seg.ack, seg.flags, seg.size, seg.ident]
        behind = (seg.seq - self.high) & 0xFFFF_FFFF >= 0x8000_0000
        if (special or behind) and any(
            old[:5] == mark and seg.ts - old[5] < _SAME_PACKET_US[seg.ident != 0]
            for old in self._recent
        ):
            return True
        self._recent.append([*mark, seg.ts])
        return False

    def is_resent(self, offset: int, seg: Segment, round_trip: int) -> bool:
        """Whether a segment was sent before, as far as the capture can tell.

        Either its bytes were seen, or it fills a hole too late for mere reordering: a lost segment
        is sent again one round trip (µs) after the one that followed it, at the earliest.
        """
        if offset >= self.high or self.start is None or offset < self.start:
            return False
        if self._is_keep_alive(offset, seg):
            return False
        if offset < self.next or not self._pending:
            return True
        after = bisect_left(self._pending, (offset,))
        if after and offset < _end(self._pending[after - 1]):
            return True
        if after == len(self._pending) or self._pending[after][0] < offset + seg.size:
            return True
        return seg.ts - self._pending[after][2].ts >= max(REORDER_US, round_trip)

    def arrive(self, offset: int, seg: Segment) -> Iterator[Chunk]:
        """Add a segment's payload; what is available in order now."""
        data = seg.payload
        if self._is_keep_alive(offset, seg) or offset - self.high >= MAX_AHEAD:
            return
        end = offset + seg.size
        self.high = max(self.high, end)
        is_cut = len(data) < seg.size and end > self.next
        if is_cut:
            self._cut[max(offset + len(data), self.next)] = end
        if offset < self.next:
            data, offset = data[self.next - offset :], self.next
        if not data and not is_cut:
            return
        if offset == self.next and not self._pending and not is_cut:
            self.next += len(data)
            yield Chunk(data, seg.pos, seg.ts, 0, sent_by(seg))
            return
        self._keep(offset, data, seg)
        yield from self._release(seg.pos, seg.ts)
        while self._waiting > MAX_PENDING:
            yield from self._give_up()

    def finish(self, pos: int, ts: int) -> Iterator[Chunk]:
        """Nothing more comes: what waits behind holes, and what is missing at the end."""
        while self._pending:
            yield from self._give_up()
        if self.high > self.next:
            yield Chunk(b"", pos, ts, self.high - self.next)

    def forget(self) -> None:
        """Keep no payload."""
        self._pending.clear()
        self._cut.clear()

    def _is_keep_alive(self, offset: int, seg: Segment) -> bool:
        """A probe repeats the last byte, as garbage (RFC 9293 section 3.8.4)."""
        return seg.size == 1 and offset == self.high - 1

    def _keep(self, offset: int, data: bytes, seg: Segment) -> None:
        """Put into `_pending` the parts of `data` that are not there yet."""
        pending, end, sent = self._pending, offset + len(data), sent_by(seg)
        index = bisect_left(pending, (offset,))
        if index:
            offset = max(offset, _end(pending[index - 1]))
        while offset < end:
            following = pending[index][0] if index < len(pending) else end
            if piece := data[len(data) - (end - offset) :][: following - offset]:
                pending.insert(index, (offset, piece, sent))
                self._waiting += len(piece)
                index += 1
            if index == len(pending):
                return
            offset = _end(pending[index])
            index += 1

    def _release(self, pos: int, ts: int, lost: int = 0) -> Iterator[Chunk]:
        """Give out the pending bytes that are in order now, none before packet `pos`."""
        ready = 0
        for offset, data, sent in self._pending:
            lost += self._pass_cut(offset)
            if offset != self.next:
                break
            ready += 1
            self.next += len(data)
            self._waiting -= len(data)
            pos, ts = max((pos, ts), sent[:2])
            yield Chunk(data, pos, ts, lost, sent)
            lost = 0
        del self._pending[:ready]
        lost += self._pass_cut(self._pending[0][0] if self._pending else self.high)
        if lost:
            yield Chunk(b"", pos, ts, lost)

    def _pass_cut(self, until: int) -> int:
        """Pass over the bytes that were cut off here, at most to `until`: how many they are.

        No packet brings them: what is sent again is cut as well.
        """
        begin = self.next
        while self.next < until and (end := self._cut.pop(self.next, 0)):
            self.next = min(end, until)
        return self.next - begin

    def _give_up(self) -> Iterator[Chunk]:
        """Pass over the first hole: its bytes are not in the capture."""
        offset, _, sent = self._pending[0]
        lost, self.next = offset - self.next, offset
        yield from self._release(sent.pos, sent.ts, lost)


def sent_by(seg: Segment) -> Sent:
    """The packet of a segment."""
    return Sent(seg.pos, seg.ts, seg.ack, seg.seq + seg.size & SEQUENCE)


def _end(piece: tuple[int, bytes, Sent]) -> int:
    return piece[0] + len(piece[1])
