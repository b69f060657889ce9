"""Ends that a server's own shutdown made: of one of many like it, or in a log without times."""

from __future__ import annotations

import polars as pl

from wsdiag.endings.surroundings import AROUND, SAID_WHEN_DONE, stops
from wsdiag.endings.waves import HALF, TOGETHER

SAYS_SO = "(?i)server (?:is )?(?:shutting down|stopping|restarting)|application is stopping"
"""The reason that Socket.IO and Tomcat give for an end by their shutdown."""

ENOUGH = 2
"""So many of them say that it was the server's."""


def after_stop(ends: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """The ends that belong to a server's word that it stops: half of what lives in its own log, or
    those whose reason says so.

    `ends`: session, begun, ended, over (moments or null), reason, sources (the inputs that tell of
    it). One row per such end: session, stop (a number for each shutdown), here (how many
    connections of that server's log lived when it was told to stop).
    """
    told = (
        stops(events)
        .select(of=pl.col("source").cast(pl.String), at="ts")
        .sort("of", "at")
        # A shutdown writes several lines.
        .filter(((pl.col("at") - pl.col("at").shift(1).over("of")) > AROUND).fill_null(value=True))
        .with_row_index("stop")
    )
    at, since = pl.col("at"), pl.col("at") - SAID_WHEN_DONE
    begun = (pl.col("begun") <= at).fill_null(value=True)
    lives = begun & (pl.col("over") >= since).fill_null(value=True)
    ended = begun & pl.col("ended").is_between(since, at + TOGETHER)
    says_so = pl.col("reason").str.contains(SAYS_SO).fill_null(value=False)
    own = (
        ends.select("session", "begun", "ended", "over", "reason", of="sources")
        .explode("of")
        .with_columns(pl.col("of").cast(pl.String))
        .join(told, on="of")
        .with_columns(_here=lives.sum().over("stop"))
        .filter(ended)
    )
    return (
        own.filter(
            (pl.len().over("stop") >= HALF * pl.col("_here"))
            | (says_so & (says_so.sum().over("stop") >= ENOUGH))
        )
        .select("session", "stop", here=pl.col("_here").cast(pl.Int64))
        .unique("session", keep="first", maintain_order=True)
    )


def by_order(events: pl.LazyFrame) -> pl.LazyFrame:
    """The ends that stand between a server's shutdown and its end or next start, where lines have
    no times, as in uvicorn's default log: their rows, with `shutdown`, a name for each, and whether
    the server `started_again` in that log."""
    kind = pl.col("kind").cast(pl.String)
    stop, start = kind == "server_stop", kind == "server_start"
    return (
        events.filter(
            pl.col("ts").is_null() & kind.is_in(["server_stop", "server_start", "close", "end"])
        )
        .sort("source", "pos")
        .with_columns(
            _stopping=pl.when(stop | start).then(stop).forward_fill().over("source"),
            _starts=start.cast(pl.Int64).cum_sum().over("source"),
        )
        .with_columns(
            shutdown=pl.concat_str("source", "_starts", separator=":"),
            started_again=start.any().over("source")
            & (pl.col("_starts") < start.sum().over("source")),
        )
        .filter(kind.is_in(["close", "end"]) & pl.col("_stopping").fill_null(value=False))
        .unique(["source", "pos"], keep="first", maintain_order=True)
    )
