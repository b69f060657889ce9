"""Where the frames of many connections lie, found at once (RFC 6455 section 5.2).

A frame mostly starts with the chunk of bytes it came in, so a header is read at the start of every
chunk, and further ones as long as frames end inside. That is a guess: it counts where the frame
before ends with the chunk before. Frames that lie across chunks are followed one by one.

A place is a count of bytes over all chunks.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from wsdiag.capture.packets.batch import Bytes, Ints, anywhere
from wsdiag.capture.tcp.order import Chunks
from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.capture.websocket.protocol import NAMES

HEADER_BYTES = 14
"""The longest header: two bytes, eight of length, four of mask."""

_FEW = 16  # guessing ends where so few chunks hold more than so many frames
_WIDE = np.zeros(128, np.int64)  # bytes of the length behind the first two, by the first length
_WIDE[126], _WIDE[127] = 2, 8

# First bytes that no rule forbids; guessing ends at others, which begin no frame as a rule.
_FIRST = np.arange(256)
_LAWFUL = (_FIRST & 0x30 == 0) & np.isin(_FIRST & 15, list(NAMES))


class Frames(NamedTuple):
    """Whole frames as columns, in the order of each lane.

    `chunk` and `end` are where a frame ends, `head` is its first two bytes in one number, `mask`
    four in memory's order. The payload of `size` bytes stands at `at` in the data; where it lies
    across chunks `at` is -1.
    """

    chunk: Ints
    end: Ints
    head: Ints
    size: Ints
    mask: Ints
    at: Ints


class Stream:
    """The bytes of all chunks, one after the other, by place."""

    def __init__(self, chunks: Chunks, data: Bytes) -> None:
        self.chunks, self.data = chunks, data
        self.places: list[int] = [0, *np.cumsum(chunks.size).tolist()]
        self._at: list[int] = chunks.at.tolist()
        self._view = data.data

    def lane(self, lane: int) -> tuple[int, int]:
        """Where the bytes of a lane begin and end."""
        begin, end = np.searchsorted(self.chunks.lane, (lane, lane + 1))
        return self.places[begin], self.places[end]

    def chunk(self, place: int) -> int:
        """The chunk of a byte."""
        return bisect_right(self.places, place) - 1

    def at(self, place: int, chunk: int) -> int:
        """Where in the data a byte of a chunk stands."""
        return self._at[chunk] + place - self.places[chunk]

    def pieces(self, begin: int, end: int) -> Iterator[tuple[bytes, int]]:
        """The bytes from `begin` to `end`, with the chunk of each piece."""
        chunk = self.chunk(begin)
        while begin < end:
            stop = min(end, self.places[chunk + 1])
            at = self.at(begin, chunk)
            yield bytes(self._view[at : at + stop - begin]), chunk
            begin, chunk = stop, chunk + 1

    def bytes(self, begin: int, end: int) -> bytes:
        """The bytes from `begin` to `end`."""
        if begin == end:
            return b""
        chunk = self.chunk(begin)
        if end <= self.places[chunk + 1]:
            at = self.at(begin, chunk)
            return bytes(self._view[at : at + end - begin])
        return b"".join(piece for piece, _ in self.pieces(begin, end))


class Framed(NamedTuple):
    """The frames, and by lane what remains to its reader.

    `begun` is where the frame ends whose header was read before, `rest` where the one starts that
    is not complete. The readers of `headed` had the beginning of a header, which is read now.
    """

    frames: Frames
    begun: dict[int, int]
    headed: list[int]
    rest: dict[int, int]


def frames(stream: Stream, reader: Callable[[int], Reader]) -> Framed:
    """The frames in a stream; the readers of its lanes stay as they are."""
    guessed, last = _guess(stream.chunks, stream.data)
    return _Following(stream, reader, last).run(guessed)


def _guess(chunks: Chunks, data: Bytes) -> tuple[Frames, Ints]:
    """Frames from the starts of all chunks, and where in the data the last of each chunk ends."""
    words = anywhere(data, "=u4")
    shift = np.cumsum(chunks.size) - chunks.size - chunks.at
    last, stop = chunks.at.copy(), chunks.at + chunks.size
    parts = list[Frames]()
    going = np.arange(chunks.at.size)
    while going.size and (going.size > _FEW or len(parts) < _FEW):
        at = last[going]
        head = _pairs(data, at)
        masked, size = head & 0x80, head & 0x7F
        begin = at + 2 + (masked >> 5)
        wide = np.flatnonzero(size > 125)
        begin[wide] += _WIDE[size[wide]]
        size[wide] = _sizes(data, at[wide] + 2, size[wide])
        whole = (size >= 0) & (size <= stop[going] - begin) & _LAWFUL[head >> 8]
        if not whole.all():
            going, begin, size, masked, head = (
                column[whole] for column in (going, begin, size, masked, head)
            )
        mask = np.zeros(begin.size, np.int64)
        bears = np.flatnonzero(masked)
        mask[bears] = words[begin[bears] - 4]
        end = last[going] = begin + size
        parts.append(Frames(going, end + shift[going], head, size, mask, begin))
        going = going[end < stop[going]]
    if not parts:
        return Frames(*np.zeros((len(Frames._fields), 0), np.int64)), last
    return Frames(*map(np.concatenate, zip(*parts, strict=True))), last


def _sizes(data: Bytes, at: Ints, short: Ints) -> Ints:
    """Lengths of 16 bits, and of 64 where the short one says so; beyond 63 bits negative."""
    size = _pairs(data, at)
    longest = np.flatnonzero(short == 127)
    size[longest] = anywhere(data, ">i8")[at[longest]]
    return size


def _pairs(data: Bytes, at: Ints) -> Ints:
    """Two bytes as a number. They are fetched one by one: that takes a third of the time that
    numbers in another order and not aligned do."""
    pairs: Ints = data[at].astype(np.int64) << 8 | data[at + 1]
    return pairs


class _Following:
    """Goes after frames that lie across chunks."""

    def __init__(self, stream: Stream, reader: Callable[[int], Reader], last: Ints) -> None:
        self._stream, self._reader = stream, reader
        chunks = stream.chunks
        self._guessed = last  # where the guessing ended
        self._inexact = np.flatnonzero(last < chunks.at + chunks.size)
        self._valid = np.ones(last.size, bool)
        self._found = list[tuple[int, ...]]()
        self._begun = dict[int, int]()
        self._headed = list[int]()
        self._rest = dict[int, int]()

    def run(self, guessed: Frames) -> Framed:
        lanes = self._stream.chunks.lane
        begins = np.flatnonzero(np.diff(lanes, prepend=-1))
        bounds = np.searchsorted(self._inexact, [*begins.tolist(), lanes.size]).tolist()
        ends = [*begins.tolist(), lanes.size][1:]
        for number, (begin, end) in enumerate(zip(begins.tolist(), ends, strict=True)):
            inexact = self._inexact[bounds[number] : bounds[number + 1]].tolist()
            self._lane(int(lanes[begin]), begin, end, inexact)
        kept = self._valid[guessed.chunk]
        columns = [column if kept.all() else column[kept] for column in guessed]
        if self._found:
            columns = [
                np.concatenate(pair)
                for pair in zip(columns, np.array(self._found, np.int64).T, strict=True)
            ]
        order = np.argsort(columns[1], kind="stable")
        return Framed(
            Frames(*(column[order] for column in columns)), self._begun, self._headed, self._rest
        )

    def _lane(self, lane: int, begin: int, end: int, inexact: list[int]) -> None:
        """Follow what is not exact in the chunks from `begin` to `end`, which are one lane's."""
        places, reader = self._stream.places, self._reader(lane)
        limit = places[end]
        at, place = begin, places[begin]  # of the first frame that starts here
        if reader.head is not None:
            self._begun[lane] = place = min(place + reader.left, limit)
            at = self._stream.chunk(place)
        if reader.buffer or (place < limit and place != places[at]):
            at = self._follow(lane, place, reader.buffer, limit)
        if reader.buffer and self._rest.get(lane) != place:
            self._headed.append(lane)
        self._valid[begin:at] = False
        for chunk in inexact:
            if chunk >= at:
                stop = int(self._guessed[chunk] - self._stream.chunks.at[chunk])
                at = self._follow(lane, places[chunk] + stop, b"", limit)
                self._valid[chunk + 1 : at] = False

    def _follow(self, lane: int, place: int, before: bytes, limit: int) -> int:
        """Follow frames from `place` until one ends with its chunk; the chunk behind that.

        `before` is the beginning of the first one's header, read earlier.
        """
        stream, places = self._stream, self._stream.places
        while True:
            seen = before + stream.bytes(place, min(place + HEADER_BYTES, limit))
            length, size = _header(seen)
            begin = place + length - len(before)
            end = begin + size
            if not length or end > limit:
                self._rest[lane] = place
                return stream.chunk(limit - 1) + 1
            mask = int.from_bytes(seen[length - 4 : length], sys.byteorder) if seen[1] & 0x80 else 0
            last = stream.chunk(end - 1)
            at = stream.at(begin, last) if begin >= places[last] else -1
            self._found.append((last, end, seen[0] << 8 | seen[1], size, mask, at))
            if end == places[last + 1]:
                return last + 1
            place, before = end, b""


def _header(seen: bytes) -> tuple[int, int]:
    """The lengths of a header and its payload; 0 where the header is not complete."""
    if len(seen) < 2:
        return 0, 0
    size, length = seen[1] & 0x7F, 2
    if wide := {126: 2, 127: 8}.get(size, 0):
        size, length = int.from_bytes(seen[2 : 2 + wide]), 2 + wide
    length += 4 if seen[1] & 0x80 else 0
    return (length, size) if len(seen) >= length else (0, 0)
