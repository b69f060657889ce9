"""The network between client and server fails.

What it finds: a client or server saying that its network changed, went away or did not answer.
Why it matters: TCP notices a lost path only when it sends, so both sides may believe for minutes in
a connection that is gone.
How it decides: by the error of the operating system or the browser, which names the network.
What it cannot see: loss below what anyone reports: a capture shows retransmissions.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story
from wsdiag.finding import Severity, flag, plural
from wsdiag.targets import Targets
from wsdiag.wordings import marks, stated

ID = "path-loss"
TITLE = "The network path fails"
NEEDS = (
    "no attempts or ends of connections in the evidence: a capture, a client's log or its console "
    "shows them"
)


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections were tried or ended."""
    seen = pl.col("was_open") | pl.col("gone") | pl.col("attempted").is_not_null()
    return story.connections.filter(seen).select(
        judged=pl.len().cast(pl.Int64),
        said=pl.format("{} connections seen, none with an error of the network", pl.len()),
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all reports, counted by connection or line."""
    return flag(
        stated(story.events, ID),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.85,
        message=pl.format("{} of a failing network ({})", plural("report"), pl.col("text").first()),
        traits=marks(ID, pl.col("text")),
    )
