"""Messages out of the frames of many connections, and their payloads (RFC 6455 sections 5.3, 5.4).

Most messages are one frame. The frames of the others, and control frames, are handed to the code
of websocket.py one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wsdiag.capture.batch import Ints
from wsdiag.capture.deflate import KEPT_BYTES
from wsdiag.capture.framing import Frames, Stream
from wsdiag.capture.headers import Mask
from wsdiag.capture.order import PLACE_BITS
from wsdiag.capture.texts import Lines, each, joined, lines
from wsdiag.capture.websocket import (
    BINARY,
    CLOSE,
    CONT,
    NAMES,
    TEXT,
    Frame,
    Message,
    Reader,
    close_violations,
    unmask,
)

_RSV1 = 4
_MOST_CONTROL = 125
_BLANK, _LINE_END = 0x20, 0x0A


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


def take_apart(frames: Frames, stream: Stream) -> Parts:
    """The fields of frames, and the packets they end with."""
    chunks, chunk = stream.chunks, frames.chunk
    first, second = frames.head >> 8, frames.head & 0xFF
    begin = np.array(stream.places)[chunk]
    return Parts(
        chunks.lane[chunk],
        chunks.turn[chunk] + np.minimum(frames.end - begin, (1 << PLACE_BITS) - 1),
        chunks.pos[chunk],
        chunks.ts[chunk],
        first & 15,
        first >= 0x80,
        first >> 4 & 7,
        second >= 0x80,
        frames.size,
        frames.mask,
        frames.at,
        frames.end,
    )


def lawless(parts: Parts, short: Ints, readers: Sequence[Reader]) -> set[int]:
    """The lanes with a frame whose header breaks a rule of RFC 6455 section 5.

    `short` is the first length in each header, `readers` has a reader for each lane.
    """
    from_client = np.array([reader.from_client for reader in readers], bool)[parts.lane]
    deflate = np.array([reader.inflater is not None for reader in readers], bool)[parts.lane]
    opcode, control = parts.opcode, parts.opcode >= CLOSE
    starts = (opcode == TEXT) | (opcode == BINARY)
    bad = ~np.isin(opcode, list(NAMES)) | (parts.masked != from_client)
    bad |= (parts.rsv != 0) & ~(deflate & (parts.rsv == _RSV1) & starts)
    bad |= control & ((parts.size > _MOST_CONTROL) | ~parts.fin)
    bad |= (short == 126) & (parts.size < 126) | (short == 127) & (parts.size < 1 << 16)
    data = np.flatnonzero(~control)
    lane, fin = parts.lane[data], parts.fin[data]
    begins = np.flatnonzero(np.diff(lane, prepend=-1))
    within = np.concatenate(([False], ~fin[:-1]))[: data.size]  # a message was begun before
    within[begins] = [readers[at].is_within_message for at in lane[begins].tolist()]
    bad[data] |= np.where(within, starts[data], opcode[data] == CONT)
    return set(parts.lane[bad].tolist())


class Assembled(NamedTuple):
    """What frames make. `row` are the data messages of one frame; of those that are text, `lines`
    has the texts that are known and `text` the places of their rows in `row`. `others` are the
    control frames and other messages, with their lanes and turns.
    """

    row: Ints
    text: Ints
    lines: Lines
    others: list[tuple[int, int, Frame | Message]]


def assemble(parts: Parts, stream: Stream, readers: Sequence[Reader]) -> Assembled:
    """The messages that lawful frames make, and the control frames among them."""
    is_text = parts.opcode == TEXT
    alone = parts.fin & (is_text | (parts.opcode == BINARY))
    packed = alone & (parts.rsv == _RSV1)
    clear = np.flatnonzero(alone & is_text & ~packed & (parts.size <= KEPT_BYTES))
    inflated, others = _in_turn(parts, packed, ~alone & ~packed, stream, readers)
    known = [row for row in inflated if is_text[row]]
    row = np.flatnonzero(alone)
    texts = np.concatenate((clear, np.array(known, np.int64)))
    both = joined(_unmasked(parts, clear, stream), lines([inflated[row] for row in known]))
    return Assembled(row, np.searchsorted(row, texts), both, others)


def _in_turn(
    parts: Parts, packed: Mask, other: Mask, stream: Stream, readers: Sequence[Reader]
) -> tuple[dict[int, bytes], list[tuple[int, int, Frame | Message]]]:
    """Take the frames whose order matters: packed messages, inflated where that is possible, and
    frames that are no message of their own.
    """
    rows = np.flatnonzero(packed | other)
    control = parts.opcode[rows] >= CLOSE
    kept = (packed[rows] | control) & (parts.size[rows] <= KEPT_BYTES)
    contents = each(_unmasked(parts, rows[kept], stream))
    inflated, others = dict[int, bytes](), list[tuple[int, int, Frame | Message]]()
    flags = (packed[rows].tolist(), control.tolist(), kept.tolist())
    for row, lane, is_packed, is_control, is_kept in zip(
        rows.tolist(), parts.lane[rows].tolist(), *flags, strict=True
    ):
        payload, reader = next(contents) if is_kept else None, readers[lane]
        if is_packed:
            assert reader.inflater is not None  # no lawful frame is packed without it
            text = reader.inflater.inflate(payload)
            if text is not None:
                inflated[row] = text
            continue
        frame = _frame(parts, row, reader.side, payload)
        fact = frame if is_control else _assemble(reader, frame, parts, row, stream)
        if fact is not None:
            others.append((lane, int(parts.turn[row]), fact))
    return inflated, others


def _assemble(
    reader: Reader, frame: Frame, parts: Parts, row: int, stream: Stream
) -> Message | None:
    """Give a reader a frame of a message of several."""
    if reader.keeps(frame.opcode, frame.rsv, frame.size):
        end = int(parts.end[row])
        mask = int(parts.mask[row]).to_bytes(4, sys.byteorder) if frame.masked else b""
        payload = unmask(stream.bytes(end - frame.size, end), mask)
        frame = frame._replace(payload=payload)
    return reader.assemble(frame)


def _frame(parts: Parts, row: int, side: int, payload: bytes | None) -> Frame:
    opcode, size = int(parts.opcode[row]), int(parts.size[row])
    return Frame(
        side,
        opcode,
        bool(parts.fin[row]),
        int(parts.rsv[row]),
        bool(parts.masked[row]),
        size,
        payload,
        int(parts.pos[row]),
        int(parts.ts[row]),
        tuple(close_violations(size, payload)) if opcode == CLOSE else (),
    )


def _unmasked(parts: Parts, rows: Ints, stream: Stream) -> Lines:
    """The payloads of some frames, unmasked all at once: each is copied in whole words."""
    view, sizes = stream.data.data, parts.size[rows]
    words = (sizes >> 2) + 1
    bytes_ = 4 * words
    at = parts.at[rows]
    pieces: list[bytes | memoryview] = [
        view[begin:end] for begin, end in zip(at.tolist(), (at + bytes_).tolist(), strict=True)
    ]
    for number in np.flatnonzero(at < 0).tolist():
        end, size = int(parts.end[rows[number]]), int(sizes[number])
        pieces[number] = stream.bytes(end - size, end).ljust(int(bytes_[number]))
    together = np.frombuffer(b"".join(pieces), np.uint32)
    plain = (together ^ np.repeat(parts.mask[rows].astype(np.uint32), words)).view(np.uint8)
    last = np.cumsum(bytes_) - 1
    begin = last + 1 - bytes_
    for blank in range(3):
        blanks = begin + sizes + blank
        plain[blanks[blanks < last]] = _BLANK
    plain[last] = _LINE_END
    return Lines(plain.tobytes(), begin, sizes)
