"""Messages that are answered too slowly.

What it finds: the p95 of message latency is above the target.
Why it matters: the connection lives, but users see their own actions late.
How it decides: a latency that a source states, the time between a request and the answer that
carries the same id, between what one client publishes and the others receive with one id, or on
the wire between a text without an id and its echo, each seen at one place; the report says which.
Differences between two places are never taken. Numbers that both sides count by themselves are no
ids, and what is said more than once is no echo.
What it cannot see: latency of messages that carry no id and that nobody timed.
"""

from __future__ import annotations

import polars as pl

from wsdiag.beyond import over_target, within_target
from wsdiag.connections import Story, by_path, proofs, said_how
from wsdiag.connections.slowness import ACK_SHARE, shapes
from wsdiag.finding import Severity, trait
from wsdiag.targets import Goals, Targets

ID = "message-latency"
TITLE = "Messages are slow"
NEEDS = (
    "no message carries an id that its answer repeats, and no log states a latency: log round-trip "
    "times in the client, or put an id into requests and answers"
)


def judged(story: Story, goals: Goals) -> pl.LazyFrame:
    """How many messages were timed."""

    def judge(values: pl.LazyFrame, targets: Targets, where: str) -> pl.LazyFrame:
        goal, rank = targets.message_ms, targets.percentile
        return within_target(values, goal, "ms", rank, "messages", _timed(where))

    values = story.trips.rename({"ms": "measured"})
    return by_path.judged(values, story, goals, judge)


def detect(story: Story, goals: Goals) -> pl.LazyFrame:
    """One finding when the percentile is above `message_ms`."""
    values = story.trips.rename({"ms": "measured"}).join(
        shapes(story.trips, story.exchanges), on="session", how="left"
    )
    most = pl.len() * 0.5

    def judge(values: pl.LazyFrame, targets: Targets, where: str) -> pl.LazyFrame:
        return over_target(
            values,
            detector=ID,
            severity=Severity.WARNING,
            target=targets.message_ms,
            unit="ms",
            percentile=targets.percentile,
            what="message",
            where=_timed(where),
            proofs=proofs(),
            traits=(
                trait("delayed-ack", pl.col("ack_share").max() >= ACK_SHARE),
                trait("ramps", pl.col("ramps").sum() >= most),
                trait("grid", pl.col("grid").sum() >= most),
                trait("behind-big-messages", pl.col("behind").sum() >= most),
            ),
        )

    return by_path.found(values, story, goals, judge)


def _timed(where: str) -> pl.Expr:
    """How these messages were timed, and where they are."""
    return pl.format(" ({}){}", said_how(pl.col("how")), pl.lit(where))
