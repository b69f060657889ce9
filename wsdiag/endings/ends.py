"""Each end that a timer may have made, with the times on its clocks and what logs say of it."""

from __future__ import annotations

import polars as pl

from wsdiag.connections import AUTH_CODES, Story, counted
from wsdiag.endings.fired import with_their_lives

TICK_S, COARSE_TICK_S = 0.5, 1.0
"""Timers tick coarsely, and a log in whole seconds measures no finer than one."""

NEAR_EXPIRY_S = 5.0
"""An end this close to its token's expiry is the token's."""

QUEUED_S = 5.0
"""An end this soon after its sender said that it waits to be read is no timer's of silence."""

_IDLE = "(?i)upgraded|tunnel|idle|proxying connection|^[cs]D|^SI\\b|ping interval|inactiv"
_AGE = (
    "(?i)^(?:UT|DT|UMSDR)\\b|upstream_response_timeout|max(?:imum)?[ _-](?:stream[ _-]duration"
    "|(?:connection[ _-])?(?:age|lifetime|duration))"
)
"""Envoy's flags (UT, DT, UMSDR, SI) as its access log documentation defines them."""
_ENVOY = "^(?:UT|DT|UMSDR|SI)\\b|upstream_response_timeout|stream_idle_timeout"
_BARE_TIMEOUT = "(?i)^(?:transport |connection |socket )?time-?out$"
_OF_A_HANDSHAKE = "(?i)response header|connecting to upstream"


def ends(story: Story) -> pl.LazyFrame:
    """Each end that a timer could have made: session, the times on its clocks, who stated what.

    `stated` is idle or age where the owner of a timer logs that it fired, `stated_s` the time it
    states, `observed_s` also where the line is a bystander's, `said_timeout` a server that closed
    with no more words than that; `by_proxy` and `owner` (haproxy, envoy, else null) tell who it
    was. `idle`, `idle_c2s`, `idle_s2c` and `age` are in seconds, null where nobody saw, and `tick`
    is how finely. `expiring`: the end is its token's. `queued`: its sender said just before that it
    waits to be read. `witnesses`: from how many vantages the end was seen.
    """
    moment = pl.coalesce("ended", "closed", "last_seen")
    # What a log says of an end that it did not make is an observation, not its own timer.
    bystander = (
        (pl.col("by") == "server")
        & pl.col("frameless")
        & (pl.col("end_reason") == "eof").fill_null(False)
    )
    # Whoever else tells of these ends, only a timer's owner can say that it fired.
    over = story.connections.filter((pl.col("gone") & ~pl.col("fragment")) | pl.col("timer"))
    known = counted(over, always=pl.col("timer"))
    clocks = {
        "idle": pl.col("idle_s"),
        "idle_c2s": _silent_s("c2s", moment),
        "idle_s2c": _silent_s("s2c", moment),
        "age": pl.col("age_s"),
    }
    ended = pl.when("gone").then(moment).alias("ended")
    told = with_their_lives(
        _stated(story.signs), over.select("session", ended, "code", "vantages", **clocks)
    )
    from_expiry_s = (moment - pl.col("expires")).dt.total_microseconds().abs() / 1e6
    return (
        known.join(told, on="session", how="left")
        .filter(pl.col("again").is_null())
        .join(_unseen(story.signs), on="session", how="left")
        .join(_queued(story.signs), on="session", how="left")
        .with_columns(
            stated=pl.when(~bystander).then("stated"),
            observed_s=pl.col("stated_s"),
            # A server's reason for closing is its own word, whatever the source that shows it.
            said_timeout=pl.col("reason").str.contains(_BARE_TIMEOUT).fill_null(False)
            & (pl.col("closed_by") == "server"),
            _near_expiry=from_expiry_s <= NEAR_EXPIRY_S,
        )
        .select(
            "session",
            "stated",
            "owner",
            "stated_s",
            "observed_s",
            "closed_by",
            "code",
            "frameless",
            "vantages",
            "heartbeat_timeout",
            "pings",
            "said_timeout",
            "end_reason",
            witnesses=pl.col("vantages").list.len() - pl.col("unseen").fill_null(0),
            by_proxy=(pl.col("by") == "proxy").fill_null(False),
            **{name: pl.coalesce(own, f"told_{name}") for name, own in clocks.items()},
            tick=_tick(),
            proxied=pl.col("vantages").list.contains("proxy") | (pl.col("legs") > 1),
            expiring=pl.col("_near_expiry").fill_null(False)
            | pl.col("code").is_in(AUTH_CODES).fill_null(False),
            queued=(
                (moment - pl.col("_queued")).dt.total_microseconds() / 1e6 <= QUEUED_S
            ).fill_null(False),
            ended=ended,
            started="opened",
            pointers="closing",
        )
    )


def _unseen(events: pl.LazyFrame) -> pl.LazyFrame:
    """From how many vantages of each session the evidence stops before its end, as a HAR does."""
    over = pl.col("kind").is_in(["close", "end"])
    stops = (pl.col("reason") == "evidence-stops").fill_null(value=False)
    return (
        events.filter(over & pl.col("session").is_not_null())
        .group_by("session", "vantage")
        .agg(_stops=stops.all())
        .group_by("session")
        .agg(unseen=pl.col("_stops").sum())
    )


def _queued(events: pl.LazyFrame) -> pl.LazyFrame:
    """When it was last said of each session that more is sent than read."""
    said = (pl.col("kind") == "backpressure") & pl.col("session").is_not_null()
    return events.filter(said).group_by("session").agg(_queued=pl.col("ts").max())


def _silent_s(way: str, until: pl.Expr) -> pl.Expr:
    """For how long nothing had come this way, in seconds; null where nobody saw the traffic."""
    since = pl.max_horizontal(f"last_{way}", "opened")
    silent = (until - since).dt.total_microseconds() / 1e6
    return pl.when(pl.col("idle_s").is_not_null()).then(silent)


def _tick() -> pl.Expr:
    """How finely the times of a connection are told, in seconds."""
    whole = (pl.col("ended").dt.microsecond() == 0) & (pl.col("opened").dt.microsecond() == 0)
    coarse = whole.fill_null(False) & ~pl.col("vantages").list.contains("network")
    return pl.when(coarse).then(COARSE_TICK_S).otherwise(TICK_S)


def _stated(events: pl.LazyFrame) -> pl.LazyFrame:
    """What the owner of a timer, or an observer, logs about each session."""
    reason = pl.col("reason")
    return (
        events.filter(
            (pl.col("kind") == "timeout")
            & pl.col("session").is_not_null()
            & ~reason.str.contains(_OF_A_HANDSHAKE)
            & (reason.str.contains(_IDLE) | reason.str.contains(_AGE))
        )
        .group_by("session")
        .agg(
            pl.when(reason.str.contains(_AGE).any())
            .then(pl.lit("age"))
            .otherwise(pl.lit("idle"))
            .alias("stated"),
            pl.when((pl.col("vantage") == "proxy").any())
            .then(pl.lit("proxy"))
            .otherwise(pl.lit("server"))
            .alias("by"),
            pl.when(reason.str.contains("^[cs]D").any())
            .then(pl.lit("haproxy"))
            .when(reason.str.contains(_ENVOY).any())
            .then(pl.lit("envoy"))
            .alias("owner"),
            (pl.col("ms").max() / 1000).alias("stated_s"),
        )
    )
