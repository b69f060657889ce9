"""Messages that do not arrive although connections live.

What it finds: the broker behind the servers being lost, as a server says, and gaps in numbered
messages, as a client or server says.
Why it matters: sockets are open and pings are answered, so every health check passes while users
see nothing new.
How it decides: by the program's own words about its broker, adapter or publish, or about a missing
number.
What it cannot see: a feed that is silent without a word: compare with another client on the same
topic.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story
from wsdiag.finding import Severity, flag, plural
from wsdiag.targets import Targets
from wsdiag.wordings import marks, stated

ID = "delivery-gap"
TITLE = "Messages do not arrive"
NEEDS = (
    "no server or client log of connections in the evidence: a lost broker and missing numbers are "
    "reported there"
)


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How much servers and clients told of their connections."""
    spoken = pl.col("vantage").is_in(["server", "client"]) & pl.col("session").is_not_null()
    return story.events.filter(spoken).select(
        judged=pl.len().cast(pl.Int64),
        said=pl.lit("no log reports a lost broker or a gap in numbered messages"),
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all reports, counted by line or connection."""
    live = story.connections.select(open_then=(pl.col("was_open") & ~pl.col("rejected")).sum() > 0)
    return flag(
        stated(story.events, ID).join(live, how="cross"),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        message=pl.format(
            "{} of messages that do not arrive ({})", plural("report"), pl.col("text").first()
        ),
        traits=(
            *marks(ID, pl.col("text")),
            pl.when(pl.col("open_then").first()).then(pl.lit("sockets-open")),
        ),
    )
