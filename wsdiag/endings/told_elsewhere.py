"""Ends that a proxy logs without a word, of which another source tells that a Close frame came,
though nothing ties the two: a connection as old, that ended at that moment.
"""

from __future__ import annotations

import math
from datetime import timedelta

import polars as pl

WITHIN = timedelta(seconds=2)
"""A second of log resolution on either side."""

AS_OLD = 0.02
"""Ages are told apart in steps of 2 %, and one step is no difference: a handshake more or less."""


def told_elsewhere(connections: pl.LazyFrame) -> pl.LazyFrame:
    """The sessions of such ends: session. `connections` is the connection table."""
    over = pl.coalesce("ended", "closed").alias("over")
    step = (pl.col("age_s").log() / math.log1p(AS_OLD)).floor().cast(pl.Int64)
    known = connections.filter((pl.col("age_s") > 0) & over.is_not_null())
    by_proxy = pl.col("vantages").list.contains("proxy")
    mute = known.filter(
        by_proxy & (pl.col("vantages").list.len() == 1) & pl.col("code").is_null()
    ).select("session", over, step=step)
    coded = (
        known.filter(~by_proxy & pl.col("code").is_not_null())
        .select(over, step=pl.concat_list(step - 1, step, step + 1), told=pl.lit(value=True))
        .explode("step")
        .sort("over")
    )
    near = mute.sort("over").join_asof(
        coded,
        on="over",
        by="step",
        strategy="nearest",
        tolerance=WITHIN,
        check_sortedness=False,
    )
    return near.filter(pl.col("told").is_not_null()).select("session")
