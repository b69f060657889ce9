"""The lines of a file in blocks of bounded size, each a column, whatever bytes the file holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

BLOCK_BYTES = 8 << 20
"""Read at once: enough for columns to be fast, little beside what their rows take."""

MAX_LINE_BYTES = 1 << 20
"""A longer line is cut there, and counted as unread."""


class Block(NamedTuple):
    """Consecutive lines without their ends; null is a line that holds NUL bytes.

    `first` is the place of the first, from 1. `plain`: every line is printable ASCII.
    """

    first: int
    lines: pl.Series
    plain: bool


_UNPRINTABLE = bytes({*range(32), 127} - set(b"\t\n\r"))


def blocks(path: Path, notes: Counter[str]) -> Iterator[Block]:
    """Every line of a file; `notes` counts those that are cut, binary or not UTF-8."""
    place = 1
    with path.open("rb") as file:
        for chunk in _chunks(file):
            lines = _column(chunk, notes)
            clean = chunk.isascii() and len(chunk.translate(None, _UNPRINTABLE)) == len(chunk)
            yield Block(place, lines, clean)
            place += len(lines)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, many at once; of a line too long to keep as much as tells that it is."""
    rest = b""
    while data := file.read(BLOCK_BYTES):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest = (rest + data)[: MAX_LINE_BYTES + 2]
    if rest:
        yield rest


def _column(chunk: bytes, notes: Counter[str]) -> pl.Series:
    body = chunk.removesuffix(b"\n")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        lines = pl.Series([text]).str.split("\n").explode()
        if lines.str.len_bytes().max() <= MAX_LINE_BYTES:  # type: ignore[operator]
            return lines.str.strip_chars_end("\r") if "\r" in text else lines
    return pl.Series([_line(raw, notes) for raw in body.split(b"\n")], dtype=pl.String)


def _line(raw: bytes, notes: Counter[str]) -> str | None:
    """One line of a chunk that holds something odd."""
    raw = raw.removesuffix(b"\r")
    if len(raw) > MAX_LINE_BYTES:
        notes["cut"] += 1
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
