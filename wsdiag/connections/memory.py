"""What a connection or a subscription costs in memory, from samples that a log states.

A straight line through the samples: its slope is the cost, its r² says how much of the memory that
explains. Memory that follows the live connections is their price; memory that follows the
connections ever made, and not the live ones, is left behind by each.
"""

from __future__ import annotations

import polars as pl

SAMPLES, RANGE = 5, 5
"""So many samples over so many different counts make a line."""

FITS = 0.8
"""The r² from which a slope is told."""

LEAKS, HARDLY = 0.9, 0.5
"""r² of a leak against the connections ever made, and at most against the live ones."""

DOUBLED, GREW_BYTES, STAYED = 2.0, 50_000_000, 0.9
"""Memory grew where it at least doubled by so much, and was still near its highest at the end."""


def cost(events: pl.LazyFrame, connections: pl.LazyFrame) -> pl.LazyFrame:
    """One row: `samples`, and in bytes, null where the samples do not show it, `per_connection`
    (live), `per_connect` (ever made: what each leaves behind) and `per_subscription` (live).

    From `memory` events (bytes, ts), `subscribe` and `unsubscribe` events and the connection table.
    Samples of several sources are not mixed: those of the source with most are taken.
    """
    opened = connections.filter("was_open")
    samples = _samples(events)
    counted = {
        "made": opened.select(ts="opened"),
        "ended": opened.select(ts=pl.coalesce("ended", "closed")),
        "joined": events.filter(pl.col("kind") == "subscribe").select("ts"),
        "left": events.filter(pl.col("kind") == "unsubscribe").select("ts"),
    }
    for name, moments in counted.items():
        running = (
            moments.drop_nulls().sort("ts").with_columns(pl.int_range(1, pl.len() + 1).alias(name))
        )
        samples = samples.join_asof(running, on="ts").with_columns(pl.col(name).fill_null(0))
    live = pl.col("made") - pl.col("ended")
    leaks = (_fit(pl.col("made")) >= LEAKS) & (_fit(live) <= HARDLY) & (_slope(pl.col("made")) > 0)
    return samples.select(
        samples=pl.len().cast(pl.Int64),
        per_connection=pl.when((_fit(live) >= FITS) & ~leaks).then(_slope(live)),
        per_connect=pl.when(leaks).then(_slope(pl.col("made"))),
        per_subscription=_told(pl.col("joined") - pl.col("left")),
    )


def grew(events: pl.LazyFrame, span: pl.LazyFrame) -> pl.LazyFrame:
    """One row: whether the memory that a log states `grew` within a span (`since`, `until`)."""
    size = pl.col("size")
    return (
        _samples(events)
        .join(span, how="cross")
        .filter(pl.col("ts").is_between(pl.col("since"), pl.col("until")))
        .select(
            grew=(pl.len() >= SAMPLES)
            & (size.last() >= DOUBLED * size.first()).fill_null(False)
            & (size.last() - size.first() >= GREW_BYTES).fill_null(False)
            & (size.last() >= STAYED * size.max()).fill_null(False)
        )
    )


def _samples(events: pl.LazyFrame) -> pl.LazyFrame:
    """The `size` at each `ts`, of the source with most samples."""
    stated = (pl.col("kind") == "memory") & pl.col("bytes").is_not_null()
    return (
        events.filter(stated & pl.col("ts").is_not_null())
        .filter(pl.col("source") == pl.col("source").mode().sort().first())
        .sort("ts")
        .select("ts", size=pl.col("bytes").cast(pl.Float64))
    )


def _told(count: pl.Expr) -> pl.Expr:
    return pl.when(_fit(count) >= FITS).then(_slope(count))


def _fit(count: pl.Expr) -> pl.Expr:
    """r² of the line of `size` over a count; 0 where there is too little to see."""
    enough = (pl.len() >= SAMPLES) & (count.max() - count.min() >= RANGE)
    fit = pl.corr(count.cast(pl.Float64), "size") ** 2
    return pl.when(enough & fit.is_not_nan()).then(fit).otherwise(0.0)


def _slope(count: pl.Expr) -> pl.Expr:
    return pl.cov(count.cast(pl.Float64), "size") / count.cast(pl.Float64).var()
