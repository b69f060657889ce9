"""Connections cut because nothing was said on them.

What it finds: ends that a proxy or server logs as its idle timer, and ends that come after the
same stretch of silence again and again.
Why it matters: the path between client and server has a timer that neither of them knows.
How it decides: the owner's own log line is proof. Without it, at least three connections that a
side other than the client ended without a Close frame, after silences within 1.5 % of each other,
at different moments; one connection that survived a longer silence refutes the timer. Where only
ages are known (an access log), equal ages are reported as such: idle time and age cannot be told
apart.
What it cannot see: which hop owns the timer, when the capture shows one leg only.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, counted
from wsdiag.finding import Severity, flag, plural
from wsdiag.targets import Targets

ID = "idle-cut"
TITLE = "Idle connections are cut"
NEEDS = (
    "no source shows both the end of a connection and the silence before it: a capture, or a proxy "
    "log with durations (nginx $request_time) or its error log at level info does"
)

TICK_S, SPREAD = 0.5, 0.015
"""Timers tick coarsely, and a repeated silence lies within 1.5 % of the timer's value."""

SURVIVED = 1.05
"""A silence so many times the timer's that is survived refutes the timer."""

REPEATED = 3
"""So many equal silences make a timer; fewer may be chance."""

SHORTEST_S = 4.0
"""Shorter silences are ordinary gaps between messages."""

CATALOGUE_S = (30.0, 50.0, 55.0, 60.0, 100.0, 120.0, 230.0, 240.0, 300.0, 350.0, 600.0, 3600.0)
"""Defaults of hops: HAProxy samples 30 and 50, Heroku 55, nginx, ALB and Apache 60, uWS 120,
Azure 240, Envoy 300, NLB 350, API Gateway 600."""

_TIMER = "(?i)upgraded|tunnel|idle|proxying connection|^[cs]D|ping interval|inactiv"


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many ends came with a known silence or age, or a logged timer."""
    known = pl.col("gone") & (
        pl.col("idle_s").is_not_null() | pl.col("age_s").is_not_null() | pl.col("timer")
    )
    return story.connections.filter(known).select(
        judged=pl.len().cast(pl.Int64),
        said=pl.format("{} ends seen, no idle timer among them", pl.len()),
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all connections concerned."""
    ends = _ends(story)
    inferred = _spike(ends, story.connections)
    rows = (
        ends.join(inferred, on="session", how="left")
        .join(_unanswered_handshakes(story.events), how="cross")
        .filter(pl.col("logged") | pl.col("inferred").is_not_null())
        .with_columns(measured=pl.coalesce("stated_s", "silence"))
    )
    silence = pl.col("measured").median()
    ambiguous = (pl.col("same_as_age") & ~pl.col("logged")).all()
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=pl.when(pl.col("logged").any())
        .then(0.95)
        .when(pl.col("closed_by").is_in(["proxy"]).any() & (pl.len() >= REPEATED))
        .then(0.8)
        .when(ambiguous)
        .then(0.55)
        .otherwise(0.7),
        message=pl.format(
            "{} cut after {} of silence{}",
            plural("connection"),
            pl.when(silence.is_not_null())
            .then(pl.format("{} s", silence.round(1)))
            .otherwise(pl.lit("an unknown time")),
            pl.when(ambiguous)
            .then(
                pl.lit(", as long as the connection lived: idle time and age cannot be told apart")
            )
            .otherwise(pl.lit("")),
        ),
        traits=(
            pl.when((pl.col("logged") & pl.col("by_proxy") & ~pl.col("flagged")).any()).then(
                pl.lit("proxy-timer-logged")
            ),
            pl.when(pl.col("flagged").any()).then(pl.lit("haproxy-flag")),
            pl.when((pl.col("logged") & ~pl.col("by_proxy")).any()).then(
                pl.lit("server-timer-logged")
            ),
            pl.when(pl.col("inferred").is_not_null().sum() >= REPEATED).then(pl.lit("repeats")),
            pl.when((pl.col("closed_by") == "proxy").any()).then(pl.lit("proxy-ended")),
            pl.when(ambiguous).then(pl.lit("idle-equals-age")),
            pl.when(_in_catalogue(silence)).then(pl.lit("catalogue")),
            pl.when(pl.col("proxied").any()).then(pl.lit("behind-proxy")),
            pl.when(pl.col("unanswered").first() >= pl.len()).then(pl.lit("backend-silent")),
        ),
        measured=silence,
        unit="s",
    )


def _ends(story: Story) -> pl.LazyFrame:
    """Ends that an idle timer could have made, with their silence in seconds."""
    timers = (
        story.events.filter(
            (pl.col("kind") == "timeout")
            & pl.col("session").is_not_null()
            & pl.col("reason").str.contains(_TIMER)
            & ~pl.col("reason").str.contains("(?i)response header|connecting to upstream")
        )
        .group_by("session")
        .agg(
            (pl.col("vantage") == "proxy").any().alias("by_proxy"),
            pl.col("reason").str.contains("^[cs]D").any().alias("flagged"),
            (pl.col("ms").max() / 1000).alias("stated_s"),
        )
    )
    return (
        counted(story.connections.filter("gone"))
        .join(timers, on="session", how="left")
        .with_columns(logged=pl.col("by_proxy").is_not_null())
        .filter(
            pl.col("logged")
            | (
                pl.col("code").is_null()
                & (pl.col("frameless") | (pl.col("vantages").list.len() == 1))
                & (pl.col("closed_by") != "client").fill_null(True)
                & ~pl.col("heartbeat_timeout")
            )
        )
        .select(
            "session",
            "logged",
            "closed_by",
            "age_s",
            "idle_s",
            "stated_s",
            by_proxy=pl.col("by_proxy").fill_null(False),
            flagged=pl.col("flagged").fill_null(False),
            silence=pl.coalesce("idle_s", "age_s"),
            same_as_age=pl.col("idle_s").is_null()
            | ((pl.col("age_s") - pl.col("idle_s")).abs() <= TICK_S).fill_null(False),
            proxied=pl.col("vantages").list.contains("proxy") | (pl.col("legs") > 1),
            started="opened",
            ended=pl.coalesce("ended", "closed"),
            pointers="closing",
        )
    )


def _unanswered_handshakes(events: pl.LazyFrame) -> pl.LazyFrame:
    """How often a proxy gave up on a handshake: then the backend answers nobody, idle or not."""
    gave_up = (pl.col("kind") == "timeout") & pl.col("reason").str.contains("(?i)response header")
    return events.select(unanswered=gave_up.fill_null(False).sum())


def _spike(ends: pl.LazyFrame, connections: pl.LazyFrame) -> pl.LazyFrame:
    """Sessions whose silence is the repeated one.

    Not when their ends fall together, and not when any connection survived a longer silence.
    """
    margin = pl.max_horizontal(pl.col("silence") * SPREAD, pl.lit(TICK_S))
    order = pl.col("silence").sort()
    near = order.search_sorted(pl.col("silence") + margin, side="right") - order.search_sorted(
        pl.col("silence") - margin, side="left"
    )
    candidates = (
        ends.filter(
            ~pl.col("logged")
            & (pl.col("silence") >= SHORTEST_S)
            & (pl.col("closed_by").is_in(["proxy", "server", "unknown"])).fill_null(True)
        )
        .sort("silence", maintain_order=True)  # a search in order is many times faster
        .with_columns(near=near)
        .with_columns(
            timer=pl.col("silence").filter(pl.col("near") == pl.col("near").max()).median()
        )
        .filter((pl.col("silence") - pl.col("timer")).abs() <= margin)
    )
    apart = (pl.col("ended").max() - pl.col("ended").min()).dt.total_microseconds() / 1e6
    return (
        candidates.with_columns(n=pl.len(), apart=apart)
        .join(connections.select(survived=pl.col("longest_gap_s").max()), how="cross")
        .filter((pl.col("survived") <= pl.col("timer") * SURVIVED + TICK_S).fill_null(True))
        .filter(
            ((pl.col("n") >= REPEATED) & (pl.col("apart") > 2.0))
            | (
                (pl.col("n") < REPEATED)
                & _in_catalogue(pl.col("timer"))
                & (pl.col("closed_by") == "proxy")
            )
        )
        .select("session", inferred="timer")
    )


def _in_catalogue(seconds: pl.Expr) -> pl.Expr:
    """Whether a silence is a known default: at most 1.5 % under it and one tick or 5 % over it."""
    return pl.any_horizontal(
        *(seconds.is_between(known * 0.985, known * 1.05) for known in CATALOGUE_S)
    ).fill_null(False)
