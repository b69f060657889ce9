"""Timers of which a proxy logs that they fired, and the connections that they ended, told by
another source: nothing ties the two but the moment."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

WITHIN = timedelta(seconds=2)
"""A second of log resolution on either side."""

AGREE_S = 1.0
"""Of several ends at one moment nobody knows which was whose: their times must be the same."""

LIVES = ("idle", "idle_c2s", "idle_s2c", "age")


def with_their_lives(ends: pl.LazyFrame) -> pl.LazyFrame:
    """The ends, those that a proxy's timer made each once, as old and as silent as the other says.

    `ends` has the columns that `ends.ends` gives.
    """
    by_proxy = pl.col("vantages").list.contains("proxy")
    fired = (pl.col("stated").is_not_null() & by_proxy & (pl.col("witnesses") <= 1)).fill_null(
        value=False
    )
    told = (
        pl.col("stated").is_null()
        & ~by_proxy
        & (pl.col("code").is_null() | (pl.col("code") == 1006))
    )
    moments = ends.filter(fired & pl.col("ended").is_not_null()).select("session", "ended")
    same = (
        ends.filter(told & pl.col("ended").is_not_null())
        .select("ended", *LIVES, other="session")
        .sort("ended")
        .join_asof(moments.sort("ended"), on="ended", strategy="nearest", tolerance=WITHIN)
        .filter(pl.col("session").is_not_null())
    )
    lives = same.group_by("session").agg(
        pl.when(pl.col(name).max() - pl.col(name).min() <= AGREE_S)
        .then(pl.col(name).min())
        .name.suffix("_told")
        for name in LIVES
    )
    return (
        ends.join(same.select(session="other"), on="session", how="anti")
        .join(lives, on="session", how="left")
        .with_columns(pl.coalesce(name, f"{name}_told") for name in LIVES)
        .drop(f"{name}_told" for name in LIVES)
    )
