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
from wsdiag.capture.deflate import FLUSH, KEPT_BYTES
from wsdiag.capture.framing import Frames, Stream
from wsdiag.capture.headers import Mask
from wsdiag.capture.order import PLACE_BITS
from wsdiag.capture.unmasking import Parts, Texts, payloads
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
    """What frames make. `row` are the data messages of one frame; `texts` are those of them that
    are known texts, and `text` the places of their rows in `row`. `others` are the control frames
    and other messages, with their lanes and turns.
    """

    row: Ints
    text: Ints
    texts: Texts
    others: list[tuple[int, int, Frame | Message]]


def assemble(parts: Parts, stream: Stream, readers: Sequence[Reader]) -> Assembled:
    """The messages that lawful frames make, and the control frames among them."""
    is_text = parts.opcode == TEXT
    alone = parts.fin & (is_text | (parts.opcode == BINARY))
    packed = alone & (parts.rsv == _RSV1)
    clear = np.flatnonzero(alone & is_text & ~packed & (parts.size <= KEPT_BYTES))
    masked = parts.masked[clear]
    clear = np.concatenate((clear[~masked], clear[masked]))  # the first need no unmasking
    inflated, others = _in_turn(parts, packed, ~alone & ~packed, stream, readers)
    known = [row for row in inflated if is_text[row]]
    row = np.flatnonzero(alone)
    texts = Texts(parts, clear, stream, [inflated[row] for row in known])
    place = np.searchsorted(row, np.concatenate((clear, np.array(known, np.int64))))
    return Assembled(row, place, texts, others)


def _in_turn(
    parts: Parts, packed: Mask, other: Mask, stream: Stream, readers: Sequence[Reader]
) -> tuple[dict[int, bytes], list[tuple[int, int, Frame | Message]]]:
    """Take the frames whose order matters: packed messages, inflated where that is possible, and
    frames that are no message of their own.
    """
    control, short = parts.opcode >= CLOSE, parts.size <= KEPT_BYTES
    ended = _each(parts, packed & short, stream, FLUSH)
    told = _each(parts, control & short, stream)
    long = _too_long(parts, np.flatnonzero(other & ~control))
    inflated, others = dict[int, bytes](), list[tuple[int, int, Frame | Message]]()
    rows = np.flatnonzero(packed | other)
    columns = (rows, parts.lane[rows], packed[rows], control[rows])
    for row, lane, is_packed, is_control in zip(*(it.tolist() for it in columns), strict=True):
        reader = readers[lane]
        if is_packed:
            assert reader.inflater is not None  # no lawful frame is packed without it
            text = reader.inflater.inflate_ended(ended.get(row))
            if text is not None:
                inflated[row] = text
        elif is_control:
            frame = _frame(parts, row, reader.side, told.get(row))
            others.append((lane, int(parts.turn[row]), frame))
        else:
            fact = _assemble(reader, parts, row, stream, keep=row not in long)
            if fact is not None:
                others.append((lane, int(parts.turn[row]), fact))
    return inflated, others


def _each(parts: Parts, of: Mask, stream: Stream, ending: bytes = b"") -> dict[int, bytes]:
    """The payloads of some frames, each with its ending, by row."""
    rows = np.flatnonzero(of)
    blocks = payloads(parts, rows, stream, ending)
    texts = (text for block in blocks for text in block.each(ending))
    return dict(zip(rows.tolist(), texts, strict=True))


def _too_long(parts: Parts, rows: Ints) -> set[int]:
    """Of frames of messages of several, those whose message is not looked at for its length: their
    payloads, which lie across many packets, need not be put together."""
    if not rows.size:
        return set()
    lane = parts.lane[rows]
    begins = np.flatnonzero((parts.opcode[rows] != CONT) | (np.diff(lane, prepend=-1) != 0))
    counts = np.diff(begins, append=rows.size)
    sizes = np.repeat(np.add.reduceat(parts.size[rows], begins), counts)
    return set(rows[sizes > KEPT_BYTES].tolist())


def _assemble(
    reader: Reader, parts: Parts, row: int, stream: Stream, *, keep: bool
) -> Message | None:
    """Give a reader a frame of a message of several, with its payload if that is to be kept."""
    frame = _frame(parts, row, reader.side, None)
    if keep and reader.keeps(frame.opcode, frame.rsv, frame.size):
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
