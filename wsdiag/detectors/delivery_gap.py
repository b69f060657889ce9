"""Messages that do not arrive although connections live.

What it finds: the broker behind the servers being lost, as a server says; gaps in numbered
messages, as a client or server says; topics on which clients publish on and nobody gets anything
any more.
Why it matters: sockets are open and pings are answered, so every health check passes while users
see nothing new.
How it decides: by the program's own words about its broker, adapter or publish, or about a missing
number. Without words: on a topic at least five messages were delivered within a second, four of
five of all, then the last five or more, from at least two clients, reached nobody, while those who
had received before were still connected.
What it cannot see: a feed of the server's own that falls silent: nobody publishes there, and
silence may be all there is to say.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story
from wsdiag.finding import SPOT, UNMEASURED, Severity, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import marks, stated

ID = "delivery-gap"
TITLE = "Messages do not arrive"
NEEDS = (
    "no server or client log of connections in the evidence: a lost broker and missing numbers are "
    "reported there"
)


DELIVERED_WITHIN = pl.duration(seconds=1)
ENOUGH, MOSTLY, SEVERAL = 5, 0.8, 2


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How much servers and clients told of their connections, and how many messages had a topic."""
    spoken = pl.col("vantage").is_in(["server", "client"]) & pl.col("session").is_not_null()
    return story.events.filter(spoken | _PUBLISHED).select(
        judged=pl.len().cast(pl.Int64),
        said=pl.lit(
            "no log reports a lost broker or a gap in numbered messages, no topic fell dumb"
        ),
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all reports, counted by line or connection, and one over dumb topics."""
    live = story.connections.select(open_then=(pl.col("was_open") & ~pl.col("rejected")).sum() > 0)
    return pl.concat([_reported(story, live), _dumb(story)])


def _reported(story: Story, live: pl.LazyFrame) -> pl.LazyFrame:
    return flag(
        stated(story.signs, ID).join(live, how="cross"),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        message=pl.format(
            "{} of messages that do not arrive ({})", plural("report"), pl.col("text").first()
        ),
        traits=(
            *marks(ID, pl.col("text")),
            trait("sockets-open", pl.col("open_then").first()),
        ),
    )


_PUBLISHED = (
    (pl.col("kind") == "message")
    & (pl.col("dir") == "c2s")
    & pl.col("topic").is_not_null()
    & pl.col("session").is_not_null()
)


def _dumb(story: Story) -> pl.LazyFrame:
    """One finding over the messages that reached nobody on a topic on which they had before."""
    return flag(
        _lost(story).select(
            "session",
            started="ts",
            ended="ts",
            measured=UNMEASURED,
            pointers=pl.concat_list("spot"),
        ),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.8,
        message=pl.format(
            "{} published reached nobody, while others who had received before were connected",
            plural("message"),
        ),
        traits=(pl.lit("published-in-vain"),),
    )


def _lost(story: Story) -> pl.LazyFrame:
    """The messages after the last that reached anybody, on topics that nearly always had."""
    messages = story.events.filter((pl.col("kind") == "message") & pl.col("ts").is_not_null())
    delivered = messages.filter(
        (pl.col("dir") == "s2c") & pl.col("topic").is_not_null() & pl.col("session").is_not_null()
    )
    # A server that answers nothing at all is blocked, not deaf to its broker.
    answering = story.events.filter(
        pl.col("kind").is_in(["message", "ping", "pong"]) & (pl.col("dir") == "s2c")
    ).select(answered=pl.col("ts").max())
    return (
        _published(messages, delivered)
        .with_columns(
            enough=(pl.col("before").sum() >= ENOUGH).over("topic"),
            usually=(pl.col("reached").filter("before").mean() >= MOSTLY).over("topic"),
        )
        .join(_listened_until(delivered, story.connections), on="topic")
        .join(answering, how="cross")
        .filter(~pl.col("before") & pl.col("enough") & pl.col("usually"))
        .filter(pl.col("ts") <= pl.min_horizontal("until", "answered"))
        .filter(
            (pl.len() >= ENOUGH).over("topic")
            & (pl.col("session").n_unique() >= SEVERAL).over("topic")
        )
    )


def _published(messages: pl.LazyFrame, delivered: pl.LazyFrame) -> pl.LazyFrame:
    """What clients published: whether it `reached` anybody, and whether it came `before` the last
    delivery on its topic."""
    published = (
        messages.filter(_PUBLISHED)
        # On both legs of a proxied connection it is one message.
        .unique(["session", "topic", "trace"], keep="first", maintain_order=True)
        .select("ts", "session", "topic", spot=SPOT)
    )
    soon = pl.col("arrived").backward_fill().over("topic") - pl.col("ts") <= DELIVERED_WITHIN
    return (
        pl.concat([published, delivered.select("ts", "topic", arrived="ts")], how="diagonal")
        .sort("topic", "ts")
        .with_columns(
            reached=soon.fill_null(False),
            before=pl.col("ts") <= pl.col("arrived").max().over("topic"),
        )
        .filter(pl.col("session").is_not_null())
    )


def _listened_until(delivered: pl.LazyFrame, connections: pl.LazyFrame) -> pl.LazyFrame:
    """Until when a topic's sender had at least two others who had received before."""
    until = pl.coalesce("ended", "last_seen")
    return (
        delivered.select("topic", "session")
        .unique()
        .join(connections.select("session", until=until), on="session")
        .group_by("topic")
        .agg(pl.col("until").sort(descending=True).get(SEVERAL, null_on_oob=True))
    )
