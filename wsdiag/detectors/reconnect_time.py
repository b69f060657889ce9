"""Clients that are away too long after a disconnect.

What it finds: the p95 of the time from the end of a connection to the same client's next 101 is
above the target.
Why it matters: for that long the user has no live data, whatever closed the connection.
How it decides: only ends that the client did not choose (who comes later than libraries do, after
a 1000 or 1001 of which no source says whose it was, may have chosen it, unless others were closed
with it), and only clients that can be recognised again: by user, by the id a client log gives them,
or by credential. Never by address alone, since many clients share one.
Beside it: clients that say that they give up, ends after which a library does not try again by
itself, with no later attempt in that client's evidence, and pages whose attempts failed and
stopped, although their server answered other requests long after.
What it cannot see: clients without a log of their own that never came back.
"""

from __future__ import annotations

import polars as pl

from wsdiag.beyond import over_target, within_target
from wsdiag.connections import Story, by_path, reconnects
from wsdiag.event import SERVED
from wsdiag.finding import SPOT, UNMEASURED, Severity, clause, flag, plural, trait
from wsdiag.targets import Goals, Targets
from wsdiag.wordings import marks, stated

ID = "reconnect-time"
TITLE = "Clients reconnect slowly"
NEEDS = (
    "no client could be followed across a reconnect: log a user or client id with every "
    "connection, or collect the client's own log"
)

DISMISSED = "(?i)^io server disconnect"
"""socket.io does not reconnect by itself after a disconnect by the server (its client docs)."""

FATAL_CODES = (4400, 4401, 4004, 4005, 4406, 4409, 4429, 4500)
"""Closes after which graphql-ws does not retry (enisdenjo/graphql-ws src/client.ts)."""

MUCH_LONGER, LONG_AFTER = 3, pl.duration(seconds=30)
"""Who backs off waits for twice the last time, at most: after three times of it nothing comes."""


def judged(story: Story, goals: Goals) -> pl.LazyFrame:
    """How many reconnects were measured."""

    def judge(values: pl.LazyFrame, targets: Targets, where: str) -> pl.LazyFrame:
        goal, rank = targets.reconnect_s, targets.percentile
        return within_target(values, goal, "s", rank, "reconnects", where)

    return by_path.judged(_values(story), story, goals, judge)


def detect(story: Story, goals: Goals) -> pl.LazyFrame:
    """One finding when the percentile is above `reconnect_s`, one over those who stay away."""
    return pl.concat([by_path.found(_values(story), story, goals, _slow), _away(story)])


def _slow(values: pl.LazyFrame, targets: Targets, where: str) -> pl.LazyFrame:
    return over_target(
        values,
        detector=ID,
        severity=Severity.WARNING,
        target=targets.reconnect_s,
        unit="s",
        percentile=targets.percentile,
        what="reconnect",
        where=where,
        traits=(
            trait("no-failed-tries", (pl.col("_failed") == 0).all()),
            trait("failed-tries", (pl.col("_failed") > 0).any()),
        ),
    )


def _away(story: Story) -> pl.LazyFrame:
    """One finding over the clients that do not come back."""
    said = stated(story.signs.filter(pl.col("kind").is_in(["error", "close", "end"])), ID)
    return flag(
        pl.concat(
            [said, _dismissed(story.signs), _stopped_trying(story.signs)], how="diagonal_relaxed"
        ),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.8,
        message=pl.format(
            "{} not back{}", plural("client"), clause(" ({})", pl.col("text").drop_nulls().first())
        ),
        traits=(
            *marks(ID, pl.col("text")),
            trait("never-again", pl.col("dismissed").any()),
            trait("though-served", pl.col("served").fill_null(value=False).any()),
        ),
    )


def _dismissed(events: pl.LazyFrame) -> pl.LazyFrame:
    """The last ends after which a client's library does not come back by itself."""
    tries = (
        events.filter(pl.col("kind").is_in(["attempt", "open", "rejected", "refused"]))
        .group_by("source")
        .agg(pl.col("pos").max().alias("last_try"))
    )
    return (
        events.filter(
            pl.col("kind").is_in(["close", "end"])
            & (pl.col("vantage") == "client")
            & (
                pl.col("reason").str.contains(DISMISSED)
                | (pl.col("kind") == "close") & pl.col("code").is_in(FATAL_CODES)
            ).fill_null(False)
        )
        .join(tries, on="source", how="left")
        .filter((pl.col("last_try") < pl.col("pos")).fill_null(True))
        .select(
            "session",
            started="ts",
            ended="ts",
            measured=UNMEASURED,
            pointers=pl.concat_list(SPOT),
            text="reason",
            dismissed=pl.lit(True),
        )
    )


def _stopped_trying(events: pl.LazyFrame) -> pl.LazyFrame:
    """Pages of which no attempt came through at last, and which made no more, while their server
    answered other requests for longer than they had ever waited."""
    at = pl.col("ts")
    failed = pl.col("kind").is_in(["refused", "rejected", "error"])
    served = (pl.col("kind") == "page") & (pl.col("reason") == SERVED)
    opened = events.filter(pl.col("kind") == "open").group_by("source").agg(opened=at.max())
    tries = (
        events.filter((pl.col("kind") == "attempt") & at.is_not_null())
        .join(opened, on="source", how="left")
        .filter((at > pl.col("opened")).fill_null(value=True))
        .sort("ts")
        .group_by("source")
        .agg(
            tries=pl.len(),
            last_try=at.max(),
            waited=at.diff().max(),
            session=pl.col("session").last(),
            tried_at=SPOT.last(),
        )
    )
    ends = events.filter(failed).group_by("session").agg(pl.lit(value=True).alias("failed"))
    return (
        events.filter(served & at.is_not_null())
        .group_by("source")
        .agg(answered=at.max(), answered_at=SPOT.last())
        .join(tries.filter(pl.col("tries") > 1), on="source")
        .join(ends, on="session")
        .filter(
            pl.col("answered") - pl.col("last_try")
            >= pl.max_horizontal(LONG_AFTER, MUCH_LONGER * pl.col("waited"))
        )
        .select(
            "session",
            started="last_try",
            ended="answered",
            measured=UNMEASURED,
            pointers=pl.concat_list("tried_at", "answered_at"),
            text=pl.format(
                "{} attempts, then none for {} s while its server answers",
                "tries",
                (pl.col("answered") - pl.col("last_try")).dt.total_seconds(),
            ),
            served=pl.lit(value=True),
        )
    )


def _values(story: Story) -> pl.LazyFrame:
    gaps = reconnects(story.connections)
    failures = story.connections.filter(
        (pl.col("rejected") | pl.col("refused")) & pl.col("client").is_not_null()
    ).select("client", failed="first")
    tried = (
        gaps.select("session", "client", "ended", "reopened")
        .join(failures, on="client")
        .group_by("session")
        .agg(_failed=pl.col("failed").is_between(pl.col("ended"), pl.col("reopened")).sum())
    )
    told = gaps.join(tried, on="session", how="left", maintain_order="left")
    return told.select(
        "session",
        pl.col("_failed").fill_null(0),
        started="ended",
        ended="reopened",
        measured="reconnect_s",
        pointers=pl.concat_list(pl.col("closing").list.head(1), pl.col("reopening").list.head(1)),
    )
