"""Connections after whose end another opened from the same place; nobody says who it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import polars as pl

from wsdiag.connections.counting import counted

_WHERE = ("host", "path")


def replaced(connections: pl.LazyFrame, within: timedelta) -> pl.LazyFrame:
    """The ends of unknown clients' connections, each with the one that opened in its place from the
    same address on the same path: each that opens stands for one that had ended.

    Columns: session, replaced_s, and usual_s: how long it is from one that opens there to the next
    on average. Where connections open all the time, one that comes soon tells nothing.
    """
    unknown = pl.col("client").is_null() & pl.col("peer").is_not_null()
    lives = counted(connections.filter(unknown & pl.col("opened").is_not_null())).select(
        "session", "path", "opened", "ended", host=pl.col("peer").str.replace(r":\d+$", "")
    )
    span = pl.col("opened").max() - pl.col("opened").min()
    usual = lives.group_by(*_WHERE).agg(usual_s=span.dt.total_microseconds() / 1e6 / pl.len())
    turns = pl.concat(
        [
            lives.select(*_WHERE, pl.lit(None, pl.String).alias("session"), at="opened"),
            lives.filter(pl.col("ended").is_not_null()).select(*_WHERE, "session", at="ended"),
        ]
    )
    schema = {"session": pl.String, "replaced_s": pl.Float64, "usual_s": pl.Float64}
    # At one instant the end comes first.
    return (
        turns.join(usual, on=_WHERE, nulls_equal=True)
        .sort(*_WHERE, "at", "session", nulls_last=True)
        .select(pl.struct(*_WHERE).rank("dense").alias("place"), "session", "at", "usual_s")
        .map_batches(
            lambda rows: pl.DataFrame(
                list(_matched(rows.iter_rows(), within)), schema, orient="row"
            ),
            schema=schema,
        )
    )


def _matched(
    turns: Iterable[tuple[int, str | None, datetime, float]], within: timedelta
) -> Iterator[tuple[str, float, float]]:
    """The ends that an open follows soon enough, of each place in the order of time."""
    waiting, here = deque[tuple[str, datetime]](), 0
    for place, ended, at, usual_s in turns:
        if place != here:
            waiting.clear()
            here = place
        if ended is not None:
            waiting.append((ended, at))
            continue
        while waiting and at - waiting[0][1] > within:
            waiting.popleft()
        if waiting:
            session, since = waiting.popleft()
            yield session, (at - since).total_seconds(), usual_s
