"""Pings that crossed the wire, and that a log which tells of others of them does not know."""

from __future__ import annotations

import polars as pl

from wsdiag.disagreements.shape import BY_SERVER, WIRE, first, shaped


def find(events: pl.DataFrame) -> pl.DataFrame:
    """By the payload: pings of a session that stand in the capture and, while the server's log goes
    on telling of that session's pings, not there."""
    pinged = events.filter((pl.col("kind") == "ping") & pl.col("trace").is_not_null())
    logged = pinged.filter(BY_SERVER)
    spans = logged.group_by("session", "dir").agg(
        since=pl.col("ts").min(), until=pl.col("ts").max(), source=pl.col("source").first()
    )
    seen = (
        pinged.filter(WIRE)
        .join(spans.drop("source"), on=["session", "dir"])
        .filter(pl.col("ts").is_between(pl.col("since"), pl.col("until")))
        .join(logged, on=["session", "dir", "trace"], how="anti")
    )
    missed = first(seen, "one").join(first(logged, "other", source="source"), on="session")
    return shaped(
        missed,
        "ping-unlogged",
        pl.format("the wire saw a ping that {} does not tell, though it tells others", "source"),
    )
