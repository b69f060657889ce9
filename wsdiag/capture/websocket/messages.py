"""Messages out of the frames of many connections, and their payloads (RFC 6455 sections 5.3, 5.4).

Most messages are one frame. The frames of the others, and control frames, are handed to the code
of `protocol.py` one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from itertools import compress, pairwise
from typing import NamedTuple

import numpy as np

from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.packets.headers import Mask
from wsdiag.capture.tcp.order import PLACE_BITS
from wsdiag.capture.websocket.deflate import FLUSH, KEPT_BYTES
from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.capture.websocket.framing import Frames, Stream
from wsdiag.capture.websocket.protocol import (
    BINARY,
    CLOSE,
    CONT,
    NAMES,
    TEXT,
    Frame,
    Message,
    close_violations,
    unmask,
)
from wsdiag.capture.websocket.unmasking import Parts, Texts, payloads

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


class Controls(NamedTuple):
    """Control frames, with their payloads; None for one that is too long."""

    parts: Parts
    payloads: list[bytes | None]

    def quiet(self, busy: Collection[int]) -> Mask:
        """Those that are pings and pongs, but not of the connections `busy`."""
        quiet: Mask = self.parts.opcode != CLOSE
        return quiet & ~np.isin(self.parts.lane >> 1, list(busy)) if busy else quiet

    def some(self, wanted: Mask) -> Controls:
        """Some of them."""
        return Controls(self.parts.of(wanted), [*compress(self.payloads, wanted.tolist())])

    def each(self, readers: Sequence[Reader]) -> Iterator[tuple[int, int, Frame]]:
        """Lane, turn and frame of each."""
        columns = (column.tolist() for column in self.parts)
        of = zip(self.payloads, *columns, strict=True)
        for payload, lane, turn, pos, ts, opcode, fin, rsv, masked, size, *_ in of:
            broken = tuple(close_violations(size, payload)) if opcode == CLOSE else ()
            told = (opcode, fin, rsv, masked, size, payload, pos, ts, broken)
            yield lane, turn, Frame(readers[lane].side, *told)


class Assembled(NamedTuple):
    """What frames make. `row` are the data messages of one frame; `texts` are those of them that
    are known texts, and `text` the places of their rows in `row`. `several` are the messages of
    several frames, with their lanes and turns, `control` the control frames.
    """

    row: Ints
    text: Ints
    texts: Texts
    several: list[tuple[int, int, Message]]
    control: Controls


def assemble(parts: Parts, stream: Stream, readers: Sequence[Reader]) -> Assembled:
    """The messages that lawful frames make, and the control frames among them."""
    is_text, control = parts.opcode == TEXT, parts.opcode >= CLOSE
    alone = parts.fin & (is_text | (parts.opcode == BINARY))
    packed = alone & (parts.rsv == _RSV1)
    clear = np.flatnonzero(alone & is_text & ~packed & (parts.size <= KEPT_BYTES))
    masked = parts.masked[clear]
    clear = np.concatenate((clear[~masked], clear[masked]))  # the first need no unmasking
    several = _several(parts, np.flatnonzero(~alone & ~control))
    # What a lane packed is inflated in turn: with other messages on it, frame by frame.
    packed, mixed = np.flatnonzero(packed), np.zeros(0, np.int64)
    if several.row.size:
        with_others = np.isin(parts.lane[packed], parts.lane[several.row])
        packed, mixed = packed[~with_others], packed[with_others]
    inflated = _inflated(parts, packed, stream, readers)
    messages, more = _in_turn(parts, several, mixed, stream, readers)
    packed, inflated = np.concatenate((packed, mixed)), inflated + more
    known = np.array([text is not None for text in inflated], bool) & is_text[packed]
    # Those of one side follow each other, as they mostly tell the same.
    order = np.flatnonzero(known)
    order = order[np.argsort(parts.masked[packed[order]], kind="stable")]
    row = np.flatnonzero(alone)
    texts = Texts(parts, clear, stream, [inflated[at] or b"" for at in order.tolist()])
    place = np.searchsorted(row, np.concatenate((clear, packed[order])))
    beside = np.flatnonzero(control)
    controls = Controls(parts.of(beside), _packed(parts, beside, stream, b""))
    return Assembled(row, place, texts, messages, controls)


def _packed(parts: Parts, rows: Ints, stream: Stream, ending: bytes) -> list[bytes | None]:
    """The payloads of the frames `rows`, each with its ending; None for what is too long."""
    short = parts.size[rows] <= KEPT_BYTES
    blocks = payloads(parts, rows[short], stream, ending)
    texts: list[bytes | None] = [text for block in blocks for text in block.each(ending)]
    if len(texts) == rows.size:
        return texts
    left = iter(texts)
    return [next(left) if is_short else None for is_short in short.tolist()]


def _inflated(
    parts: Parts, rows: Ints, stream: Stream, readers: Sequence[Reader]
) -> list[bytes | None]:
    """The packed messages `rows`, lane by lane; None where one is not known."""
    packed, lanes = _packed(parts, rows, stream, FLUSH), parts.lane[rows]
    begins = np.flatnonzero(np.diff(lanes, prepend=-1))
    bounds = pairwise((*begins.tolist(), rows.size))
    texts = list[bytes | None]()
    for lane, (begin, end) in zip(lanes[begins].tolist(), bounds, strict=True):
        inflater = readers[lane].inflater
        assert inflater is not None  # no lawful frame is packed without it
        texts += inflater.inflate_each(packed[begin:end])
    return texts


class _Several(NamedTuple):
    """Frames of messages of several. Where a message is too long to be looked at, only the first
    one and the last one, whose size is that of all behind the first; `keep` is false then.
    """

    row: Ints
    size: Ints
    keep: Mask


def _several(parts: Parts, rows: Ints) -> _Several:
    lane, size = parts.lane[rows], parts.size[rows]
    if not rows.size:
        return _Several(rows, size, np.zeros(0, bool))
    first = (parts.opcode[rows] != CONT) | (np.diff(lane, prepend=-1) != 0)
    begins = np.flatnonzero(first)
    ends = np.append(begins[1:], rows.size) - 1
    total = np.add.reduceat(size, begins)
    long = total > KEPT_BYTES
    several = long & (ends > begins)
    size[ends[several]] = (total - size[begins])[several]
    keep = ~np.repeat(long, ends - begins + 1)
    shown = keep | first
    shown[ends] = True
    return _Several(rows[shown], size[shown], keep[shown])


def _in_turn(
    parts: Parts, several: _Several, packed: Ints, stream: Stream, readers: Sequence[Reader]
) -> tuple[list[tuple[int, int, Message]], list[bytes | None]]:
    """Take frames of messages of several, and between them the packed messages `packed`; the lanes
    and turns of the messages of several that are complete and these, and what was packed."""
    ended = dict(zip(packed.tolist(), _packed(parts, packed, stream, FLUSH), strict=True))
    frames = {row: how for row, *how in zip(*(it.tolist() for it in several), strict=True)}
    messages, inflated = list[tuple[int, int, Message]](), list[bytes | None]()
    for row in sorted((*ended, *frames)):
        lane = int(parts.lane[row])
        reader = readers[lane]
        if row in ended:
            assert reader.inflater is not None  # no lawful frame is packed without it
            inflated += reader.inflater.inflate_each([ended[row]])
            continue
        size, keep = frames[row]
        frame = _frame(parts, row, reader.side, size)
        if keep and reader.keeps(frame.opcode, frame.rsv, size):
            end = int(parts.end[row])
            mask = int(parts.mask[row]).to_bytes(4, sys.byteorder) if frame.masked else b""
            frame = frame._replace(payload=unmask(stream.bytes(end - size, end), mask))
        if message := reader.assemble(frame):
            messages.append((lane, int(parts.turn[row]), message))
    return messages, inflated


def _frame(parts: Parts, row: int, side: int, size: int) -> Frame:
    """One data frame, without its payload."""
    return Frame(
        side,
        int(parts.opcode[row]),
        bool(parts.fin[row]),
        int(parts.rsv[row]),
        bool(parts.masked[row]),
        size,
        None,
        int(parts.pos[row]),
        int(parts.ts[row]),
        (),
    )
