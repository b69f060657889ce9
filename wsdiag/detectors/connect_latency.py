"""Connections that take too long to open.

What it finds: the p95 of the time from the client's first step to the 101 is above the target.
Why it matters: a slow handshake is what a user feels as "it hangs", and a client-side connect
timeout turns it into failed connections.
How it decides: one figure per connection, as the client felt it: the client's own, else the longest
leg on the wire, else what a proxy or server logged. Only connections that opened are measured.
What it cannot see: name resolution and TLS before the first packet of a capture.
"""

from __future__ import annotations

import polars as pl

from wsdiag.beyond import over_target, within_target
from wsdiag.connections import Story, by_path, counted
from wsdiag.finding import Severity
from wsdiag.targets import Goals, Targets

ID = "connect-latency"
TITLE = "Connections open slowly"
NEEDS = (
    "no source measures a handshake: it takes a capture, a HAR, a proxy log with timings or a "
    "client log of attempt and open"
)


def judged(story: Story, goals: Goals) -> pl.LazyFrame:
    """How many handshakes were measured."""

    def judge(values: pl.LazyFrame, targets: Targets, where: str) -> pl.LazyFrame:
        goal, rank = targets.connect_ms, targets.percentile
        return within_target(values, goal, "ms", rank, "handshakes", where)

    return by_path.judged(_values(story), story, goals, judge)


def detect(story: Story, goals: Goals) -> pl.LazyFrame:
    """One finding when the percentile is above `connect_ms`."""

    def judge(values: pl.LazyFrame, targets: Targets, where: str) -> pl.LazyFrame:
        return over_target(
            values,
            detector=ID,
            severity=Severity.WARNING,
            target=targets.connect_ms,
            unit="ms",
            percentile=targets.percentile,
            what="handshake",
            where=where,
        )

    return by_path.found(_values(story), story, goals, judge)


def _values(story: Story) -> pl.LazyFrame:
    return (
        counted(story.connections)
        .filter(pl.col("handshake_ms").is_not_null() & pl.col("was_open"))
        .select(
            "session",
            started=pl.coalesce("attempted", "opened"),
            ended="opened",
            measured="handshake_ms",
            pointers="opening",
        )
    )
