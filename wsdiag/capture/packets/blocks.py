"""pcapng files as columns: the Enhanced Packet Blocks at once, every other block one by one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Literal

import numpy as np

from wsdiag.capture.packets.batch import Batch, Bytes, Ints, anywhere
from wsdiag.capture.packets.chains import STOP, Windows
from wsdiag.capture.packets.records import (
    ENHANCED,
    FAR,
    INTERFACE,
    MAX_RECORD,
    NO_TIME,
    OLD_PACKET,
    SECRETS,
    SECTION,
    SIMPLE,
    Notes,
    Record,
    Sections,
    pcapng_records,
    take_block,
)

_LEAST_BYTES, _LEAST_SECTION = 12, 16
_PACKET_AT = 28  # in an Enhanced Packet Block
_SECTION_TYPE = int.from_bytes(SECTION)
_LITTLE, _LITTLE_SEEN_BIG = 0x1A2B3C4D, 0x4D3C2B1A
_ALONE = (_SECTION_TYPE, INTERFACE, OLD_PACKET, SIMPLE, SECRETS)
_LONGEST = 256 * 1024  # of a block that a lane may start at: the packets that Wireshark takes
# So fine a clock, so many ticks and so late a time that no sum below leaves 64 bits.
_FINEST, _HIGHEST, _LATEST_S = 10**12, 1 << 30, 1 << 41


class Blocks:
    """The packets of a pcapng file, batch by batch."""

    def __init__(self) -> None:
        self._state = Sections()

    def chain(self, data: Bytes, end: int) -> BlockChain:
        """The chain of the blocks in `data`, as far as they have one byte order."""
        return BlockChain(data, end, self._order(data[:12].tobytes()))

    def is_damaged(self, head: bytes) -> bool:
        """Whether no block can start with these bytes."""
        if len(head) < _LEAST_BYTES:
            return False
        least = _LEAST_SECTION if head[:4] == SECTION else _LEAST_BYTES
        (length,) = struct.unpack_from(self._order(head) + "I", head, 4)
        return not least <= length <= MAX_RECORD

    def _order(self, head: bytes) -> str:
        state = Sections()
        if head[:4] == SECTION:
            state.begin(head[8:12])
            return state.order
        return self._state.order

    def batch(self, data: Bytes, starts: Ints, notes: Notes) -> Batch:
        """The packets in the blocks that start at `starts`."""
        chain = self.chain(data, data.size)
        types, lengths = chain.types(starts), chain.lengths(starts)
        alone = np.flatnonzero(np.isin(types, _ALONE))
        rows, begin = [np.zeros((0, 6), np.int64)], 0
        for stop in [*alone.tolist(), starts.size]:
            packets = begin + np.flatnonzero(types[begin:stop] == ENHANCED)
            if packets.size:
                rows.append(self._enhanced(chain, starts[packets], lengths[packets], notes))
            if stop < starts.size:
                rows.append(self._alone(data, starts[stop : stop + 1], notes))
            begin = stop + 1
        return Batch(data, *np.concatenate(rows).T)

    def rest(self, stream: BinaryIO, notes: Notes) -> Iterator[Record]:
        """What is left at the end, or where the file is damaged."""
        return pcapng_records(stream, self._state, notes)

    def _enhanced(self, chain: BlockChain, starts: Ints, lengths: Ints, notes: Notes) -> Ints:
        """The columns of Enhanced Packet Blocks, one row a packet."""
        number, high, low, captured, size = chain.heads(starts)
        state, known = self._state, len(self._state.interfaces)
        # Per interface: link type, ticks a second, offset; nothing where a sum could be too large.
        units = np.zeros((max(known, 1), 3), np.int64)
        for at, unit in enumerate(state.interfaces):
            if unit.per_second <= _FINEST and abs(unit.offset_us) < FAR >> 1:
                units[at] = (unit.link, unit.per_second, unit.offset_us)
        sound = (number < known) & (captured <= lengths - _PACKET_AT - 4) & (high < _HIGHEST)
        if not (sound.all() and units[number, 1].all()):
            return self._alone(chain.data, starts, notes)
        link, per_second, offset = units[number].T
        whole, part = np.divmod(high << 32 | low, per_second)
        if (whole > _LATEST_S).any():
            return self._alone(chain.data, starts, notes)
        ts = np.maximum(whole * 1_000_000 + part * 1_000_000 // per_second + offset, NO_TIME)
        pos = np.arange(state.pos + 1, state.pos + 1 + starts.size)
        state.pos, state.ts = int(pos[-1]), int(ts[-1])
        return np.stack((starts + _PACKET_AT, captured, pos, ts, link, size), axis=1)

    def _alone(self, data: Bytes, starts: Ints, notes: Notes) -> Ints:
        """The same for blocks of any type, one by one."""
        rows = list[tuple[int, ...]]()
        for at in starts.tolist():
            head = data[at : at + _LEAST_BYTES].tobytes()
            skip = 8
            if head[:4] == SECTION:
                self._state.begin(head[8:])
                skip = 12
            block, length = struct.unpack_from(self._state.order + "II", head)
            body = data[at + skip : at + length - 4].tobytes()
            if record := take_block(block, body, self._state, notes):
                begins = at + (12 if block == SIMPLE else _PACKET_AT)
                pos, ts, link, packet, size = record
                rows.append((begins, len(packet), pos, ts, link, size))
        return np.array(rows, np.int64).reshape(-1, 6)


class BlockChain:
    """Where the blocks of a pcapng file start."""

    def __init__(self, data: Bytes, end: int, order: str) -> None:
        self.data, self._end, self._order = data, end, order
        self._words = anywhere(data, order + "u4")

    def types(self, at: Ints) -> Ints:
        """The blocks' types."""
        return self._words[at].astype(np.int64)

    def lengths(self, at: Ints) -> Ints:
        """The blocks' lengths, head and tail included."""
        return self._words[at + 4].astype(np.int64)

    def heads(self, at: Ints) -> Ints:
        """Of Enhanced Packet Blocks: interface, ticks (high, low), captured, size."""
        rows = np.ndarray((self.data.size - 27,), "V28", self.data, strides=(1,))[at]
        words: Ints = rows.view(self._order + "u4").reshape(-1, 7)[:, 2:].astype(np.int64).T
        return words

    def after(self, at: Ints) -> Ints:
        """Where the next blocks start; `STOP` where one is not whole."""
        whole = at + _LEAST_BYTES <= self._end
        at = np.where(whole, at, 0)
        length = self.lengths(at)
        section = self.types(at) == _SECTION_TYPE
        # What does not say that it has this byte order has the other: see Sections.begin.
        little = self._words[at + 8] == (_LITTLE if self._order == "<" else _LITTLE_SEEN_BIG)
        whole &= ~section | (little == (self._order == "<"))
        least = np.where(section, _LEAST_SECTION, _LEAST_BYTES)
        whole &= (length >= least) & (length <= MAX_RECORD) & (at + length <= self._end)
        return np.where(whole, at + length, STOP)

    def after_one(self, at: int) -> int:
        """The same for one block."""
        return int(self.after(np.array([at]))[0])

    def plausible(self, windows: Windows) -> Ints:
        """Where a packet's block may start: its length stands at both its ends."""
        order: Literal["little", "big"] = "little" if self._order == "<" else "big"
        type_ = enumerate(ENHANCED.to_bytes(4, order))
        each = [windows.bytes(self.data, place) == byte for place, byte in type_]
        at = windows.places(np.logical_and.reduce(each))
        length = self.lengths(at)
        fits = (length >= _PACKET_AT + 4) & (length <= _LONGEST) & (at + length <= self._end)
        at, length = at[fits], length[fits]
        found: Ints = at[self._words[at + length - 4] == length]
        return found
