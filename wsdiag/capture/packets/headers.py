"""TCP segments of a batch as columns: the first bytes of all packets, looked at together.

Decoded here are the headers that nearly every packet has. What is odd (short packets, IP options,
fragments, extension headers, tunnels, other link types) is left to `segments.py`, one by one.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsdiag.capture.packets.batch import Batch, Ints, different
from wsdiag.capture.packets.links import HEAD_BYTES, UNDECIDED, Heads, network
from wsdiag.capture.packets.numbers import TCP, TUNNEL_PORTS, UDP
from wsdiag.capture.packets.records import Notes
from wsdiag.capture.packets.segments import Endpoint, Segment, segment_of

Mask = NDArray[np.bool_]
Layout = tuple[tuple[str, str, int], ...]
"""Header fields: name, type, place."""

Columns = list[NDArray[np.integer]]
"""Those of `Segments`, as they stand in the packets."""

_CHUNK = 16_384  # packets whose heads fit into a processor's cache
_SILENT = (1, 2, 58)  # ICMP, IGMP, ICMPv6: never TCP
_TCP_BYTES = 16  # of its header so much is read
_WORD = (1 << 64) - 1
_FRAGMENT = 0x3FFF  # offset, and that more follow
_NO_OPTIONS, _LEAST_OFFSET = 0x45, 0x50

_IP4: Layout = (
    *(("first", "u1", 0), ("length", ">u2", 2), ("ident", ">u2", 4), ("fragment", ">u2", 6)),
    *(("protocol", "u1", 9), ("source", ">u4", 12), ("target", ">u4", 16)),
)
_IP6: Layout = (
    *(("length", ">u2", 4), ("protocol", "u1", 6), ("source_high", ">u8", 8)),
    *(("source", ">u8", 16), ("target_high", ">u8", 24), ("target", ">u8", 32)),
)
_TCP: Layout = (
    *(("sport", ">u2", 0), ("dport", ">u2", 2), ("seq", ">u4", 4), ("ack", ">u4", 8)),
    *(("offset", "u1", 12), ("flags", "u1", 13), ("window", ">u2", 14)),
)
_IP = {4: (_IP4, 20), 6: (_IP6, 40)}


class Segments(NamedTuple):
    """TCP segments as columns; `row` is the packet's in the batch.

    Those that run between the same ends come in the order of the capture.
    Source and target are addresses of 128 bits in two words, `ports` is version, source port and
    target port in one. Of the `size` bytes that were sent, `captured` stand at `at` in the batch.
    """

    row: Ints
    source_high: Ints
    source: Ints
    target_high: Ints
    target: Ints
    ports: Ints
    seq: Ints
    ack: Ints
    flags: Ints
    window: Ints
    at: Ints
    captured: Ints
    size: Ints
    ident: Ints


class Traffic(NamedTuple):
    """The segments of a batch, with the position and time (µs) of their packets.

    `odd` has those that were decoded one by one, by index: their payload need not stand in the
    batch. `others` are the rows of packets that gave none but may be a part of one.
    """

    batch: Batch
    segments: Segments
    pos: Ints
    ts: Ints
    odd: dict[int, Segment]
    others: Ints

    def ends(self, index: int) -> tuple[Endpoint, Endpoint]:
        """Source and target of one segment."""
        of, ports = self.segments, int(self.segments.ports[index])
        size = 4 if ports >> 32 == 4 else 16
        return (
            Endpoint(address(of.source_high[index], of.source[index], size), ports >> 16 & 0xFFFF),
            Endpoint(address(of.target_high[index], of.target[index], size), ports & 0xFFFF),
        )

    def segment(self, index: int, source: Endpoint, target: Endpoint) -> Segment:
        """One segment, which runs between these ends."""
        if index in self.odd:
            return self.odd[index]
        told = [column.item(index) for column in (self.pos, self.ts, *self.segments[-8:])]
        pos, ts, seq, ack, flags, window, at, captured, size, ident = told
        data = self.batch.data[at : at + captured].tobytes()
        return Segment(pos, ts, source, target, seq, ack, flags, window, data, size, ident)


def decode(batch: Batch, notes: Notes) -> Traffic:
    """The TCP segments of a batch; what is malformed is counted in `notes`."""
    table, count, asked = np.empty((len(Segments._fields), batch.at.size), np.int64), 0, list[int]()
    for begin in range(0, batch.at.size, _CHUNK):
        rows = slice(begin, begin + _CHUNK)
        found, unsure = _chunk(Batch(batch.data, *(column[rows] for column in batch[1:])))
        for columns in found:
            end = count + len(columns[0])
            for into, column in zip(table, columns, strict=True):
                into[count:end] = column
            table[0, count:end] += begin
            count = end
        asked.extend((unsure + begin).tolist())
    table = table[:, :count]
    told = [(row, segment_of(batch.record(row), notes)) for row in asked]
    odd = [(row, segment) for row, segment in told if segment is not None]
    others = np.array([row for row, segment in told if segment is None], np.int64)
    if odd:
        more = np.array([_columns(row, segment) for row, segment in odd], np.int64).T
        table = np.concatenate((table, more), axis=1)
        table = table[:, np.argsort(table[0], kind="stable")]
    where = np.searchsorted(table[0], [row for row, _ in odd]).tolist()
    alone = dict(zip(where, (segment for _, segment in odd), strict=True))
    rows = table[0]
    return Traffic(batch, Segments(*table), batch.pos[rows], batch.ts[rows], alone, others)


def _key(source: Endpoint, target: Endpoint) -> tuple[int, ...]:
    """What tells the segments from one end to another, as the columns hold it."""
    version = 4 if len(source.ip) == 4 else 6
    return (*_words(source.ip), *_words(target.ip), version << 32 | source.port << 16 | target.port)


def _chunk(batch: Batch) -> tuple[list[Columns], Ints]:
    """The columns of the segments, and the packets that were not decoded."""
    view = np.ndarray(
        (batch.data.size - HEAD_BYTES + 1,), f"V{HEAD_BYTES}", batch.data, strides=(1,)
    )
    heads = view[batch.at].view(np.uint8).reshape(-1, HEAD_BYTES)
    net = network(heads, batch.link, batch.captured)
    tables, unsure = list[Columns](), [np.flatnonzero(net == UNDECIDED)]
    version, places = np.zeros(net.size, np.uint8), different(net[net >= 0])
    for at in places:
        here = net == at
        version[here] = heads[here, at] >> 4
    unsure.append(np.flatnonzero((net >= 0) & (version != 4) & (version != 6)))
    for number in (4, 6):
        of_one = list[Columns]()
        for at in places:
            rows = np.flatnonzero((net == at) & (version == number))
            if rows.size:
                table, left = _tcp(batch, heads, rows, at, number)
                of_one.append(table)
                unsure.append(left)
        tables += [_in_turn(of_one)] if len(of_one) > 1 else of_one
    return tables, np.sort(np.concatenate(unsure))


def _in_turn(tables: list[Columns]) -> Columns:
    """The segments of several tables in the order of their packets: one connection may have been
    captured at several link layers."""
    columns = [np.concatenate(parts) for parts in zip(*tables, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


def _tcp(batch: Batch, heads: Heads, rows: Ints, at: int, version: int) -> tuple[Columns, Ints]:
    """The same for the packets `rows`, whose IP headers of one version start at `at`."""
    layout, length = _IP[version]
    kind = _type(at, layout, length)
    if rows.size < len(heads):
        heads = heads[rows]
    field = heads.reshape(-1).view(kind)
    captured, protocol = batch.captured[rows], field["protocol"]
    is_tcp = protocol == TCP
    plain = is_tcp & (captured >= at + length + _TCP_BYTES)
    silent = np.zeros(rows.size, bool)
    if not is_tcp.all():
        silent = np.isin(protocol, _SILENT)
        udp = np.flatnonzero(protocol == UDP)
        silent[udp] = ~np.isin(field["dport"][udp], TUNNEL_PORTS)
        silent &= captured >= at + length
    if version == 4:
        usual = (field["first"] == _NO_OPTIONS) & (field["fragment"] & _FRAGMENT == 0)
        plain &= usual
        silent &= usual
    sent = field["length"].astype(np.int64)
    begin = at + length + (field["offset"] >> 4) * 4
    end = np.where(sent > 0, at + sent + (0 if version == 4 else length), batch.size[rows])
    plain &= (field["offset"] >= _LEAST_OFFSET) & (begin <= end)
    ports = version << 32 | field["sport"].astype(np.int64) << 16 | field["dport"]
    nothing = np.zeros(rows.size, np.uint8)
    columns: Columns = [
        rows,
        _signed(field["source_high"]) if version == 6 else nothing,
        _signed(field["source"]),
        _signed(field["target_high"]) if version == 6 else nothing,
        _signed(field["target"]),
        ports,
        field["seq"],
        field["ack"],
        field["flags"],
        field["window"],
        batch.at[rows] + begin,
        np.maximum(np.minimum(captured, end) - begin, 0),
        end - begin,
        field["ident"] if version == 4 else nothing,
    ]
    if plain.all():
        return columns, rows[:0]
    return [column[plain] for column in columns], rows[~(plain | silent)]


def _signed(words: NDArray[np.unsignedinteger]) -> Ints:
    return words.astype(np.int64)


@cache
def _type(at: int, layout: Layout, length: int) -> np.dtype[np.void]:
    """IP and TCP headers whose first byte stands at `at`, as a type of `HEAD_BYTES`."""
    fields = [(name, kind, at + place) for name, kind, place in layout]
    fields += [(name, kind, at + length + place) for name, kind, place in _TCP]
    names, kinds, offsets = zip(*fields, strict=True)
    return np.dtype({"names": names, "formats": kinds, "offsets": offsets, "itemsize": HEAD_BYTES})


def _columns(row: int, segment: Segment) -> tuple[int, ...]:
    """One segment that was decoded by itself."""
    sent = (segment.seq, segment.ack, segment.flags, segment.window)
    return (row, *_key(segment.src, segment.dst), *sent, 0, 0, segment.size, segment.ident)


def address(high: int, low: int, size: int) -> bytes:
    """The address of `size` bytes that two words hold."""
    return ((int(high) & _WORD) << 64 | int(low) & _WORD).to_bytes(16)[-size:]


def _words(ip: bytes) -> tuple[int, int]:
    """An address as two signed words, as the columns hold it."""
    padded = ip.rjust(16, b"\0")
    return (
        int.from_bytes(padded[:8], signed=True),
        int.from_bytes(padded[8:], signed=True),
    )
