"""pcap files as columns: one record header of 16 bytes before each packet."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wsdiag.capture.packets.batch import Batch, Bytes, Ints, anywhere
from wsdiag.capture.packets.chains import STOP, Windows
from wsdiag.capture.packets.records import MAX_RECORD, Notes, Pcap, Record, pcap_records

_HEAD_BYTES = 16
_DAY_S = 86_400
_LONGEST = 256 * 1024  # of a packet that a lane may start at: what Wireshark takes


class Classic:
    """The packets of a pcap file, batch by batch."""

    def __init__(self, head: Pcap) -> None:
        self._head = head
        self._pos = 0  # of the packet before

    def chain(self, data: Bytes, end: int) -> Records:
        """The chain of the records in `data`."""
        return Records(data, end, self._head)

    def is_damaged(self, head: bytes) -> bool:
        """Whether no packet can start with these bytes."""
        if len(head) < _HEAD_BYTES:
            return False
        (captured,) = struct.unpack_from(self._head.order + "I", head, 8)
        return bool(captured > MAX_RECORD)

    def batch(self, data: Bytes, starts: Ints, notes: Notes) -> Batch:
        """The packets whose records start at `starts`."""
        word, unit = self._head.order + "u4", self._head.unit
        heads = np.ndarray((data.size - _HEAD_BYTES + 1,), f"V{_HEAD_BYTES}", data, strides=(1,))
        seconds, fraction, captured, size = (
            heads[starts].view(word).reshape(-1, 4).astype(np.int64).T
        )
        pos = np.arange(self._pos + 1, self._pos + 1 + starts.size)
        self._pos += starts.size
        ts = seconds * 1_000_000 + fraction // unit
        link = np.full(starts.size, self._head.link)
        return Batch(data, starts + _HEAD_BYTES, captured, pos, ts, link, size)

    def rest(self, stream: BinaryIO, notes: Notes) -> Iterator[Record]:
        """What is left at the end, or where the file is damaged."""
        return pcap_records(stream, self._head, self._pos, notes)


class Records:
    """Where the records of a pcap file start."""

    def __init__(self, data: Bytes, end: int, head: Pcap) -> None:
        self._data, self._end, self._order = data, end, head.order
        self._words = anywhere(data, head.order + "u4")
        self._fractions = 1_000_000 * head.unit
        self._begun = int(self._words[0])  # s since 1970 of the first packet

    def after(self, at: Ints) -> Ints:
        """Where the next records start; `STOP` where one is not whole."""
        captured = self._words[at + 8]  # behind the end, too: there is room
        following = at + _HEAD_BYTES + captured
        return np.where((captured <= MAX_RECORD) & (following <= self._end), following, STOP)

    def after_one(self, at: int) -> int:
        """The same for one record."""
        if at + _HEAD_BYTES > self._end:
            return STOP
        captured = int(self._words[at + 8])
        following = at + _HEAD_BYTES + captured
        return following if captured <= MAX_RECORD and following <= self._end else STOP

    def plausible(self, windows: Windows) -> Ints:
        """Where in the windows two records in a row look like records."""
        top = 3 if self._order == "<" else 0  # of a number's bytes
        likely = windows.bytes(self._data, 8 + top) == 0  # both sizes are small
        likely &= windows.bytes(self._data, 12 + top) == 0
        likely &= windows.bytes(self._data, top) == self._begun >> 24
        at = windows.places(likely)
        captured, size = self._words[at + 8], self._words[at + 12]
        at = at[(captured <= size) & (captured <= _LONGEST) & (captured > 0)]
        at = at[self._is_timely(at)]
        following = self.after(at)
        inside = (following != STOP) & (following < self._end - _HEAD_BYTES)
        at, following = at[inside], following[inside]
        found: Ints = at[self._is_timely(following)]
        return found

    def _is_timely(self, at: Ints) -> NDArray[np.bool_]:
        seconds, fraction = self._words[at].astype(np.int64), self._words[at + 4]
        return (np.abs(seconds - self._begun) < _DAY_S) & (fraction < self._fractions)
