"""Each real connection once."""

from __future__ import annotations

import polars as pl

NEARNESS = {"network": 0, "proxy": 1, "server": 2, "client": 3}
"""Where two vantages saw equally much, the one that lies less."""

SLACK = pl.duration(seconds=5)


def counted(connections: pl.LazyFrame) -> pl.LazyFrame:
    """Each real connection once.

    Sessions that nothing ties together may be one connection told twice. The vantage that saw most
    counts whole; of the others only what began outside the time that it covers.
    """
    told = connections.select("session", "vantages", "first", "last_seen").explode("vantages")
    best = (
        told.group_by("vantages")
        .agg(
            pl.len(),
            (pl.col("first").min() - SLACK).alias("since"),
            (pl.col("last_seen").max() + SLACK).alias("until"),
        )
        .sort(
            "len", pl.col("vantages").replace_strict(NEARNESS, default=9), descending=[True, False]
        )
        .head(1)
    )
    covered = pl.col("first").is_between("since", "until").fill_null(True)
    return (
        connections.join(best.rename({"vantages": "best"}), how="cross")
        .filter(pl.col("vantages").list.contains(pl.col("best")) | ~covered)
        .drop("best", "len", "since", "until")
    )
