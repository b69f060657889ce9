"""Rotated logs: `app.log.2`, `app.log.1` and `app.log` are one log, written one after the other.
So are `app-01.log` and `app-02.log` where connections of the one go on in the other.

All are judged as the one source that they are, whose places go on from file to file: a ping may
stand in one of them and its pong in the next. What is shown of an event is its own file and place.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any

import polars as pl

from wsdiag.event import BEGIN, NAMELESS, ORDER

Spans = Mapping[str, tuple[datetime | None, datetime | None]]
"""The first and the last time of each file's events."""

_PACKED = r"(?:\.(?:gz|zst|xz|bz2))?"
_AGE = r"\.(?P<age>\d{1,3})"
_DAY = r"[._-](?P<day>\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{2,6})?)"
_SUFFIX = r"(?P<suffix>\.(?:log|txt|out|err|jsonl?|ndjson))?"
_ROTATED = re.compile(f"(?P<log>.+?)(?:{_AGE}|{_DAY}{_SUFFIX})?{_PACKED}")
_PIECE = re.compile(r"(?P<log>.*?)(?P<piece>\d+|(?<=[._x-])[a-z]{2,3})(?P<suffix>\D*?)" + _PACKED)

_SHORT = 4
"""An id of fewer characters may be another connection's in another file."""


def found(spans: Spans, events: pl.LazyFrame) -> list[list[str]]:
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


class Logs:
    """Which files are one log, named as its last file, and where each of them begins in it.

    `whole` has the log's name for each of its files.
    """

    def __init__(self, files: Sequence[Sequence[str]], events: pl.LazyFrame) -> None:
        """`files` as `found` gives them; `events` are those of the files."""
        self._files = {members[-1]: members for members in files}
        self.whole = {name: log for log, members in self._files.items() for name in members}
        ends = _ends(events) if files else {}
        self._starts = {
            log: list(accumulate((ends.get(name, 0) for name in members[:-1]), initial=0))
            for log, members in self._files.items()
        }

    def as_one(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """The events with each rotated log as one source."""
        if not self._files:
            return events
        starts = {
            name: start
            for log, members in self._files.items()
            for name, start in zip(members, self._starts[log], strict=True)
        }
        source = pl.col("source")
        return events.with_columns(
            source=source.replace(self.whole),
            pos=pl.col("pos") + source.replace_strict(starts, default=0, return_dtype=pl.Int64),
        )

    def as_files(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """The events of `as_one` back under their files, in the total order."""
        if not self._files:
            return events
        source, pos = pl.col("source"), pl.col("pos")
        names = events.collect_schema()["source"]
        whose, place = source, pos
        for log, members in self._files.items():
            starts = pl.lit(pl.Series(self._starts[log], dtype=pl.Int64))
            file = starts.search_sorted(pos, side="left") - 1
            own = pl.lit(pl.Series(members, dtype=names)).gather(file)
            here = source == log
            whose = pl.when(here).then(own).otherwise(whose)
            place = pl.when(here).then(pos - starts.gather(file)).otherwise(place)
        filed = events.with_columns(source=whose, pos=place)
        return filed.sort(*ORDER, nulls_last=True, maintain_order=True)

    def pointing_to_files(self, told: pl.DataFrame, *columns: str) -> pl.DataFrame:
        """Pointers to the events of `as_one` (structs with source and pos, or lists of them) as
        pointers to the files."""
        if not self._files:
            return told
        return told.with_columns(
            pl.Series(name, [self._filed(one) for one in told[name].to_list()], told[name].dtype)
            for name in columns
        )

    def _filed(self, spots: Any) -> Any:
        if isinstance(spots, list):
            return [self._filed(spot) for spot in spots]
        if spots is None or spots["source"] not in self._files:
            return spots
        log, pos = spots["source"], spots["pos"]
        # The last file that a place fits is its own.
        file = bisect_left(self._starts[log], pos) - 1
        return spots | {"source": self._files[log][file], "pos": pos - self._starts[log][file]}


def _ends(events: pl.LazyFrame) -> dict[str, int]:
    """The last place with an event, by source."""
    last = events.select("source", "pos").group_by("source").agg(pl.col("pos").max())
    return dict(last.collect(engine="in-memory").iter_rows())
