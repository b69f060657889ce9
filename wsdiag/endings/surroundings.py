"""What is logged around a wave of ends: a shutdown, a kill, a start, refused attempts, a reload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from wsdiag.finding import SPOT

AROUND, AFTER = timedelta(seconds=10), timedelta(seconds=120)
"""How long before the ends a shutdown line, and how long after them a refusal or a start line still
belongs to them. So long after them a shutdown line of a clock that nothing ties to theirs."""

RELOAD_BEFORE = pl.duration(seconds=300)
"""nginx workers drain for `worker_shutdown_timeout` after a reload; ingress-nginx sets 240 s."""

AT_ONCE = timedelta(seconds=2)
"""A proxy that is told to stop at once drops what it holds; logs with whole seconds."""

SHORTLY = pl.duration(seconds=15)
"""A reload so shortly before is the one that did it, where several end together."""

SAID_WHEN_DONE = pl.duration(seconds=1)
"""Caddy logs "load complete" after it has closed the connections; a server may say so as well. A
shutdown that is later than this, and than the clocks may be off, did not make the ends."""

_KILLED = (
    "(?i)sigkill|killed|exit code 137|out of memory|oom|panic|segfault|segmentation fault"
    "|core dumped|crash|signal 9|not expected|fatal error|code=dumped|status=[0-9]+/failure"
    r"|exited with code \[?[1-9]"
)
_TOLD_TO_STOP = (
    r"(?i)status=(?:15/term|2/int|1/hup|143\b)|exited with code \[?(?:130|143)\b"
    "|pending application instances"
)
"""What systemd says of a process that it asked to stop, a shell's exit status for SIGINT and
SIGTERM, and what daphne says at the end of its own shutdown (daphne/server.py, `kill_all`)."""

_NO_HALT = r"^Server \S+ is (?:going )?(?:DOWN|stopping)|SIGQUIT"
"""What HAProxy says when its check finds a server gone: it goes on itself. At a SIGQUIT nginx lets
its workers go as at a reload."""
_BACKEND_REFUSES = "reason: Layer4 connection problem"
"""No process listens there any more (HAProxy's management guide: L4CON). A check that times out
says less."""


def killed() -> pl.Expr:
    """Whether the reason of a stop is that of a process which did not choose to stop."""
    reason = pl.col("reason").fill_null("")
    return reason.str.contains(_KILLED) & ~reason.str.contains(_TOLD_TO_STOP)


def stops(events: pl.LazyFrame) -> pl.LazyFrame:
    """The lines by which a server says that it stops, with their time."""
    said = (pl.col("kind") == "server_stop") & (pl.col("vantage") == "server")
    return events.filter(said & pl.col("ts").is_not_null())


def halts(events: pl.LazyFrame) -> pl.LazyFrame:
    """The lines by which a proxy says that it stops at once, with their time."""
    return events.filter(_halts() & pl.col("ts").is_not_null())


def _halts() -> pl.Expr:
    said = (pl.col("kind") == "server_stop") & (pl.col("vantage") == "proxy")
    return said & ~pl.col("reason").str.contains(_NO_HALT).fill_null(value=False)


def _refuses() -> pl.Expr:
    return (pl.col("kind") == "refused") | (
        pl.col("reason").str.contains(_BACKEND_REFUSES).fill_null(value=False)
    )


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


def around(
    waves: pl.LazyFrame, events: pl.LazyFrame, clock_errors_s: Mapping[str, float]
) -> pl.LazyFrame:
    """One row per wave (rows of `wave`, `ended`, and in `closing` the lines that tell of the end):
    what was logged before, in and after it.

    Columns: wave; stopped, killed, proxy_stopped, started_again, refusing, starts_told, reloaded,
    just_reloaded (Boolean); told_at (the pointers of two lines that say so).
    """

    def off(source: pl.Expr) -> pl.Expr:
        return source.replace_strict(
            list(clock_errors_s),
            list(clock_errors_s.values()),
            default=None,
            return_dtype=pl.Float64,
        )

    moments = waves.group_by("wave").agg(
        pl.col("ended").min().alias("t0"),
        pl.col("ended").max().alias("t1"),
        pl.col("closing").explode().struct.field("source").drop_nulls().unique().alias("told_by"),
    )
    tellers = (
        moments.select("wave", "told_by")
        .explode("told_by")
        .with_columns(_off=off(pl.col("told_by").cast(pl.String)))
    )
    # One whose clock nothing ties to the others may be off by any time.
    worst = tellers.group_by("wave").agg(
        ends_off=pl.when(pl.col("_off").null_count() == 0).then(pl.col("_off").max())
    )
    told_in = pl.col("source").cast(pl.String)
    marks = events.filter(
        pl.col("kind").is_in(["server_stop", "server_start", "reload", "error", "refused"])
        # A worker of nginx exits when its last connection leaves, and when all stops.
        & (pl.col("reason") != "worker exiting").fill_null(value=True)
        & pl.col("ts").is_not_null()
    ).select(
        "ts",
        kind=pl.col("kind").cast(pl.String),
        dead=killed(),
        proxy=pl.col("vantage") == "proxy",
        halts=_halts(),
        refuses=_refuses(),
        told_in=told_in,
        mark_off=off(told_in),
        spot=SPOT,
    )
    near = pl.col("ts").is_between(pl.col("t0") - AROUND, pl.col("t1") + AROUND)
    after = pl.col("ts").is_between(pl.col("t0"), pl.col("t1") + AFTER)
    by_then = pl.col("t1") + SAID_WHEN_DONE
    own_log = pl.col("told_in").is_in(pl.col("told_by"))
    apart = pl.duration(
        microseconds=((pl.col("mark_off") + pl.col("ends_off")) * 1e6).cast(pl.Int64)
    )
    late = pl.when(own_log).then(pl.duration(seconds=0)).otherwise(pl.coalesce(apart, AROUND))
    told_to = near & (pl.col("ts") <= by_then + late)
    at_once = pl.col("ts").is_between(pl.col("t0") - AT_ONCE, pl.col("t1") + AT_ONCE)
    before = pl.col("ts").is_between(pl.col("t0") - RELOAD_BEFORE, by_then)
    shortly = pl.col("ts").is_between(pl.col("t0") - SHORTLY, by_then)
    kind, dead = pl.col("kind"), pl.col("dead")
    stop = kind == "server_stop"
    return (
        moments.join(worst, on="wave", how="left")
        .join(marks, how="cross")
        .group_by("wave")
        .agg(
            (told_to & stop & ~dead & ~pl.col("proxy")).any().alias("stopped"),
            (near & kind.is_in(["server_stop", "error"]) & dead).any().alias("killed"),
            (at_once & pl.col("halts")).any().alias("proxy_stopped"),
            (after & (kind == "server_start") & ~pl.col("proxy")).any().alias("started_again"),
            (after & pl.col("refuses")).any().alias("refusing"),
            ((pl.col("ts") < pl.col("t0")) & (kind == "server_start") & ~pl.col("proxy"))
            .any()
            .alias("starts_told"),
            (before & (kind == "reload")).any().alias("reloaded"),
            (shortly & (kind == "reload")).any().alias("just_reloaded"),
            pl.col("spot")
            .filter(
                (stop & ((told_to & ~pl.col("proxy")) | (near & dead)))
                | (stop & after & pl.col("refuses"))
                | (at_once & pl.col("halts"))
                | (before & (kind == "reload"))
            )
            .head(2)
            .alias("told_at"),
        )
    )


def gone_and_back(
    waves: pl.LazyFrame, events: pl.LazyFrame, connections: pl.LazyFrame
) -> pl.LazyFrame:
    """The waves (rows of `wave`, `ended`) after which nothing opened until an attempt was refused,
    and something did after that: one row for each, `wave`."""
    refused = (
        events.filter(_refuses() & pl.col("ts").is_not_null())
        .select(refused_at="ts")
        .sort("refused_at")
    )
    opened = connections.filter(
        pl.col("opened").is_not_null() & ~pl.col("rejected") & ~pl.col("refused")
    ).select("opened")
    return (
        waves.group_by("wave")
        .agg(t0=pl.col("ended").min(), t1=pl.col("ended").max())
        .filter(pl.col("t0").is_not_null())
        .sort("t0")
        .join_asof(
            refused,
            left_on="t0",
            right_on="refused_at",
            strategy="forward",
            tolerance=AFTER,
            coalesce=False,
        )
        .filter(pl.col("refused_at").is_not_null())
        .sort("t1")
        .join_asof(
            opened.sort("opened"),
            left_on="t1",
            right_on="opened",
            strategy="forward",
            allow_exact_matches=False,
            coalesce=False,
        )
        .filter(pl.col("opened") > pl.col("refused_at"))
        .select("wave")
    )
