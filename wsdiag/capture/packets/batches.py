"""Capture files in batches: all whole packets, some megabytes at once."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from io import SEEK_END, BufferedIOBase, BytesIO
from typing import NamedTuple

import numpy as np

from wsdiag.capture.packets.batch import SLACK_BYTES, ZERO_BYTES, Batch, batch_of
from wsdiag.capture.packets.blocks import Blocks
from wsdiag.capture.packets.chains import walk
from wsdiag.capture.packets.classic import Classic
from wsdiag.capture.packets.records import CUT_SHORT, PCAP_HEAD_BYTES, Notes, kind, pcap_head

BATCH_BYTES = 32 * 1024**2
"""So much of a file is looked at together."""

FEW_BYTES = 8 * 1024**2
"""The same where little is made of it."""


class Place(NamedTuple):
    """Where the bytes of a batch begin in a file, and the layout as it was before them."""

    begin: int
    layout: Classic | Blocks


def batches(
    stream: BufferedIOBase, notes: Notes, batch_bytes: int = BATCH_BYTES
) -> Iterator[Batch]:
    """All whole packets of a capture, with the remarks that `records` makes.

    The stream can seek.
    """
    return (batch for _, batch in placed(stream, notes, batch_bytes))


def placed(
    stream: BufferedIOBase, notes: Notes, batch_bytes: int = BATCH_BYTES
) -> Iterator[tuple[Place, Batch]]:
    """The same, each with its place."""
    head = stream.read(PCAP_HEAD_BYTES)
    found = kind(head)
    if found is None:
        notes.remarks.append("not a capture file")
        return
    layout: Classic | Blocks
    if found == "pcap":
        if len(head) < PCAP_HEAD_BYTES:
            notes.remarks.append(CUT_SHORT.format(0))
        layout = Classic(pcap_head(head))
    else:
        stream.seek(0)
        layout = Blocks()
    for place, batch in _read(stream, layout, notes, batch_bytes):
        if batch.pos.size:
            latest = batch.ts.size - 1 - int(np.argmax(batch.ts[::-1]))
            notes.see(int(batch.pos[latest]), int(batch.ts[latest]))
            yield place, batch
    notes.finish()


def again(stream: BufferedIOBase, place: Place, batch_bytes: int = FEW_BYTES) -> Iterator[Batch]:
    """The packets from a place on."""
    stream.seek(place.begin)
    for _, batch in _read(stream, deepcopy(place.layout), Notes(), batch_bytes):
        if batch.pos.size:
            yield batch


def _read(
    stream: BufferedIOBase, layout: Classic | Blocks, notes: Notes, batch_bytes: int
) -> Iterator[tuple[Place, Batch]]:
    here = stream.tell()
    left = stream.seek(0, SEEK_END) - here
    stream.seek(here)
    # One byte more than is left: the end is seen at once. What is never touched takes no memory.
    room, have = np.zeros(min(batch_bytes, left + 1) + SLACK_BYTES, np.uint8), 0
    while True:
        end = room.size - SLACK_BYTES
        read = stream.readinto(room.data[have:end])
        have += read
        room[have : have + ZERO_BYTES] = 0
        starts, stop = walk(layout.chain(room, have), 0, have)
        here = stream.tell() - have
        if starts.size:
            place = Place(here, deepcopy(layout))
            yield place, layout.batch(room, starts, notes)
        rest = room[stop:have].copy()
        if not read or layout.is_damaged(rest[:16].tobytes()):
            place = Place(here + stop, deepcopy(layout))
            yield place, batch_of([*layout.rest(BytesIO(rest.tobytes()), notes)])
            return
        if not stop and have == end:  # one packet fills it
            room = np.zeros(2 * room.size, np.uint8)
        have = rest.size
        room[:have] = rest
