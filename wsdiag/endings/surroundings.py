"""What is logged around a wave of ends: a shutdown, a kill, a start, refused attempts, a reload."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from wsdiag.finding import SPOT

AROUND, AFTER = timedelta(seconds=10), timedelta(seconds=120)
"""How far from the ends a shutdown line, a refusal or a start line still belongs to them."""

RELOAD_BEFORE = pl.duration(seconds=300)
"""nginx workers drain for `worker_shutdown_timeout` after a reload; ingress-nginx sets 240 s."""

SHORTLY = pl.duration(seconds=15)
"""A reload so shortly before is the one that did it, where several end together."""

SAID_WHEN_DONE = pl.duration(seconds=1)
"""Caddy logs "load complete" after it has closed the connections; a server may say so as well. A
log that tells of the ends and of a shutdown later than this says that they are two things."""

_KILLED = (
    "(?i)sigkill|killed|exit code 137|out of memory|oom|panic|segfault|segmentation fault"
    "|core dumped|crash|signal 9|not expected|fatal error|code=dumped|status=[0-9]+/failure"
    r"|exited with code \[?[1-9]"
)
_TOLD_TO_STOP = r"(?i)status=(?:15/term|2/int|1/hup|143\b)|exited with code \[?(?:130|143)\b"
"""What systemd says of a process that it asked to stop, and a shell's exit status for SIGINT and
SIGTERM."""


def killed() -> pl.Expr:
    """Whether the reason of a stop is that of a process which did not choose to stop."""
    reason = pl.col("reason").fill_null("")
    return reason.str.contains(_KILLED) & ~reason.str.contains(_TOLD_TO_STOP)


def stops(events: pl.LazyFrame) -> pl.LazyFrame:
    """The lines by which a server says that it stops, with their time."""
    said = (pl.col("kind") == "server_stop") & (pl.col("vantage") == "server")
    return events.filter(said & pl.col("ts").is_not_null())


def stopped_before(rows: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """The rows in the order of `started`, with `stopped`: whether a server had said shortly before
    that it stops, as Boolean."""
    told = rows.sort("started").join_asof(
        stops(events).select(_at="ts").sort("_at"),
        left_on="started",
        right_on="_at",
        tolerance=AFTER,
        coalesce=False,
    )
    return told.with_columns(stopped=pl.col("_at").is_not_null()).drop("_at")


def around(waves: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per wave (rows of `wave`, `ended`, and in `closing` the lines that tell of the end):
    what was logged before, in and after it.

    Columns: wave; stopped, killed, started_again, refusing, starts_told, reloaded, just_reloaded
    (Boolean); told_at (the pointers of two lines that say so).
    """
    moments = waves.group_by("wave").agg(
        pl.col("ended").min().alias("t0"),
        pl.col("ended").max().alias("t1"),
        pl.col("closing").explode().struct.field("source").drop_nulls().unique().alias("told_by"),
    )
    marks = events.filter(
        pl.col("kind").is_in(["server_stop", "server_start", "reload", "error", "refused"])
        & pl.col("ts").is_not_null()
    ).select(
        "ts",
        kind=pl.col("kind").cast(pl.String),
        dead=killed(),
        proxy=pl.col("vantage") == "proxy",
        told_in=pl.col("source").cast(pl.String),
        spot=SPOT,
    )
    near = pl.col("ts").is_between(pl.col("t0") - AROUND, pl.col("t1") + AROUND)
    after = pl.col("ts").is_between(pl.col("t0"), pl.col("t1") + AFTER)
    by_then = pl.col("t1") + SAID_WHEN_DONE
    own_log = pl.col("told_in").is_in(pl.col("told_by"))
    told_to = near & ~(own_log & (pl.col("ts") > by_then))
    before = pl.col("ts").is_between(pl.col("t0") - RELOAD_BEFORE, by_then)
    shortly = pl.col("ts").is_between(pl.col("t0") - SHORTLY, by_then)
    kind, dead = pl.col("kind"), pl.col("dead")
    stop = kind == "server_stop"
    return (
        moments.join(marks, how="cross")
        .group_by("wave")
        .agg(
            (told_to & stop & ~dead & ~pl.col("proxy")).any().alias("stopped"),
            (near & kind.is_in(["server_stop", "error"]) & dead).any().alias("killed"),
            (after & (kind == "server_start") & ~pl.col("proxy")).any().alias("started_again"),
            (after & (kind == "refused")).any().alias("refusing"),
            ((pl.col("ts") < pl.col("t0")) & (kind == "server_start") & ~pl.col("proxy"))
            .any()
            .alias("starts_told"),
            (before & (kind == "reload")).any().alias("reloaded"),
            (shortly & (kind == "reload")).any().alias("just_reloaded"),
            pl.col("spot")
            .filter((stop & (told_to | near & dead)) | (before & (kind == "reload")))
            .head(2)
            .alias("told_at"),
        )
    )
