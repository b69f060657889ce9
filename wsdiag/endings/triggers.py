"""Ends that come right after one kind of message: the fifth clock, the trigger."""

from __future__ import annotations

import polars as pl

from wsdiag.endings.one_clock import REPEATED

RIGHT_AFTER = pl.duration(seconds=1)
"""A message that ends its connection does so at once."""

NEARLY_ALWAYS = 0.8
"""Most connections that carry such a message must end by it: else it is only a frequent one."""


def triggers(events: pl.LazyFrame, connections: pl.LazyFrame) -> pl.LazyFrame:
    """The connections (session, trigger) that ended right after the same kind of client message.

    At least three did, and four of five of those that ever carried one.
    """
    said = events.filter(
        (pl.col("kind") == "message")
        & (pl.col("dir") == "c2s")
        & pl.col("name").is_not_null()
        & pl.col("session").is_not_null()
        & pl.col("ts").is_not_null()
    )
    carried = said.group_by("name").agg(carried=pl.col("session").n_unique())
    latest = pl.col("ts") == pl.col("ts").max()
    last = (
        said.group_by("session", maintain_order=True)  # no sort: it copies all messages
        .agg(pl.col("name").filter(latest).last(), pl.col("ts").max())
        .join(
            connections.filter("gone").select("session", over=pl.coalesce("closed", "ended")),
            on="session",
        )
        .filter(pl.col("over") - pl.col("ts") <= RIGHT_AFTER)
    )
    return (
        last.join(carried, on="name", how="left")
        .filter((pl.len() >= REPEATED).over("name"))
        .filter((pl.len() >= NEARLY_ALWAYS * pl.col("carried")).over("name"))
        .select("session", trigger="name")
    )
