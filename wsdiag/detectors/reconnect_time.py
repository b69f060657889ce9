"""Clients that are away too long after a disconnect.

What it finds: the p95 of the time from the end of a connection to the same client's next 101 is
above the target.
Why it matters: for that long the user has no live data, whatever closed the connection.
How it decides: only ends that the client did not choose, and only clients that can be recognised
again: by user, by the id a client log gives them, or by credential. Never by address alone, since
many clients share one.
What it cannot see: clients that never came back are not measured here.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, reconnects
from wsdiag.finding import Severity, over_target, within_target
from wsdiag.targets import Targets

ID = "reconnect-time"
TITLE = "Clients reconnect slowly"
NEEDS = (
    "no client could be followed across a reconnect: log a user or client id with every "
    "connection, or collect the client's own log"
)


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many reconnects were measured."""
    return within_target(_values(story), targets.reconnect_s, "s", targets.percentile, "reconnects")


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding when the percentile is above `reconnect_s`."""
    return over_target(
        _values(story),
        detector=ID,
        severity=Severity.WARNING,
        target=targets.reconnect_s,
        unit="s",
        percentile=targets.percentile,
        what="reconnect",
        traits=(
            pl.when((pl.col("_failed") == 0).all()).then(pl.lit("no-failed-tries")),
            pl.when((pl.col("_failed") > 0).any()).then(pl.lit("failed-tries")),
        ),
    )


def _values(story: Story) -> pl.LazyFrame:
    gaps = reconnects(story.connections)
    failures = story.connections.filter(
        (pl.col("rejected") | pl.col("refused")) & pl.col("client").is_not_null()
    ).select("client", failed="first")
    tried = (
        gaps.join(failures, on="client", how="left")
        .group_by("session", maintain_order=True)
        .agg(
            pl.all().exclude("failed").first(),
            _failed=pl.col("failed").is_between(pl.col("ended"), pl.col("reopened")).sum(),
        )
    )
    return tried.select(
        "session",
        "_failed",
        started="ended",
        ended="reopened",
        measured="reconnect_s",
        pointers=pl.concat_list(pl.col("closing").list.head(1), pl.col("reopening").list.head(1)),
    )
