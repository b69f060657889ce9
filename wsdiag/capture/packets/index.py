"""Which connections the packets of each part of a capture belong to: those of a few connections are
read again without the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from io import BufferedIOBase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsdiag.capture.packets.batch import Batch, Ints
from wsdiag.capture.packets.batches import BATCH_BYTES, Place, again, placed
from wsdiag.capture.packets.headers import Traffic, decode
from wsdiag.capture.packets.keys import Keys
from wsdiag.capture.packets.records import Notes

_NOBODY, _ANYBODY = -1, -2  # no TCP; perhaps a part of some


class _Part(NamedTuple):
    """The packets of a batch from position `first` on, and the pair of ends of each."""

    place: Place
    first: int
    pairs: NDArray[np.int32]


class Index:
    """Where the packets of a file are, by their pairs of ends as `Keys` numbers them."""

    def __init__(self) -> None:
        self._parts = list[_Part]()
        self._packets = 0

    def add(self, place: Place, traffic: Traffic, keys: Ints) -> None:
        """Learn the next batch of the file, and whose its segments are."""
        pairs = np.full(traffic.batch.pos.size, _NOBODY, np.int32)
        pairs[traffic.others] = _ANYBODY
        pairs[traffic.segments.row] = keys
        self._parts.append(_Part(place, self._packets + 1, pairs))
        self._packets += pairs.size

    def read(self, stream: BufferedIOBase, wanted: Collection[int], last: int) -> Iterator[Batch]:
        """The packets at the positions `wanted` and all of their connections up to `last`, batch
        by batch; and those that may be a part of one."""
        places = np.array(sorted(wanted), np.int64)
        pairs = np.unique([*(pair for part in self._parts for pair in _at(part, places)), _ANYBODY])
        pairs = pairs[pairs != _NOBODY]
        for part in self._parts:
            here = np.isin(part.pairs, pairs)
            here[max(last - part.first + 1, 0) :] = False
            here[_rows(part, places)] = True
            yield from _again(stream, part.place, np.flatnonzero(here))


def indexed(stream: BufferedIOBase, last: int, batch_bytes: int = BATCH_BYTES) -> Index:
    """The index of a capture up to the batch of position `last`."""
    index, keys, notes = Index(), Keys(), Notes()
    for place, batch in placed(stream, notes, batch_bytes):
        traffic = decode(batch, notes)
        index.add(place, traffic, keys.find(traffic.segments)[0])
        if batch.pos[-1] >= last:
            break
    return index


def _again(stream: BufferedIOBase, place: Place, rows: Ints) -> Iterator[Batch]:
    """These rows of the batch at a place."""
    begin = 0
    for batch in again(stream, place) if rows.size else ():
        end = begin + batch.pos.size
        here = rows[(rows >= begin) & (rows < end)] - begin
        if here.size:
            yield Batch(batch.data, *(column[here] for column in batch[1:]))
        if rows[-1] < end:
            return
        begin = end


def _rows(part: _Part, places: Ints) -> Ints:
    rows = places - part.first
    return rows[(rows >= 0) & (rows < part.pairs.size)]


def _at(part: _Part, places: Ints) -> list[int]:
    found: list[int] = part.pairs[_rows(part, places)].tolist()
    return found
