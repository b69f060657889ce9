"""Connections that a server goes on counting when their client is gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from wsdiag.clocks import Clock
from wsdiag.disagreements.shape import BY_CLIENT, BY_SERVER, SHAPE, WIRE, first, shaped

LONG_AFTER = timedelta(seconds=30)
"""A server's log that goes on so long behind an end would have told it."""

NAMELESS = r"^(?:~|bare )"
"""So a line is told apart that names no connection."""

OTHERS = 2
"""A log that tells of so many other ends tells ends."""


def find(events: pl.DataFrame, whole: pl.LazyFrame, clocks: Mapping[str, Clock]) -> pl.DataFrame:
    """Sessions whose end the client or the wire saw and the server's log, which tells others, never
    did. `whole` are the rows without a session, too: a log goes on with those."""
    stops = (pl.col("reason") == "evidence-stops").fill_null(value=False)
    over = pl.col("kind").is_in(["close", "end", "heartbeat_timeout"]) & ~stops
    tied = [name for name, clock in clocks.items() if clock.offset_ms is not None]
    known = pl.col("source").cast(pl.String).is_in(tied)
    opened = events.filter(BY_SERVER & known & (pl.col("kind") == "open"))
    ends = events.filter(BY_SERVER & over).group_by("source").agg(pl.col("session").n_unique())
    telling = ends.filter(pl.col("session") >= OTHERS).select("source")
    if opened.is_empty() or telling.is_empty():
        return pl.DataFrame(schema=SHAPE)
    last = (
        whole.filter(pl.col("vantage") == "server")
        .group_by("source")
        .agg(pl.col("ts").max().alias("last"))
        .collect()
    )
    # Where an end of some connection or other may be any's, none was forgotten for sure.
    nameless = (
        events.filter(BY_SERVER & over & pl.col("conn").str.contains(NAMELESS))
        .join(opened, on="session", how="anti")
        .select("source")
    )
    counting = (
        opened.join(telling, on="source", how="semi")
        .join(events.filter(BY_SERVER & over), on="session", how="anti")
        .join(nameless, on="source", how="anti")
        .join(last, on="source")
    )
    left = first(events.filter((BY_CLIENT | WIRE) & known & over), "one", at="ts")
    seen = first(counting, "other", source="source", last="last").join(left, on="session")
    return shaped(
        seen.filter(pl.col("last") - pl.col("at") >= LONG_AFTER),
        "left-counted",
        pl.format(
            "it ended, and {} never tells so in the {} s that it goes on",
            "source",
            (pl.col("last") - pl.col("at")).dt.total_seconds(),
        ),
    )
