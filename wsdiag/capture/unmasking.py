"""The payloads of many frames, unmasked all at once (RFC 6455 section 5.3).

What a server sends bears no mask: it is copied as it stands. What clients send is copied in whole
words, so that one operation unmasks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wsdiag.capture.batch import Bytes, Ints
from wsdiag.capture.framing import Stream
from wsdiag.capture.headers import Mask
from wsdiag.capture.texts import Lines

_BLANKS = b"   "  # up to the next whole word

Piece = bytes | memoryview


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


class Payloads(NamedTuple):
    """Payloads in pieces that make one text, with `ending` between them and behind the last one.

    The payload of the frame `rows[i]` is the `size[i]` bytes from `begin[i]` on.
    """

    rows: Ints
    pieces: list[Piece]
    begin: Ints
    size: Ints
    length: int
    ending: bytes

    def with_more(self, texts: Sequence[bytes]) -> Payloads:
        """The same and these, which are of no frames."""
        if not texts:
            return self
        size = np.fromiter(map(len, texts), np.int64, len(texts))
        stop = self.length + np.cumsum(size + len(self.ending))
        begin = np.concatenate((self.begin, stop - size - len(self.ending)))
        return self._replace(
            pieces=[*self.pieces, *texts],
            begin=begin,
            size=np.concatenate((self.size, size)),
            length=int(stop[-1]),
        )

    def lines(self) -> Lines:
        """The payloads as lines of one text."""
        return Lines(self.ending.join((*self.pieces, b"")), self.begin, self.size)

    def each(self) -> dict[int, memoryview]:
        """Each payload with its ending, by its row."""
        stop = self.begin + self.size + len(self.ending)
        view = memoryview(self.ending.join((*self.pieces, b"")))
        return dict(zip(self.rows.tolist(), _slices(view, self.begin, stop), strict=True))


def payloads(parts: Parts, rows: Ints, stream: Stream, ending: bytes) -> Payloads:
    """The payloads of the frames `rows`; those without a mask come first."""
    masked = parts.masked[rows]
    bare, rows = rows[~masked], rows[masked]
    size = parts.size[bare]
    pieces = _pieces(parts, bare, size, stream)
    stop = np.cumsum(size + len(ending))
    length = int(stop[-1]) if stop.size else 0
    begin, sizes = stop - size - len(ending), parts.size[rows]
    if rows.size:
        plain, places = _unmasked(parts, rows, stream, ending)
        begin = np.concatenate((begin, length + places))
        pieces.append(plain.data)
        length += plain.size + len(ending)
    return Payloads(
        np.concatenate((bare, rows)), pieces, begin, np.concatenate((size, sizes)), length, ending
    )


def _unmasked(parts: Parts, rows: Ints, stream: Stream, ending: bytes) -> tuple[Bytes, Ints]:
    """Masked payloads up to the last one's end, and where they begin.

    Between them stand endings, and blanks up to whole words.
    """
    size = parts.size[rows]
    words = (size + len(ending) + len(_BLANKS)) // 4
    stop = np.cumsum(4 * words)
    begin = stop - 4 * words
    copied = b"".join(_pieces(parts, rows, 4 * words, stream))
    plain = np.repeat(parts.mask[rows].astype(np.uint32), words)
    plain ^= np.frombuffer(copied, np.uint32)
    text = plain.view(np.uint8)
    for number, byte in enumerate(ending + _BLANKS):
        at = begin + size + number
        text[at[at < stop]] = byte
    return text[: begin[-1] + size[-1]], begin


def _pieces(parts: Parts, rows: Ints, length: Ints, stream: Stream) -> list[Piece]:
    """So many bytes from the beginning of each payload on."""
    at = parts.at[rows]
    pieces: list[Piece] = _slices(stream.data.data, at, at + length)
    for number in np.flatnonzero(at < 0).tolist():
        end, size = int(parts.end[rows[number]]), int(parts.size[rows[number]])
        pieces[number] = stream.bytes(end - size, end).ljust(int(length[number]))
    return pieces


def _slices(view: memoryview, begin: Ints, end: Ints) -> list[Piece]:
    return list(map(view.__getitem__, map(slice, begin.tolist(), end.tolist())))
