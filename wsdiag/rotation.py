"""Rotated logs: `app.log.2`, `app.log.1` and `app.log` are one log, written one after the other.
So are `app-01.log` and `app-02.log` where connections of the one go on in the other.

While connections are looked for, the files of such a log are one source, whose places go on from
file to file; then every event gets its own file and place again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, pairwise

import polars as pl

from wsdiag.event import BEGIN, NAMELESS

Spans = Mapping[str, tuple[datetime | None, datetime | None]]
"""The first and the last time of each file's events."""

_PACKED = r"(?:\.(?:gz|zst|xz|bz2))?"
_ROTATED = re.compile(
    r"(?P<log>.+?)(?:\.(?P<age>\d{1,3})"
    r"|[._-](?P<day>\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{2,6})?)(?P<suffix>\.[a-z]{2,6})?)?" + _PACKED
)
_PIECE = re.compile(r"(?P<log>.*?)(?P<piece>\d+|(?<=[._x-])[a-z]{2,3})(?P<suffix>\D*?)" + _PACKED)

_SHORT = 4
"""An id of fewer characters may be another connection's in another file."""


def logs(spans: Spans, events: pl.LazyFrame) -> list[list[str]]:
    """The files of each rotated log, the oldest first.

    Files of which an older one goes on for longer are not one log, whatever their names.
    """
    aged = [files for files in _aged(spans) if _in_turn([spans[name][1:] for name in files])]
    known = {name for files in aged for name in files}
    pieces = [files for files in _pieces(spans) if known.isdisjoint(files)]
    return aged + _going_on(pieces, events)


def _aged(spans: Spans) -> list[list[str]]:
    """Files with the age or the day in their names, as programs and logrotate name them."""
    families: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for name in spans:
        if found := _ROTATED.fullmatch(name):
            log, age = found["log"] + (found["suffix"] or ""), int(found["age"] or 0)
            families[log].append((-age, found["day"] or "~", name))
    return [[name for *_, name in sorted(family)] for family in families.values() if family[1:]]


def _pieces(spans: Spans) -> list[list[str]]:
    """Files whose names differ by a number only, or by the letters that `split` gives, and whose
    times follow one another as these do."""
    families: dict[tuple[str, str], list[tuple[int, str, str]]] = defaultdict(list)
    for name in spans:
        if found := _PIECE.fullmatch(name):
            piece = found["piece"]
            order = (int(piece), "") if piece.isdecimal() else (0, piece)
            families[found["log"], found["suffix"]].append((*order, name))
    logs = []
    for family in families.values():
        files = [name for *_, name in sorted(family)]
        orders = (files, files[::-1]) if len(files) > 1 else ()
        logs.extend([it for it in orders if _in_turn([spans[name] for name in it])][:1])
    return logs


def _in_turn(spans: Sequence[tuple[datetime | None, ...]]) -> bool:
    """Whether none begins before the one in front of it ended, as far as their times are known."""
    told = [moment for span in spans for moment in span if moment]
    return told == sorted(told)


def _going_on(logs: Sequence[list[str]], events: pl.LazyFrame) -> list[list[str]]:
    """Those logs of which a file tells more of a connection, by its id, that began in the file
    before it. Several servers' logs, one stopped before the next began, have none."""
    follows = {later: earlier for files in logs for earlier, later in pairwise(files)}
    if not follows:
        return []
    source, conn = pl.col("source").cast(pl.String), pl.col("conn")
    named = conn.str.len_bytes() >= _SHORT
    for start in NAMELESS:
        named &= ~conn.str.starts_with(start)
    seen = (
        events.filter(source.is_in(sorted({*follows, *follows.values()})) & named)
        .group_by(source=source, conn=conn)
        .agg(begins=pl.col("kind").get(pl.col("pos").arg_min()).is_in(BEGIN))
        .collect(engine="in-memory")
    )
    going = seen.filter(~pl.col("begins")).with_columns(
        source=pl.col("source").replace_strict(follows, default=None, return_dtype=pl.String)
    )
    told = set(going.join(seen, on=["source", "conn"], how="semi")["source"])
    return [files for files in logs if not told.isdisjoint(files)]


def as_one(
    events: pl.LazyFrame, rotated: Sequence[Sequence[str]], read: Mapping[str, int]
) -> pl.LazyFrame:
    """The events with each rotated log as one source, named as its last file; `read` has the
    `lengths` of the files."""
    if not rotated:
        return events
    source = pl.col("source")
    whole = {name: files[-1] for files in rotated for name in files}
    starts = {
        name: start
        for files in rotated
        for name, start in zip(files, _starts(files, read), strict=True)
    }
    return events.with_columns(
        source=source.replace(whole),
        pos=pl.col("pos") + source.replace_strict(starts, default=0, return_dtype=pl.Int64),
    )


def as_files(
    events: pl.LazyFrame, rotated: Sequence[Sequence[str]], read: Mapping[str, int]
) -> pl.LazyFrame:
    """The events of `as_one` back under their files."""
    if not rotated:
        return events
    source, pos = pl.col("source"), pl.col("pos")
    names = events.collect_schema()["source"]
    whose, place = source, pos
    for files in rotated:
        starts = pl.Series(_starts(files, read), dtype=pl.Int64)
        # The last file that a place fits is its own.
        file = pl.lit(starts).search_sorted(pos, side="left") - 1
        here = source == files[-1]
        whose = (
            pl.when(here).then(pl.lit(pl.Series(files, dtype=names)).gather(file)).otherwise(whose)
        )
        place = pl.when(here).then(pos - pl.lit(starts).gather(file)).otherwise(place)
    return events.with_columns(source=whose, pos=place)


def lengths(events: pl.LazyFrame) -> dict[str, int]:
    """The last place with an event, by source."""
    last = events.select("source", "pos").group_by("source").agg(pl.col("pos").max())
    return dict(last.collect(engine="in-memory").iter_rows())


def _starts(files: Sequence[str], lengths: Mapping[str, int]) -> Iterator[int]:
    """Where each file begins when they are one."""
    return accumulate((lengths.get(name, 0) for name in files[:-1]), initial=0)
