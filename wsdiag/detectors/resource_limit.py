"""A limit of the machine or the process is reached.

What it finds: programs or the kernel saying that file descriptors, connections, ports, connection
tracking entries or memory are used up.
Why it matters: new connections fail, or the process is killed, although nothing is wrong with any
single connection.
How it decides: by the error itself, which no other fault writes.
What it cannot see: a limit that is reached in silence: a full backlog, a cloud quota. Attempts that
fail while the number of live connections stays flat point there.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story
from wsdiag.finding import Severity, flag, plural
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
    """One finding over all reports, counted by line or connection."""
    rows = stated(story.events, ID)
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.95,
        message=pl.format("{} of a used-up limit ({})", plural("report"), pl.col("text").first()),
        traits=marks(ID, pl.col("text")),
    )
