"""Rotated logs: `app.log.2`, `app.log.1` and `app.log` are one log, written one after the other.

While connections are looked for, the files of such a log are one source, whose places go on from
file to file; then every event gets its own file and place again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

import polars as pl

_ROTATED = re.compile(
    r"(?P<log>.+?)(?:\.(?P<age>\d{1,3})|[.-](?P<day>\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{2,6})?))?"
    r"(?P<packed>\.(?:gz|zst|xz|bz2))?"
)


def logs(ends: Mapping[str, datetime | None]) -> list[list[str]]:
    """The files of each rotated log, the oldest first. `ends`: a file's last time.

    Files of which an older one goes on for longer are not one log, whatever their names.
    """
    families: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for name in ends:
        if found := _ROTATED.fullmatch(name):
            age = int(found["age"] or 0)
            families[found["log"]].append((-age, found["day"] or "~", name))
    members = [[name for *_, name in sorted(family)] for family in families.values()]
    return [files for files in members if len(files) > 1 and _follow(files, ends)]


def _follow(files: Sequence[str], ends: Mapping[str, datetime | None]) -> bool:
    told = [end for end in map(ends.get, files) if end]
    return told == sorted(told)


def as_one(
    events: pl.LazyFrame, rotated: Sequence[Sequence[str]], read: Mapping[str, int]
) -> pl.LazyFrame:
    """The events with each rotated log as one source, named as its newest file; `read` has the
    `lengths` of the files."""
    if not rotated:
        return events
    source, pos = pl.col("source"), pl.col("pos")
    whose, place = source, pos
    for files in rotated:
        for name, start in zip(files, _starts(files, read), strict=True):
            here = source == name
            whose = pl.when(here).then(_named(events, files[-1])).otherwise(whose)
            place = pl.when(here).then(pos + start).otherwise(place)
    return events.with_columns(source=whose, pos=place)


def as_files(
    events: pl.LazyFrame, rotated: Sequence[Sequence[str]], read: Mapping[str, int]
) -> pl.LazyFrame:
    """The events of `as_one` back under their files."""
    if not rotated:
        return events
    source, pos = pl.col("source"), pl.col("pos")
    whose, place = source, pos
    for files in rotated:
        for name, start in zip(files, _starts(files, read), strict=True):
            here = (source == files[-1]) & (pos > start)  # the last file that it fits is its own
            whose = pl.when(here).then(_named(events, name)).otherwise(whose)
            place = pl.when(here).then(pos - start).otherwise(place)
    return events.with_columns(source=whose, pos=place)


def lengths(events: pl.LazyFrame) -> dict[str, int]:
    """The last place with an event, by source."""
    last = events.select("source", "pos").group_by("source").agg(pl.col("pos").max())
    return dict(last.collect(engine="in-memory").iter_rows())


def _starts(files: Sequence[str], lengths: Mapping[str, int]) -> Iterator[int]:
    """Where each file begins when they are one."""
    return accumulate((lengths.get(name, 0) for name in files[:-1]), initial=0)


def _named(events: pl.LazyFrame, name: str) -> pl.Expr:
    return pl.lit(name, dtype=events.collect_schema()["source"])
