"""One input, and what a source made of it."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import polars as pl

from wsdiag.report import Lines

HEAD_BYTES = 65_536
"""What a source sees of an input when it is asked whether it can read it."""

_PIECE = 1024 * 1024


class InputFile(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """One input, unpacked: `name` is what pointers cite, `path` the plain bytes on this disk.

    `sha256` and `bytes` are of the file as it was given, still packed.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    remarks: tuple[str, ...] = ()

    def head(self) -> builtins.bytes:
        """The first `HEAD_BYTES`."""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a source made of one input.

    `events` is an EVENT frame, or the plan of one that waits on the disk, `unread_lines` counts
    lines or records that could not be decoded, `resolution_ms` is the coarsest step of its
    timestamps, `redactions` counts by rule, `stacks` names the programs that wrote it (nginx,
    uvicorn, …) where the text tells, `doubtful` the close codes that these are known to write
    without having got them, `lines` accounts for the lines of a log, `zoneless` that its times
    carry no zone.
    """

    format: str
    vantage: str | None
    events: pl.DataFrame | pl.LazyFrame
    unread_lines: int = 0
    resolution_ms: float = 1.0
    remarks: tuple[str, ...] = ()
    redactions: dict[str, int] = {}
    stacks: frozenset[str] = frozenset()
    doubtful: frozenset[int] = frozenset()
    lines: Lines | None = None
    zoneless: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs, and one sentence for each path that could not be used."""

    inputs: list[InputFile]
    problems: list[str]


def lines(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions` (from 1) and `context` lines around each. Raw: redact them.

    Of a line longer than 1 MiB the first part.
    """
    wanted = {p + d for p in positions for d in range(-context, context + 1) if p + d > 0}
    found: dict[int, str] = {}
    here = 1
    with item.path.open("rb") as file:
        for number in sorted(wanted):
            _pass_ends(file, number - here)
            line = file.readline(_PIECE)
            if not line:
                break
            found[number] = line.decode("utf-8", "replace").rstrip("\r\n")
            here = number + line.endswith(b"\n")  # the rest of a huge line is passed over
    return found


def _pass_ends(file: BinaryIO, count: int) -> None:
    """Go on behind so many ends of lines, or to the end of the file."""
    while count and (piece := file.read(_PIECE)):
        ends = piece.count(b"\n")
        if ends < count:
            count -= ends
            continue
        place = -1
        for _ in range(count):
            place = piece.find(b"\n", place + 1)
        file.seek(place + 1 - len(piece), os.SEEK_CUR)
        return
