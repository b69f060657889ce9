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
    r"|exited with code \[?[1-9]|unhandled 'error' event|triggeruncaughtexception"
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


def down_and_up(rows: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """The rows in the order of `started`, with `back`: whether a server was said to go away shortly
    before, or by the proxy's next check, and to be there again shortly after, as Boolean."""
    kind, dated = pl.col("kind"), pl.col("ts").is_not_null()
    gone = (
        events.filter(dated & (kind == "server_stop") & ~_halts()).select(_gone="ts").sort("_gone")
    )
    there = events.filter(dated & (kind == "server_start")).select(_there="ts").sort("_there")
    told = (
        rows.with_columns(_checked=pl.col("started") + AROUND)
        .sort("started")
        .join_asof(
            gone,
            left_on="_checked",
            right_on="_gone",
            tolerance=AROUND + AFTER,
            coalesce=False,
        )
        .join_asof(
            there,
            left_on="started",
            right_on="_there",
            strategy="forward",
            tolerance=AFTER,
            coalesce=False,
        )
    )
    back = pl.col("_gone").is_not_null() & (pl.col("_there") >= pl.col("_gone"))
    return told.with_columns(back=back.fill_null(value=False)).drop("_gone", "_there", "_checked")


def around(
    waves: pl.LazyFrame, events: pl.LazyFrame, clock_errors_s: Mapping[str, float]
) -> pl.LazyFrame:
    """One row per wave (rows of `wave`, `ended`, and in `closing` the lines that tell of the end):
    what was logged before, in and after it.

    Columns: wave; stopped, killed, proxy_stopped, started_again, refusing, starts_told, reloaded,
    just_reloaded (Boolean); told_at (the pointers of two lines that say so).
    """
    t0, t1, ts = pl.col("t0"), pl.col("t1"), pl.col("ts")
    near = ts.is_between(t0 - AROUND, t1 + AROUND)
    after = ts.is_between(t0, t1 + AFTER)
    at_once = ts.is_between(t0 - AT_ONCE, t1 + AT_ONCE)
    before = ts.is_between(t0 - RELOAD_BEFORE, t1 + SAID_WHEN_DONE)
    shortly = ts.is_between(t0 - SHORTLY, t1 + SAID_WHEN_DONE)
    told_to = near & (ts <= t1 + SAID_WHEN_DONE + _late())
    kind, dead = pl.col("kind"), pl.col("dead")
    stop, start, reload = kind == "server_stop", kind == "server_start", kind == "reload"
    by_server, halts, refuses = ~pl.col("proxy"), pl.col("halts"), pl.col("refuses")
    said = {
        "stopped": told_to & stop & ~dead & by_server,
        "killed": near & kind.is_in(["server_stop", "error"]) & dead,
        "proxy_stopped": at_once & halts,
        "started_again": after & start & by_server,
        "refusing": after & refuses,
        "starts_told": (ts < t0) & start & by_server,
        "reloaded": before & reload,
        "just_reloaded": shortly & reload,
    }
    telling = (
        (stop & ((told_to & by_server) | (near & dead)))
        | (stop & after & refuses)
        | (at_once & halts)
        | (before & reload)
    )
    return (
        _moments(waves, clock_errors_s)
        .join(_marks(events, clock_errors_s), how="cross")
        .group_by("wave")
        .agg(
            *(holds.any().alias(name) for name, holds in said.items()),
            pl.col("spot").filter(telling).head(2).alias("told_at"),
        )
    )


def _late() -> pl.Expr:
    """How far behind the ends the line may stand that made them: as far as the clocks may be off;
    in the log that tells of the ends, not at all."""
    own_log = pl.col("told_in").is_in(pl.col("told_by"))
    apart = pl.duration(
        microseconds=((pl.col("mark_off") + pl.col("ends_off")) * 1e6).cast(pl.Int64)
    )
    return pl.when(own_log).then(pl.duration(seconds=0)).otherwise(pl.coalesce(apart, AROUND))


def _moments(waves: pl.LazyFrame, clock_errors_s: Mapping[str, float]) -> pl.LazyFrame:
    """Each wave: from `t0` to `t1`, `told_by` these inputs, whose clocks are `ends_off` at most."""
    moments = waves.group_by("wave").agg(
        pl.col("ended").min().alias("t0"),
        pl.col("ended").max().alias("t1"),
        pl.col("closing").explode().struct.field("source").drop_nulls().unique().alias("told_by"),
    )
    tellers = (
        moments.select("wave", "told_by")
        .explode("told_by")
        .with_columns(_off=_off(pl.col("told_by").cast(pl.String), clock_errors_s))
    )
    # One whose clock nothing ties to the others may be off by any time.
    worst = tellers.group_by("wave").agg(
        ends_off=pl.when(pl.col("_off").null_count() == 0).then(pl.col("_off").max())
    )
    return moments.join(worst, on="wave", how="left")


def _marks(events: pl.LazyFrame, clock_errors_s: Mapping[str, float]) -> pl.LazyFrame:
    """The lines that may tell why connections end, each with what it says."""
    told_in = pl.col("source").cast(pl.String)
    return events.filter(
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
        mark_off=_off(told_in, clock_errors_s),
        spot=SPOT,
    )


def _off(source: pl.Expr, clock_errors_s: Mapping[str, float]) -> pl.Expr:
    """How far an input's clock may be off, in seconds; null where nothing ties it to the others."""
    return source.replace_strict(
        list(clock_errors_s), list(clock_errors_s.values()), default=None, return_dtype=pl.Float64
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
