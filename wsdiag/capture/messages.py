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
    """What frames make. `row` are the data messages of one frame, `text` what is known of each that
    is text; `others` the control frames and other messages, with their lanes and turns.
    """

    row: Ints
    text: list[bytes | None]
    others: list[tuple[int, int, Frame | Message]]


def assemble(parts: Parts, stream: Stream, readers: Sequence[Reader]) -> Assembled:
    """The messages that lawful frames make, and the control frames among them."""
    control, is_text = parts.opcode >= CLOSE, parts.opcode == TEXT
    alone = parts.fin & (is_text | (parts.opcode == BINARY))
    packed = alone & (parts.rsv == _RSV1)
    known = np.flatnonzero((control | alone & (is_text | packed)) & (parts.size <= KEPT_BYTES))
    payloads: list[bytes | None] = [None] * parts.lane.size
    for row, payload in zip(known.tolist(), _payloads(parts, known, stream), strict=True):
        payloads[row] = payload
    others = list[tuple[int, int, Frame | Message]]()
    for row in np.flatnonzero(packed | ~alone).tolist():
        lane, turn = int(parts.lane[row]), int(parts.turn[row])
        reader = readers[lane]
        if packed[row]:
            assert reader.inflater is not None  # no lawful frame is packed without it
            payloads[row] = reader.inflater.inflate(payloads[row])
            continue
        frame = _frame(parts, row, reader.side, payloads[row])
        if control[row]:
            others.append((lane, turn, frame))
        else:
            if reader.keeps(frame.opcode, frame.rsv, frame.size):
                payload = stream.bytes(int(parts.end[row]) - frame.size, int(parts.end[row]))
                frame = frame._replace(payload=unmask(payload, _key(parts, row)))
            if message := reader.assemble(frame):
                others.append((lane, turn, message))
    text = [payloads[row] for row in np.flatnonzero(alone & is_text).tolist()]
    return Assembled(np.flatnonzero(alone), text, others)


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


def _key(parts: Parts, row: int) -> bytes:
    return int(parts.mask[row]).to_bytes(4, sys.byteorder) if parts.masked[row] else b""


def _payloads(parts: Parts, rows: Ints, stream: Stream) -> list[bytes]:
    """The payloads of some frames, unmasked: all of them in whole words, one behind the other."""
    view = stream.data.data
    at, size, end = (column[rows].tolist() for column in (parts.at, parts.size, parts.end))
    words = parts.size[rows] + 3 >> 2
    pieces = [
        view[begin : begin + 4 * count]
        if begin >= 0
        else stream.bytes(stop - length, stop).ljust(4 * count)
        for begin, count, length, stop in zip(at, words.tolist(), size, end, strict=True)
    ]
    together = np.frombuffer(b"".join(pieces), np.uint32)
    plain = (together ^ np.repeat(parts.mask[rows].astype(np.uint32), words)).tobytes()
    begins = 4 * (np.cumsum(words) - words)
    return [
        plain[begin : begin + length] for begin, length in zip(begins.tolist(), size, strict=True)
    ]
