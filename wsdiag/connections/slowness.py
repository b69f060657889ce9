"""The shape of slow messages, which tells why they are slow: a delayed ACK, a grid, a queue.

Each shape is judged on one connection and needs several messages; a single slow one has none.
"""

from __future__ import annotations

import polars as pl

MESSAGES = 5
"""Fewer messages have no shape."""

ACK_MS = ((38.0, 48.0), (195.0, 215.0))
"""Delayed ACKs: 40 ms on Linux (TCP_DELACK_MIN), 200 ms elsewhere (RFC 9293 section 3.8.6.3 allows
up to 500 ms)."""

ACK_SHARE = 0.3

RAMP_RANK, RAMP_TIMES = 0.8, 3.0
"""Latency that rises with time: rank correlation, and the last third over the first."""

GRID_S, GRID_CV, IRREGULAR_CV = (0.02, 1.5), 0.1, 0.3
"""Answers on a grid whose questions are not on one."""

BIG_BYTES = 65_536
"""A message that takes a share of any link."""


def shapes(trips: pl.LazyFrame, exchanges: pl.LazyFrame) -> pl.LazyFrame:
    """One row per session of `trips` (session, started, ended, ms): the share of its messages that
    waited like a delayed ACK (`ack_share`), and whether latency `ramps`, answers come on a `grid`,
    and most slow messages stand `behind` a big one. `exchanges` are all messages of the sessions.
    """
    messages = exchanges.filter(pl.col("dir").is_not_null())
    return (
        trips.group_by("session", maintain_order=True)
        .agg(_ack_share(), _ramps())
        .join(_grid(messages), on="session", how="left")
        .join(_behind(trips, messages), on="session", how="left")
    )


def _ack_share() -> pl.Expr:
    waited = pl.any_horizontal(*(pl.col("ms").is_between(low, high) for low, high in ACK_MS))
    return (
        pl.when((pl.len() >= MESSAGES) & (waited.sum() >= MESSAGES))
        .then(waited.mean())
        .alias("ack_share")
    )


def _ramps() -> pl.Expr:
    by_time = pl.col("ms").sort_by("started")
    third = pl.len() // 3
    early, late = by_time.head(third).median(), by_time.tail(third).median()
    rank = pl.corr(pl.col("started").cast(pl.Int64).cast(pl.Float64), "ms", method="spearman")
    return (
        ((pl.len() >= 2 * MESSAGES) & (rank >= RAMP_RANK) & (late >= RAMP_TIMES * early))
        .fill_null(False)
        .alias("ramps")
    )


def _grid(messages: pl.LazyFrame) -> pl.LazyFrame:
    """Whether a connection's answers leave at even times while its questions do not."""
    paces = (
        messages.sort("ts")
        .group_by("session", "source", "conn", pl.col("dir").cast(pl.String).alias("dir"))
        .agg(_gaps())
        .with_columns(cv=pl.col("gaps").list.std() / pl.col("gaps").list.mean())
    )
    answers = paces.filter(
        (pl.col("dir") == "s2c")
        & (pl.col("gaps").list.len() >= 2 * MESSAGES)
        & (pl.col("cv") <= GRID_CV)
        & pl.col("gaps").list.median().is_between(*GRID_S)
    )
    questions = paces.filter(pl.col("dir") == "c2s").select("session", "source", "conn", asked="cv")
    return (
        answers.join(questions, on=["session", "source", "conn"], how="left")
        .filter((pl.col("asked") >= IRREGULAR_CV).fill_null(False))
        .select("session", grid=pl.lit(True))
        .unique("session")
    )


def _gaps() -> pl.Expr:
    """Times between bursts, in seconds: what leaves within a tenth of the grid is one burst."""
    gap = pl.col("ts").diff().dt.total_microseconds() / 1e6
    return gap.filter(gap >= GRID_S[0] / 2).alias("gaps")


def _behind(trips: pl.LazyFrame, messages: pl.LazyFrame) -> pl.LazyFrame:
    """Whether most of a session's slow messages were answered just after a big one had passed."""
    big = messages.filter((pl.col("bytes") >= BIG_BYTES) & (pl.col("dir") == "s2c")).select(
        "session", big_at="ts"
    )
    slow = trips.filter(pl.col("ms") >= 2 * pl.col("ms").median().over("session"))
    held = (
        slow.join(big, on="session")
        .filter(pl.col("big_at").is_between("started", "ended"))
        .select("session", "started", held=pl.lit(True))
        .unique(["session", "started"])
    )
    return (
        slow.join(held, on=["session", "started"], how="left")
        .group_by("session")
        .agg(((pl.len() >= 3) & (pl.col("held").is_not_null().mean() >= 0.7)).alias("behind"))
    )
