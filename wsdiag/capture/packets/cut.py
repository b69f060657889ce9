"""Some connections of a capture, cut out into a pcapng of their own."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedIOBase
from typing import BinaryIO, NamedTuple

import numpy as np

from wsdiag.capture.packets.batch import Batch
from wsdiag.capture.packets.batches import batches
from wsdiag.capture.packets.headers import Traffic, decode
from wsdiag.capture.packets.records import ENHANCED, INTERFACE, SECRETS, SECTION, TLS_KEYS, Notes
from wsdiag.capture.packets.segments import Endpoint

Lanes = Mapping[tuple[Endpoint, Endpoint], int]
"""A number for each source and target."""


class Cut(NamedTuple):
    """What the packets cut out were: position, time (µs) and lane, each in turn."""

    pos: array[int]
    ts: array[int]
    lane: array[int]


def cut(
    streams: Iterable[BufferedIOBase],
    lanes: Lanes,
    keys: bytes,
    out: BinaryIO,
    last: int | None = None,
) -> Cut:
    """Write the packets of these lanes, up to position `last`, behind a key log. Positions go on
    from one of the files of a capture to the next."""
    out.write(_block(int.from_bytes(SECTION), struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    out.write(_block(SECRETS, struct.pack("<II", TLS_KEYS, len(keys)) + keys))
    ports = [
        (4 if len(source.ip) == 4 else 6) << 32 | source.port << 16 | target.port
        for source, target in lanes
    ]
    links, found = dict[int, int](), Cut(array("q"), array("q"), array("q"))
    for before, batch, traffic in _decoded(streams):
        rows = traffic.segments.row
        if last is not None and before + batch.pos[0] > last:
            break
        for index in np.flatnonzero(np.isin(traffic.segments.ports, ports)).tolist():
            lane = lanes.get(traffic.ends(index))
            if lane is None:
                continue
            record = batch.record(int(rows[index]))
            if record.link not in links:
                links[record.link] = len(links)
                out.write(_block(INTERFACE, struct.pack("<HHI", record.link, 0, 0)))
            ts = max(record.ts, 0)
            head = (links[record.link], ts >> 32, ts & 0xFFFFFFFF, len(record.data), record.size)
            out.write(_block(ENHANCED, struct.pack("<IIIII", *head) + record.data))
            for column, value in zip(found, (before + record.pos, record.ts, lane), strict=True):
                column.append(value)
    return found


def _decoded(streams: Iterable[BufferedIOBase]) -> Iterator[tuple[int, Batch, Traffic]]:
    """The packets of each file in batches, with how many were in the files before."""
    before = 0
    for stream in streams:
        notes, here = Notes(), 0
        for batch in batches(stream, notes):
            yield before, batch, decode(batch, notes)
            here = int(batch.pos[-1])
        before += here


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
