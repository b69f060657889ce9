"""Timers of which a proxy logs that they fired, and the connections that they ended, told by
another source: nothing ties the two but the moment."""

from __future__ import annotations

import polars as pl

from wsdiag.endings.told_elsewhere import WITHIN

AGREE_S = 1.0
"""Of several ends at one moment nobody knows which was whose: their times must be the same."""

CLOCKS = ("idle", "idle_c2s", "idle_s2c", "age")


def with_their_lives(stated: pl.LazyFrame, ends: pl.LazyFrame) -> pl.LazyFrame:
    """What owners state (session, by, …), and as old and silent as others say: `told_idle`, ….

    A row with `again` is that of another source's end, which such a timer made. `ends` are all:
    session, ended, code, vantages and the CLOCKS in seconds.
    """
    by_proxy = pl.col("vantages").list.contains("proxy")
    alone = by_proxy & (pl.col("vantages").list.len() == 1)
    moments = (
        ends.filter(alone)
        .select("session", "ended")
        .join(stated.select("session"), on="session", how="semi")
        .drop_nulls("ended")
    )
    others = ends.filter(~by_proxy & (pl.col("code").is_null() | (pl.col("code") == 1006)))
    same = (
        others.join(stated, on="session", how="anti")
        .drop_nulls("ended")
        .select("ended", *CLOCKS, other="session")
        .sort("ended")
        .join_asof(moments.sort("ended"), on="ended", strategy="nearest", tolerance=WITHIN)
        .drop_nulls("session")
    )
    lives = same.group_by("session").agg(
        pl.when(pl.col(name).max() - pl.col(name).min() <= AGREE_S)
        .then(pl.col(name).min())
        .name.prefix("told_")
        for name in CLOCKS
    )
    again = same.select(session="other", again=pl.lit(value=True))
    return pl.concat([stated.join(lives, on="session", how="left"), again], how="diagonal")
