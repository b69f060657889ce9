"""The lines of a file in blocks of bounded size, each a column, whatever bytes the file holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

from wsdiag import progress

BLOCK_BYTES = 8 << 20
"""Read at once: enough for columns to be fast, little beside what their rows take."""

FEW_BYTES = 64 << 10
"""Fewer are parted sooner by Python."""

MAX_LINE_BYTES = 1 << 20
"""A longer line is cut there, and counted as unread."""


class Block(NamedTuple):
    """Consecutive lines without their ends; null is a line that holds NUL bytes.

    `first` is the place of the first, from 1. `plain`: every line is printable ASCII. `cut` are the
    lines, counted from 0, of which only the beginning was kept.
    """

    first: int
    lines: pl.Series
    plain: bool
    cut: frozenset[int] = frozenset()


_PLAIN = bytes(range(ord(" "), ord("~") + 1)) + b"\n\r\t"


def blocks(path: Path, notes: Counter[str]) -> Iterator[Block]:
    """Every line of a file; `notes` counts those that are cut, binary or not UTF-8."""
    place, far = 1, progress.current()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            block = _block(place, chunk, notes)
            yield block
            place += len(block.lines)
            if not far.goes_on(file.tell()):
                return


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, many at once, without the end of the last; of a line too long to keep as much
    as tells that it is."""
    rest = b""
    while data := file.read(BLOCK_BYTES):
        end = data.rfind(b"\n")
        if end >= 0:
            yield b"".join((rest, memoryview(data)[:end]))
            rest = data[end + 1 :]
        else:
            rest = (rest + data)[: MAX_LINE_BYTES + 2]
    if rest:
        yield rest


def _block(first: int, body: bytes, notes: Counter[str]) -> Block:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        if len(body) < FEW_BYTES:
            lines = pl.Series(text.split("\n"))
        else:
            lines = pl.Series([text]).str.split("\n").explode()
        if lines.str.len_bytes().max() <= MAX_LINE_BYTES:  # type: ignore[operator]
            if "\r" in text:
                lines = lines.str.strip_chars_end("\r")
            return Block(first, lines, text.isascii() and _is_printable(body))
    raws = body.split(b"\n")
    cut = frozenset(n for n, raw in enumerate(raws) if len(raw) > MAX_LINE_BYTES)
    notes["cut"] += len(cut)
    return Block(first, pl.Series([_line(raw, notes) for raw in raws], dtype=pl.String), False, cut)


def _is_printable(body: bytes) -> bool:
    """True where nothing but what ends lines and tabulators is between the printed characters."""
    return not body.translate(None, _PLAIN)


def _line(raw: bytes, notes: Counter[str]) -> str | None:
    """One line of a chunk that holds something odd."""
    raw = raw[:MAX_LINE_BYTES]
    try:
        line = raw.decode()
    except UnicodeDecodeError:
        line = raw.decode("utf-8", "replace")
        notes["not UTF-8"] += 1
    if "\0" in line:
        notes["binary"] += 1
        return None
    return line.rstrip("\r")
