"""Capture files in batches: all whole packets, some megabytes at once."""

from __future__ import annotations

from collections.abc import Iterator
from io import SEEK_END, BufferedIOBase, BytesIO

import numpy as np

from wsdiag.capture.batch import SLACK_BYTES, ZERO_BYTES, Batch, batch_of
from wsdiag.capture.blocks import Blocks
from wsdiag.capture.chains import walk
from wsdiag.capture.classic import Classic
from wsdiag.capture.records import CUT_SHORT, PCAP_HEAD_BYTES, Notes, kind, pcap_head

BATCH_BYTES = 32 * 1024**2
"""So much of a file is looked at together."""

FEW_BYTES = 8 * 1024**2
"""The same where little is made of it."""


def batches(
    stream: BufferedIOBase, notes: Notes, batch_bytes: int = BATCH_BYTES
) -> Iterator[Batch]:
    """All whole packets of a capture, with the remarks that `records` makes.

    The stream can seek.
    """
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
    for batch in _read(stream, layout, notes, batch_bytes):
        if batch.pos.size:
            latest = batch.ts.size - 1 - int(np.argmax(batch.ts[::-1]))
            notes.see(int(batch.pos[latest]), int(batch.ts[latest]))
            yield batch
    notes.finish()


def _read(
    stream: BufferedIOBase, layout: Classic | Blocks, notes: Notes, batch_bytes: int
) -> Iterator[Batch]:
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
        if starts.size:
            yield layout.batch(room, starts, notes)
        rest = room[stop:have].copy()
        if not read or layout.is_damaged(rest[:16].tobytes()):
            yield batch_of([*layout.rest(BytesIO(rest.tobytes()), notes)])
            return
        if not stop and have == end:  # one packet fills it
            room = np.zeros(2 * room.size, np.uint8)
        have = rest.size
        room[:have] = rest
