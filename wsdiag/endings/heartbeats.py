"""The heartbeats of connections: how often they came, which was not answered, and whose stopped."""

from __future__ import annotations

import polars as pl

from wsdiag.finding import SPOT

MINUTE_S, AWAKE_S = (57.0, 63.0), 45.0
"""Chrome runs the timers of a hidden tab once a minute; awake, heartbeats are faster than that.

https://developer.chrome.com/blog/timer-throttling-in-chrome-88
"""


AT_LEAST_LATER_S = 1.0
"""What comes sooner may have been on its way."""


def pace(events: pl.LazyFrame) -> pl.LazyFrame:
    """How often each connection was pinged, in seconds."""
    return (
        events.filter((pl.col("kind") == "ping") & pl.col("session").is_not_null())
        .group_by("session", "source", "conn", "dir")
        .agg((pl.col("ts").sort().diff().median().dt.total_microseconds() / 1e6).alias("every_s"))
        .group_by("session")
        .agg(pl.col("every_s").min())
    )


def usual_pace(events: pl.LazyFrame) -> pl.LazyFrame:
    """How often a server pings those whom it pings, in seconds; null where it pings nobody."""
    return (
        pace(events.filter(pl.col("dir") == "s2c"))
        .filter(pl.col("every_s") > 0)
        .select(usual_s=pl.col("every_s").median())
    )


def unanswered_pings(events: pl.LazyFrame) -> pl.LazyFrame:
    """The first ping of the last unanswered run, on the leg whose end is clearest."""
    beats = events.filter(
        pl.col("kind").is_in(["ping", "pong"])
        & pl.col("session").is_not_null()
        & pl.col("ts").is_not_null()
    ).with_columns(
        kind=pl.col("kind").cast(pl.String),
        # A pong travels against its ping: both belong to the heartbeat of the ping's direction.
        beat=pl.when(pl.col("kind") == "ping")
        .then(pl.col("dir").cast(pl.String))
        .otherwise(pl.col("dir").cast(pl.String).replace({"c2s": "s2c", "s2c": "c2s"})),
    )
    # Who sent a Close, or got one, waits for no pong any more, and owes none.
    closes = events.filter((pl.col("kind") == "close") & pl.col("session").is_not_null())
    closed = closes.group_by("session", "source", "conn").agg(closed=pl.col("ts").min())
    over = ("session", "source", "conn", "beat")
    return (
        beats.join(closed, on=["session", "source", "conn"], how="left", nulls_equal=True)
        .filter((pl.col("ts") <= pl.col("closed")).fill_null(value=True))
        .sort("session", "source", "pos")
        .with_columns(answered=pl.col("ts").filter(pl.col("kind") == "pong").max().over(over))
        .group_by(*over, maintain_order=True)
        .agg(
            pl.col("answered").first(),
            pl.col("ts").filter(pl.col("kind") == "ping").diff().median().alias("interval"),
            _open_pings(pl.col("ts")).min().alias("asked"),
            _open_pings(pl.col("ts")).len().alias("open_pings"),
            _open_pings(SPOT).head(2).alias("asked_at"),
            pl.col("ms").filter(pl.col("kind") == "pong").max().alias("slowest"),
        )
        .with_columns(
            late=pl.col("slowest") / 1000 > pl.col("interval").dt.total_microseconds() / 1e6
        )
        .filter(pl.col("open_pings") > 0)
        .sort("asked")
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("asked", "open_pings", "interval", "asked_at", "late").first(),
            pl.col("beat").first().alias("dir_asked"),
        )
    )


def _open_pings(column: pl.Expr) -> pl.Expr:
    return column.filter(
        (pl.col("kind") == "ping")
        & (pl.col("answered").is_null() | (pl.col("ts") > pl.col("answered"))).fill_null(True)
    )


def sent_again(events: pl.LazyFrame, unanswered: pl.LazyFrame) -> pl.LazyFrame:
    """How often TCP sent a segment again since the unanswered ping."""
    return (
        events.filter((pl.col("kind") == "retransmit") & pl.col("session").is_not_null())
        .join(unanswered.select("session", "asked"), on="session")
        .filter(pl.col("ts") >= pl.col("asked"))
        .group_by("session")
        .agg(pl.len().alias("sent_again"))
    )


def spoke_again(events: pl.LazyFrame) -> pl.LazyFrame:
    """Connections on which the wire shows that a peer which had been given up answered later.

    Who was busy finds in the same connection all that was said to it, pings and the Close, and
    answers; who is gone never does.
    """
    said = pl.col("kind").is_in(["ping", "pong", "close"])
    once = ("session", "source", "conn")
    on_wire = events.filter((pl.col("vantage") == "network") & pl.col("session").is_not_null())
    closes = on_wire.filter(pl.col("kind") == "close").sort("ts")
    given_up = closes.group_by(*once).agg(given_up=pl.col("ts").first(), by=pl.col("dir").first())
    later = pl.col("given_up") + pl.duration(seconds=AT_LEAST_LATER_S)
    return (
        on_wire.filter(said)
        .join(given_up, on=once)
        .filter((pl.col("dir") != pl.col("by")) & (pl.col("ts") > later))
        .select("session", spoke_again=pl.lit(value=True))
        .unique()
    )


def throttled(events: pl.LazyFrame) -> pl.LazyFrame:
    """Clients whose own heartbeat fell to one a minute: a hidden tab's timers run no faster."""
    gap = pl.col("ts").sort().diff().dt.total_microseconds() / 1e6
    slow = gap.is_between(*MINUTE_S)
    return (
        events.filter(
            (pl.col("kind") == "ping") & (pl.col("dir") == "c2s") & pl.col("session").is_not_null()
        )
        .group_by("session", "source", "conn")
        .agg(((slow.sum() >= 2) & (gap.filter(~slow).median() <= AWAKE_S)).alias("throttled"))
        .group_by("session")
        .agg(pl.col("throttled").any())
    )


def own_pings(events: pl.LazyFrame) -> pl.LazyFrame:
    """The heartbeats that a client sends of its own accord, and whether it answered a Close.

    Columns: session, own_pings, last_own, pace (their usual distance), answered_close.
    """
    ping = (pl.col("kind") == "ping") & (pl.col("dir") == "c2s")
    close = (pl.col("kind") == "close") & (pl.col("vantage") == "network")
    asked, answered = close & (pl.col("dir") == "s2c"), close & (pl.col("dir") == "c2s")
    at = pl.col("ts")
    return (
        events.filter((ping | close) & pl.col("session").is_not_null() & at.is_not_null())
        .sort("session", "ts")
        .group_by("session", "source", "conn", maintain_order=True)
        .agg(
            own_pings=ping.sum().cast(pl.Int64),
            last_own=at.filter(ping).max(),
            pace=at.filter(ping).diff().median(),
            answered_close=(
                at.filter(answered).min() - at.filter(asked).min() <= pl.duration(seconds=1)
            ).fill_null(value=False),
        )
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("own_pings").max(),
            pl.col("last_own").max(),
            pl.col("pace").min(),
            pl.col("answered_close").any(),
        )
    )
