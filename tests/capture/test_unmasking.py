"""Payloads that are copied and unmasked together, against one after the other."""

from __future__ import annotations

import sys
from random import Random

import numpy as np
import pytest

from wsdiag.capture.packets.batch import SLACK_BYTES
from wsdiag.capture.tcp.order import Chunks
from wsdiag.capture.websocket.deflate import FLUSH
from wsdiag.capture.websocket.framing import Stream
from wsdiag.capture.websocket.protocol import unmask
from wsdiag.capture.websocket.texts import LINE_END
from wsdiag.capture.websocket.unmasking import BLOCK_BYTES, Parts, payloads


@pytest.mark.parametrize("ending", [b"", LINE_END, FLUSH])
@pytest.mark.parametrize("seed", range(4))
def test_payloads_are_those_unmasked_one_by_one(ending: bytes, seed: int) -> None:
    """Every length and place in a word, masked and not, whole and across two chunks."""
    random = Random(seed)
    sizes = [*range(40), *(random.randrange(3_000) for _ in range(60)), BLOCK_BYTES // 9]
    random.shuffle(sizes)
    raw, rows = bytearray(), list[tuple[int, int, int]]()  # mask, place, size
    for size in sizes:
        raw += random.randbytes(random.randrange(1, 12))
        mask = random.choice((0, random.getrandbits(32)))
        rows.append((mask, len(raw), size))
        raw += random.randbytes(size)
    half = len(raw) // 2
    data = np.frombuffer(bytes(raw) + bytes(SLACK_BYTES), np.uint8).copy()
    nothing = np.zeros(2, np.int64)
    pieces = np.array([half, len(raw) - half])
    chunks = Chunks(nothing, nothing, nothing, nothing, np.array([0, half]), pieces)
    masks, places, lengths = np.array(rows).T
    across = (places < half) & (places + lengths > half)
    none = np.zeros(len(rows), np.int64)
    parts = Parts(
        *(none, none, none, none, none, none == 0, none, masks != 0),
        *(lengths, masks, np.where(across, -1, places), places + lengths),
    )
    assert across.any()
    blocks = list(payloads(parts, np.arange(len(rows)), Stream(chunks, data), ending))
    found = [text for block in blocks for text in block.each(ending)]
    key = {mask: mask.to_bytes(4, sys.byteorder) if mask else b"" for mask, _, _ in rows}
    assert found == [
        unmask(raw[place : place + size], key[mask]) + ending for mask, place, size in rows
    ]
    if ending == LINE_END:
        assert all(block.text.endswith((b"\n", b" ")) for block in blocks)


def test_no_payloads_at_all() -> None:
    none = np.zeros(0, np.int64)
    parts = Parts(*(none for _ in Parts._fields))
    stream = Stream(Chunks(*(none for _ in Chunks._fields)), np.zeros(SLACK_BYTES, np.uint8))
    assert list(payloads(parts, none, stream, LINE_END)) == []
