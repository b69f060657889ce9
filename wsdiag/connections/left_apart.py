"""Connections that may be one, told by two sources, where nothing says which is which."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import polars as pl

SAME_MOMENT = timedelta(seconds=2)
"""How far two sources may differ on one moment when nothing else ties them: a second of log
resolution on either side."""


def left_apart(connections: pl.LazyFrame) -> int:
    """How many sessions may also be the session of another source, and are joined with none.

    By the connection table: two that were open, seen from different places, and that began within
    two seconds of each other and ended so. Two whose keys are both known are surely two.
    """
    rows = (
        connections.filter(pl.col("was_open") & pl.col("opened").is_not_null())
        .select(
            "session", "sources", "vantages", "key", "opened", over=pl.coalesce("ended", "closed")
        )
        .with_columns(pl.col("sources").cast(pl.List(pl.String)))
        .sort("opened", "session")
        .collect()
    )
    doubtful: set[str] = set()
    seen_alike = rows.with_columns(_place=pl.col("vantages").list.join(" ")).partition_by("_place")
    for mine, theirs in permutations((some.drop("_place") for some in seen_alike), 2):
        if not set(mine["vantages"][0]).isdisjoint(theirs["vantages"][0]):
            continue
        its = theirs.select("opened", pl.exclude("opened").name.prefix("its_"))
        for way in ("backward", "forward"):
            near = mine.join_asof(its, on="opened", strategy=way, tolerance=SAME_MOMENT)
            found = near.filter(_may_be_one())
            doubtful.update(found["session"], found["its_session"])
    return len(doubtful)


def _may_be_one() -> pl.Expr:
    ended = (pl.col("over") - pl.col("its_over")).abs() <= SAME_MOMENT
    two_keys = pl.col("key") != pl.col("its_key")
    return (
        pl.col("its_session").is_not_null()
        & (pl.col("sources").list.set_intersection("its_sources").list.len() == 0)
        & ended.fill_null(value=True)
        & ~two_keys.fill_null(value=False)
    )
