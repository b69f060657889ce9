"""Check a log format by its own samples: each must give exactly the events it promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from wsdiag.event import narrow
from wsdiag.sources.context import speakers
from wsdiag.sources.context.only_if import WHILE_READ, borne_out
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.formats.document import FormatError, Sample
from wsdiag.sources.formats.line_format import Format, load
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line_by_line.log_reader import LogReader

_CHANGED = datetime(2026, 11, 23, tzinfo=UTC)
"""Samples without a year or a date are taken as of this day."""


def checked(path: Path) -> Format:
    """Load a format file and try its samples. Raises `FormatError` naming file, line and field."""
    made = load(path)
    for problem in failures(made):
        raise FormatError(f"{path.name}: {problem}")
    return made


def failures(made: Format) -> Iterator[str]:
    """One sentence for each sample that does not give what it promises."""
    starts = [n for n, line in enumerate(made.text.splitlines(), 1) if line == "[[sample]]"]
    for number, sample in enumerate(made.document.sample):
        place = f"line {starts[number]}" if number < len(starts) else f"sample {number + 1}"
        problem = _disagreement(sample, read_sample(made, sample))
        if problem:
            yield f"{place}: {problem}"


class Trial(NamedTuple):
    """What one format made of a log: `near` are the lines that its gate let in, but no more."""

    lines: int
    read: int
    rows: list[Row]
    near: list[tuple[int, str]]


def tried(made: Format, lines: Iterable[str]) -> Trial:
    """Read a log by one format, and only by it."""
    reader = LogReader(Clock("UTC", datetime.now(UTC), None), [made])
    rows: list[Row] = []
    near: list[tuple[int, str]] = []
    pos = 0
    for pos, line in enumerate(lines, 1):
        before = reader.seen[made.id]
        reader.line(line, pos)
        if reader.seen[made.id] > before:
            rows += reader.rows
        elif made.wants(line):
            near.append((pos, line))
        reader.rows = []
    return Trial(pos, reader.seen[made.id], rows, near)


def read_sample(made: Format, sample: Sample) -> list[Row]:
    """The rows that the format alone makes of a sample's lines."""
    reader = LogReader(Clock("UTC", _CHANGED, None), [made])
    for pos, line in enumerate(sample.lines or [sample.line], 1):
        reader.line(line, pos)
    reader.end()
    rows = [pl.DataFrame(schema=WHILE_READ), narrow(reader.rows, WHILE_READ)]
    told = speakers.named(pl.concat(rows, how="diagonal").lazy())
    return borne_out(told).collect().to_dicts()


def _disagreement(sample: Sample, rows: list[Row]) -> str:
    if len(rows) != len(sample.events):
        kinds = ", ".join(str(row["kind"]) for row in rows) or "nothing"
        return f"events: {len(sample.events)} expected, the line gives {kinds}"
    for number, (expected, row) in enumerate(zip(sample.events, rows, strict=True), 1):
        for column, value in expected.items():
            got = row.get(column)
            shown = got.isoformat(timespec="auto") if isinstance(got, datetime) else got
            if column == "ts" and isinstance(got, datetime):
                if datetime.fromisoformat(str(value)) != got:
                    return f"event {number}: {column}: {value} expected, got {shown}"
            elif got != value:
                return f"event {number}: {column}: {value!r} expected, got {shown!r}"
    return ""
