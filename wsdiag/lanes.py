"""What a page draws of single connections: their lives as lines of time, and the clocks on which
their abnormal ends agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import polars as pl

from wsdiag.connections import POLITE_CODES, Story, counted
from wsdiag.report import Connection, Histogram, Lane, Marks

MAX_LANES, MAX_MARKS, MAX_BARS = 40, 60, 30
STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200)
MARKS = ("attempt", "open", "message", "ping", "pong", "close", "end", "rejected", "refused")

Named = tuple[str, Collection[str]]
"""The id of a finding, and the sessions that it concerns."""


def lanes(told: Sequence[Connection], events: pl.LazyFrame, found: Sequence[Named]) -> list[Lane]:
    """The first of `told` as lines of time; `found` are findings with the sessions they concern."""
    shown = [one.session for one in told[:MAX_LANES]]
    dated = pl.col("ts").is_not_null() & pl.col("kind").is_in(MARKS)
    told_by = events.select("ts", "source", "pos", "session", "vantage", "kind", "dir")
    about = told_by.filter(pl.col("session").is_in(shown) & dated)
    rows = about.collect(engine="in-memory").sort("ts", "source", "pos")
    since = pl.col("ts").min().over("session")
    marks = (
        rows.with_columns(at_s=((pl.col("ts") - since).dt.total_microseconds() / 1e6).round(3))
        .group_by("session", "vantage", "kind", "dir", maintain_order=True)
        .agg(pl.col("at_s").unique(maintain_order=True).tail(MAX_MARKS))
        .partition_by("session", as_dict=True, include_key=False)
    )
    spans = rows.group_by("session").agg(since=pl.col("ts").min(), until=pl.col("ts").max())
    made = {row.pop("session"): row for row in spans.iter_rows(named=True)}
    return [
        Lane(
            session=session,
            findings=[name for name, concerned in found if session in concerned],
            marks=[Marks(**row) for row in marks[session,].iter_rows(named=True)],
            **made[session],
        )
        for session in shown
        if session in made
    ]


def clocks(story: Story) -> list[Histogram]:
    """On which clocks the abnormal ends agree: a timer shows as one high bar."""
    ends = story.connections.filter(
        pl.col("gone") & (pl.col("frameless") | ~pl.col("code").is_in(POLITE_CODES))
    )
    late = (pl.col("ended") - pl.col("expires")).dt.total_microseconds() / 1e6
    wall = pl.col("ended").dt.epoch("us") / 1e6
    times = counted(ends).select(idle="idle_s", age="age_s", token=late, wall=wall).collect()
    return [
        _histogram(clock, column.drop_nulls())
        for clock in times.columns
        if (column := times[clock]).drop_nulls().len() >= 2
    ]


def _histogram(clock: str, times: pl.Series) -> Histogram:
    low, high = float(times.min()), float(times.max())  # type: ignore[arg-type]  # numbers
    step = next((step for step in STEPS_S if (high - low) / step < MAX_BARS), (high - low) / 30)
    first = round(low / step)
    # A bar stands around a round number: ends at 59.9 s and at 60.1 s are those of one timer.
    counts = Counter(round(time / step) - first for time in times)
    return Histogram(
        clock=clock,
        step_s=step,
        edges_s=[round((first + place - 0.5) * step, 3) for place in range(max(counts) + 1)],
        counts=[counts[place] for place in range(max(counts) + 1)],
    )
