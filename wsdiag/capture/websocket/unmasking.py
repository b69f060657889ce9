"""The payloads of many frames, copied and unmasked all at once (RFC 6455 section 5.3).

They are copied in whole words, which one operation unmasks. What stands behind a payload in its
last word gives way to what is to end it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import compress, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsdiag.capture.packets.batch import Ints, anywhere
from wsdiag.capture.packets.headers import Mask
from wsdiag.capture.websocket.framing import Stream
from wsdiag.capture.websocket.texts import LINE_END, Lines

BLOCK_BYTES = 512 * 1024
"""So much is copied at once: it and what is made of it stay in a processor's cache."""

Words = NDArray[np.uint64]

_STEPS = np.arange(0, 2 * BLOCK_BYTES, 8)


class Parts(NamedTuple):
    """Frames taken apart, as columns: one row a frame, in the order of each lane."""

    lane: Ints
    turn: Ints
    pos: Ints
    ts: Ints
    opcode: Ints
    fin: Mask
    rsv: Ints
    masked: Mask
    size: Ints
    mask: Ints
    at: Ints
    end: Ints

    def of(self, rows: Ints | Mask) -> Parts:
        """Some of the rows."""
        return Parts._make(column[rows] for column in self)


class Texts(NamedTuple):
    """Messages that are text: those of the frames `rows`, and then others that were packed."""

    parts: Parts
    rows: Ints
    stream: Stream
    inflated: Sequence[bytes]

    def some(self, wanted: Mask) -> Texts:
        """Some of them."""
        few, packed = wanted[: self.rows.size], wanted[self.rows.size :]
        return self._replace(
            rows=self.rows[few], inflated=[*compress(self.inflated, packed.tolist())]
        )

    def blocks(self) -> Iterator[Lines]:
        """The texts as lines, some at once."""
        yield from payloads(self.parts, self.rows, self.stream, LINE_END)
        size = np.fromiter(map(len, self.inflated), np.int64, len(self.inflated))
        for begin, end in _blocks(size):
            sizes = size[begin:end]
            text = LINE_END.join((*self.inflated[begin:end], b""))
            yield Lines(text, np.cumsum(sizes + 1) - sizes - 1, sizes)


def payloads(parts: Parts, rows: Ints, stream: Stream, ending: bytes) -> Iterator[Lines]:
    """The payloads of the frames `rows` in turn, some at once, each with `ending` behind it."""
    for begin, end in _blocks(parts.size[rows]):
        yield _unmasked(parts, rows[begin:end], stream, ending)


def _blocks(size: Ints) -> Iterator[tuple[int, int]]:
    """Where blocks of so many bytes begin and end."""
    number = np.cumsum(size + 1) // BLOCK_BYTES
    bounds = [*np.flatnonzero(np.diff(number, prepend=-1)).tolist(), size.size]
    return pairwise(bounds)


def _unmasked(parts: Parts, rows: Ints, stream: Stream, ending: bytes) -> Lines:
    size, at, mask = parts.size[rows], parts.at[rows], parts.mask[rows]
    whole = size >> 3
    words = whole + (1 if len(ending) <= 1 else 2)
    stop = np.cumsum(words)
    first, total = stop - words, int(stop[-1])
    steps = _STEPS if total <= _STEPS.size else np.arange(0, 8 * total, 8)
    text = anywhere(stream.data, "=u8")[np.repeat(at - 8 * first, words) + steps[:total]]
    for number in np.flatnonzero(at < 0).tolist():
        stop_at = int(parts.end[rows[number]])
        piece = stream.bytes(stop_at - int(size[number]), stop_at)
        begin = 8 * int(first[number])
        text.view(np.uint8)[begin : begin + len(piece)] = np.frombuffer(piece, np.uint8)
    if mask.any():
        text ^= np.repeat((mask << 32 | mask).view(np.uint64), words)
    kept, filled, more = _endings(ending)
    last, left = first + whole, size & 7
    text[last] = text[last] & kept[left] | filled[left]
    if len(ending) > 1:
        text[last + 1] = more[left]
    return Lines(text.tobytes(), 8 * first, size)


@cache
def _endings(ending: bytes) -> tuple[Words, Words, Words]:
    """By the bytes that a payload leaves in its last word: what is kept of that word, what fills
    it, and the word behind it."""
    padded = ending.ljust(16)
    tables = (
        [b"\xff" * left + bytes(8 - left) for left in range(8)],
        [bytes(left) + padded[: 8 - left] for left in range(8)],
        [padded[8 - left : 16 - left] for left in range(8)],
    )
    kept, filled, more = (np.frombuffer(b"".join(table), np.uint64) for table in tables)
    return kept, filled, more
