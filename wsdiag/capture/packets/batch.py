"""A batch: the packets of some megabytes of a capture, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsdiag.capture.packets.records import Record

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

SLACK_BYTES = 8 * 1024**2
"""Room behind the packets of a batch, for bytes that are put together from several."""

ZERO_BYTES = 4096
"""Zeros at the start of that room: a header may be looked at beyond the end of its packet."""


class Batch(NamedTuple):
    """Packets as columns; `at` is where in `data` the `captured` bytes of each stand.

    `pos`, `ts`, `link` and `size` are those of a Record. Behind the packets `data` has
    `SLACK_BYTES` of room. It is overwritten when the next batch is read.
    """

    data: Bytes
    at: Ints
    captured: Ints
    pos: Ints
    ts: Ints
    link: Ints
    size: Ints

    def record(self, row: int) -> Record:
        """One packet."""
        at = int(self.at[row])
        data = self.data[at : at + int(self.captured[row])].tobytes()
        pos, ts, link, size = (int(c[row]) for c in (self.pos, self.ts, self.link, self.size))
        return Record(pos, ts, link, data, size)

    def with_more(self, more: bytes) -> tuple[Bytes, int]:
        """The data with `more` behind the packets, and where that starts.

        It replaces what was put there before.
        """
        begin = self.data.size - SLACK_BYTES + ZERO_BYTES
        if len(more) <= SLACK_BYTES - 2 * ZERO_BYTES:
            self.data[begin : begin + len(more)] = np.frombuffer(more, np.uint8)
            return self.data, begin
        parts = (self.data[:begin], np.frombuffer(more, np.uint8), np.zeros(ZERO_BYTES, np.uint8))
        return np.concatenate(parts), begin


def batch_of(records: Sequence[Record]) -> Batch:
    """Records as a batch."""
    fields = [(r.pos, r.ts, r.link, r.size, len(r.data)) for r in records]
    pos, ts, link, size, captured = np.array(fields, np.int64).reshape(-1, 5).T
    data = bytearray(b"".join(record.data for record in records)) + bytes(SLACK_BYTES)
    at = np.cumsum(captured) - captured
    return Batch(np.frombuffer(data, np.uint8), at, captured, pos, ts, link, size)


def different(of: Ints) -> list[int]:
    """The different ones among numbers; mostly there is one."""
    if of.size and (of == of[0]).all():
        return [int(of[0])]
    return sorted(set(of.tolist()))


def anywhere(data: Bytes, kind: str) -> NDArray[np.integer]:
    """The numbers of type `kind` that start at each byte of `data`."""
    dtype = np.dtype(kind)
    return np.ndarray((data.size - dtype.itemsize + 1,), dtype, data, strides=(1,))
