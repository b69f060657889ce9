"""Where two sources contradict each other about one connection: evidence, not noise.

An API makes up what it was not told, a log leaves out what it did not see. Each contradiction is a
fact with a proof pointer on both sides; which of them to believe is the cause's to say.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from wsdiag.clocks import Clock
from wsdiag.connections import Story
from wsdiag.disagreements import codes, lives, order, pings
from wsdiag.disagreements.shape import SHAPE

KINDS = {
    "code-lost": "a close code that was sent did not reach the other side's API",
    "end-embellished": "a log states a clean end, the wire shows none",
    "ping-unlogged": "pings crossed the wire that the log which tells of others does not know",
    "left-counted": "a server counts connections that their clients had left",
    "clock-broken": "effects stand before their causes: a clock was set, or lines written late",
}
"""Each kind of contradiction, in a user's words; causes ask for them as `disagreement:KIND`."""

TOLD = ("open", "close", "end", "heartbeat_timeout")
"""Kinds about which sources contradict each other, beside pings with a payload."""


def find(story: Story, clocks: Mapping[str, Clock], broken: pl.DataFrame) -> pl.DataFrame:
    """Columns kind, session, said (the two sides in words), one and other (POINTER); in the order
    of KINDS, then of time. `broken` is what `clocks.contradictions` found.
    """
    told = pl.col("kind").is_in(TOLD) | ((pl.col("kind") == "ping") & pl.col("trace").is_not_null())
    about = story.signs.filter(told & pl.col("session").is_not_null())
    events = about.collect(engine="in-memory")
    found = [
        *codes.find(events, story.events),
        pings.find(events),
        lives.find(events, story.events, clocks),
        order.find(broken, story.events),
    ]
    rank = pl.col("kind").replace_strict({kind: n for n, kind in enumerate(KINDS)})
    at = pl.col("one").struct.field("ts")
    return pl.concat([pl.DataFrame(schema=SHAPE), *found]).sort(
        rank, at, "session", nulls_last=True, maintain_order=True
    )
