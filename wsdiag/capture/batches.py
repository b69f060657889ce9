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

BATCH_BYTES = 64 * 1024**2
"""So much of a file is looked at together."""


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
    # One byte more than is left: the end is seen at once.
    room, have = bytearray(min(batch_bytes, left + 1) + SLACK_BYTES), 0
    while True:
        end = len(room) - SLACK_BYTES
        read = stream.readinto(memoryview(room)[have:end])
        have += read
        room[have : have + ZERO_BYTES] = bytes(ZERO_BYTES)
        data = np.frombuffer(room, np.uint8)
        starts, stop = walk(layout.chain(data, have), 0, have)
        if starts.size:
            yield layout.batch(data, starts, notes)
        rest = bytes(room[stop:have])
        if not read or layout.is_damaged(rest[:16]):
            yield batch_of([*layout.rest(BytesIO(rest), notes)])
            return
        if not stop and have == end:  # one packet fills it
            room = bytearray(2 * len(room))
        room[: len(rest)] = rest
        have = len(rest)
