"""All events in the total order; where there are many, in parts that wait on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import polars as pl

from wsdiag import evidence
from wsdiag.event import ordered

MANY = 2_000_000
"""More events are not held in memory: to judge them from the disk takes longer by half."""

ROWS = 500_000
"""About so many make a part."""

Parts = Sequence[pl.LazyFrame]
"""Plans of events that follow one another in the total order."""


def in_order(events: pl.LazyFrame, count: int) -> Parts:
    """So many events in the total order."""
    several = _by_time(events, count) if count > MANY else [events]
    found = (ordered(part.collect(engine="in-memory")) for part in several)
    return kept((part for part in found if len(part) or count <= MANY), count)


def kept(parts: Iterable[pl.DataFrame], count: int) -> Parts:
    """The parts of so many events; where these are many, each waits on the disk before the next is
    made."""
    return [evidence.keep(part) if count > MANY else part.lazy() for part in parts]


def _by_time(events: pl.LazyFrame, count: int) -> Iterator[pl.LazyFrame]:
    """The events of one stretch of time after the other; those without a time come last."""
    ts = pl.col("ts")
    times = events.select("ts").collect(engine="in-memory")["ts"].drop_nulls().sort()
    some = times.gather_every(max(len(times) * ROWS // count, 1))
    bounds = [None, *some[1:].unique(maintain_order=True), None]
    del times
    for since, until in pairwise(bounds):
        behind = ts >= since if since is not None else ts.is_not_null()
        yield events.filter(behind & (ts < until) if until is not None else behind)
    yield events.filter(ts.is_null())
