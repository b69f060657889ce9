"""A limit of the machine or the process is reached.

What it finds: programs or the kernel saying that file descriptors, connections, ports, connection
tracking entries or memory are used up.
Why it matters: new connections fail, or the process is killed, although nothing is wrong with any
single connection.
How it decides: by the error itself, which no other fault writes. Where a log states memory, a line
through the samples tells whether it follows the connections ever made instead of the live ones.
What it cannot see: a limit that is reached in silence: a full backlog, a cloud quota. Attempts that
fail while the number of live connections stays flat point there.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, memory
from wsdiag.finding import SPOT, Severity, flag, plural
from wsdiag.targets import Targets
from wsdiag.wordings import marks, stated

ID = "resource-limit"
TITLE = "A limit of the machine or process is reached"
NEEDS = (
    "no server, proxy or kernel log in the evidence: that is where a limit is reported (dmesg, "
    "journalctl -k, the proxy's error log)"
)


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How much servers and proxies told of their connections."""
    spoken = pl.col("vantage").is_in(["server", "proxy"]) & pl.col("session").is_not_null()
    return story.events.filter(spoken).select(
        judged=pl.len().cast(pl.Int64),
        said=pl.lit("the logs of servers and proxies report no limit"),
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all reports, counted by line or connection; one over memory that grows."""
    return pl.concat([_stated(story), _leak(story)])


def _stated(story: Story) -> pl.LazyFrame:
    return flag(
        stated(story.signs, ID),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.95,
        message=pl.format("{} of a used-up limit ({})", plural("report"), pl.col("text").first()),
        traits=marks(ID, pl.col("text")),
    )


def _leak(story: Story) -> pl.LazyFrame:
    """Memory that follows the connections ever made and not the live ones."""
    samples = story.signs.filter(pl.col("kind") == "memory")
    rows = (
        samples.sort("ts")
        .select(
            session=pl.lit(None, dtype=pl.String),
            started=pl.col("ts").min(),
            ended=pl.col("ts").max(),
            pointers=pl.concat_list(SPOT.first(), SPOT.last()),
        )
        .head(1)
        .join(memory.cost(story.signs, story.connections), how="cross")
        .filter(pl.col("per_connect").is_not_null())
        .with_columns(measured="per_connect")
    )
    return flag(
        rows,
        detector=ID,
        severity=Severity.WARNING,
        confidence=0.8,
        message=pl.format(
            "memory grows by {} bytes with each connection ever made",
            pl.col("measured").first().round(0).cast(pl.Int64),
        ),
        traits=(pl.lit("grows-with-connects"),),
        unit="bytes",
    )
