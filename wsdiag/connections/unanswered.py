"""Handshakes that nobody answered: no 101, no other status, no refusal."""

from __future__ import annotations

import polars as pl

from wsdiag.connections.told import MAX_PROOFS
from wsdiag.finding import SPOT
from wsdiag.paths import NAMED_SO

PATIENCE_S, LONGEST_S = 1.0, 30.0
"""Who leaves before may only have closed the page; no client library gives up so soon, and few wait
for longer."""

BACKEND_SILENT = (
    "upstream timed out while (?:reading response header|connecting|sending request)"
    "|AH01102: error reading status line"
)
"""What nginx and Apache log, as a timeout, when they wait for a backend in vain; their client gets
a 504 or a 502."""

BACKEND_GONE = (
    r"^(?:upstream prematurely closed connection|recv\(\) failed .*) while reading response header"
    "|AH01102: error reading status line"
)
"""What they log, as an error, when a backend hangs up instead of an answer; their client gets a
502."""


def unanswered(connections: pl.LazyFrame, signs: pl.LazyFrame) -> pl.LazyFrame:
    """One row for each: session, path, started, ended, measured (the wait in seconds, null where
    nobody tells it) and pointers."""
    return pl.concat([_ended_before(connections, signs), backend_silent(signs)])


def _ended_before(connections: pl.LazyFrame, signs: pl.LazyFrame) -> pl.LazyFrame:
    """Attempts that ended later, and were never open. What an error explains is no silence."""
    ended = pl.coalesce("ended", "closed")
    wait = (ended - pl.col("attempted")).dt.total_microseconds() / 1e6
    source = pl.col("sources").list.first()
    silent = (
        pl.col("gone")
        & ~pl.col("was_open")
        & ~pl.col("rejected")
        & ~pl.col("refused")
        & (pl.col("messages_c2s") + pl.col("messages_s2c") == 0)
    )
    explained = signs.filter(pl.col("kind").is_in(["error", "tls_alert", "timeout"]))
    return (
        connections.with_columns(
            _wait=pl.when(silent).then(wait), _tells_opens=pl.col("was_open").any().over(source)
        )
        # A log may tell of attempts and ends only: then these are lives, some of them long, or it
        # says that a connection was lost, which there must have been.
        .filter(
            pl.col("_tells_opens")
            | (pl.col("_wait").max().over(source) <= LONGEST_S)
            & (pl.col("end_reason") != "eof").fill_null(True)
        )
        .filter(pl.col("_wait") >= PATIENCE_S)
        .join(explained, on="session", how="anti")
        .select(
            "session",
            "path",
            started="attempted",
            ended=ended,
            measured="_wait",
            pointers=pl.concat_list("opening", "closing"),
        )
    )


def backend_silent(signs: pl.LazyFrame) -> pl.LazyFrame:
    """Backends that a proxy waited for, or that hung up before they answered, on paths that are
    known to be a WebSocket's or are named like one: an error log tells of any request.

    Columns as of `unanswered`.
    """
    upgraded = (pl.col("kind") == "timeout") & pl.col("reason").str.contains("upgraded connection")
    silent = (pl.col("kind") == "timeout") & pl.col("reason").str.contains(BACKEND_SILENT)
    gone = (pl.col("kind") == "error") & pl.col("reason").str.contains(BACKEND_GONE)
    shaken = pl.col("kind").is_in(["open", "rejected"])
    paths = signs.filter(shaken | upgraded).select("name").unique()
    # Apache names the path on the line after.
    named = (
        signs.filter(pl.col("name").is_not_null())
        .group_by("session")
        .agg(pl.col("name").first().alias("_name"))
    )
    return (
        signs.filter(silent | gone)
        .join(named, on="session", how="left")
        .with_columns(name=pl.coalesce("name", "_name"))
        .join(paths.with_columns(known=True), on="name", how="left")
        .filter(pl.col("known") | pl.col("name").str.contains(NAMED_SO))
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("name").first().alias("path"),
            pl.col("ts").min().alias("started"),
            pl.col("ts").max().alias("ended"),
            pl.lit(None, dtype=pl.Float64).alias("measured"),
            SPOT.head(MAX_PROOFS).alias("pointers"),
        )
    )
