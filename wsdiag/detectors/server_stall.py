"""A process that stops serving everyone at once.

What it finds: moments at which several connections wait together for answers, handshakes or pongs,
and processes that say themselves that they were blocked.
Why it matters: one blocking call in an event loop makes every connection of that process slow, and
heartbeats fail although network and peers are fine.
How it decides: waits longer than the target that overlap on at least half of the connections that
were busy then, and at least two, unless most waits that long are nobody else's; or a log line that
states the blocked time. Retransmissions around those moments speak for the network instead.
What it cannot see: a process with a single connection.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from wsdiag.connections import Story, proofs
from wsdiag.finding import SPOT, Severity, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import marks, says

ID = "server-stall"
TITLE = "The server stalls"
NEEDS = (
    "no waits of two connections could be compared: message round trips, handshake times or pongs "
    "of several clients are needed"
)

BUSY = 0.5
"""The share of the busy connections that must wait at the same time."""

SLOT = "1s"
"""Waits that end within the same second were shared."""

ALL_ALONG, TIMES = 0.7, 10
"""Where so many of all waits are long, for so many times the longest, no call blocks the server now
and then: what they all pass through is slower than what comes in."""

ALONE, LONGER = 4, 2.0
"""Where so many times as many waits as these are nobody else's, and no shorter by more than this
factor, it takes so long by itself: that two of them met says nothing."""

AROUND_S = (-2, -1, 0, 1, 2)
"""So near to a retransmission a wait may be the network's: what was lost before the capture, at the
end of what one side had to say, shows none of its own."""

PHASES_MS = (0, 500)
"""Two sets of slots, half a slot apart, so that no border divides what belongs together."""

ON = ("phase", "slot")
"""What a slot is known by."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many waits of at least two connections were measured."""
    waits = pl.concat(part.select("session") for part in _waits(story, targets))
    return waits.select(
        judged=pl.when(pl.col("session").n_unique() >= 2)
        .then(pl.len())
        .otherwise(0)
        .cast(pl.Int64),
        said=pl.format("{} waits compared, none shared by half of the busy connections", pl.len()),
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over shared waits, one over what processes say of themselves."""
    return pl.concat([_shared(story, targets), _stated(story)])


def _shared(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over the waits that connections shared."""
    rows = _in_shared_slots(story, targets)
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.85,
        message=pl.format(
            "{} connections waited at the same moments, up to {} ms",
            pl.len(),
            pl.col("measured").max().round(0).cast(pl.Int64),
        ),
        traits=(
            pl.lit("together"),
            trait("lasting", pl.col("slots").max() >= 5),
            trait("all-along", pl.col("all_along").first()),
            trait("long", pl.col("measured").max() >= 1000),
        ),
        unit="ms",
    )


def _in_shared_slots(story: Story, targets: Targets) -> pl.LazyFrame:
    """The connections that waited while most of the busy ones did, each with its longest wait."""
    narrow = ("session", "started", "ended", "ms", "slow")
    waits = _slotted(pl.concat(part.select(narrow) for part in _waits(story, targets)), "ended")
    busy = waits.group_by(*ON).agg(
        pl.col("session").n_unique().alias("busy"),
        pl.col("session").filter(pl.col("slow")).n_unique().alias("waiting"),
    )
    slots = (
        busy.filter((pl.col("waiting") >= 2) & (pl.col("waiting") >= BUSY * pl.col("busy")))
        .join(_lossy_slots(story.signs), on=list(ON), how="left")
        .filter(pl.col("lossy").is_null())
    )
    rows = (
        _slotted(pl.concat(_slow(story, targets)), "ended")
        .join(slots, on=list(ON))
        .sort("ms", descending=True)
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("started").min(),
            pl.col("ended").max(),
            pl.col("ms").max().alias("measured"),
            pl.col("waiting").max(),
            pl.col("slot").n_unique().alias("slots"),
            pl.col("pointers").first(),
        )
        .with_columns(_n=pl.len())
        .filter(pl.col("_n") >= 2)
    )
    told = rows.join(_all_along(rows, waits), how="cross").join(_alone(rows, waits), how="cross")
    usual = (pl.col("alone") >= ALONE * pl.col("_n")) & (
        pl.col("measured").max() <= LONGER * pl.col("alone_ms")
    )
    return told.filter(~usual.fill_null(value=False))


def _alone(rows: pl.LazyFrame, waits: pl.LazyFrame) -> pl.LazyFrame:
    """The long waits of other connections: how many, and how long they usually are."""
    others = waits.filter((pl.col("phase") == 0) & pl.col("slow")).join(
        rows.select("session"), on="session", how="anti"
    )
    return others.select(alone=pl.len(), alone_ms=pl.col("ms").median())


def _lossy_slots(events: pl.LazyFrame) -> pl.LazyFrame:
    """The slots near a retransmission: a wait there is the network's."""
    retransmits = events.filter(pl.col("kind") == "retransmit").select("ts")
    near = pl.concat(
        retransmits.with_columns(ts=pl.col("ts") + pl.duration(seconds=away)) for away in AROUND_S
    )
    return _slotted(near, "ts").select(*ON).unique().with_columns(lossy=True)


def _all_along(rows: pl.LazyFrame, waits: pl.LazyFrame) -> pl.LazyFrame:
    """Whether nearly all waits were long, for many times the longest."""
    span = rows.select(
        since=pl.col("started").min(), until=pl.col("ended").max(), longest=pl.col("measured").max()
    )
    lasted_ms = (pl.col("until") - pl.col("since")).first().dt.total_microseconds() / 1e3
    return (
        waits.filter(pl.col("phase") == 0)
        .join(span, how="cross")
        .filter(pl.col("ended").is_between("since", "until"))
        .select(
            all_along=(pl.col("slow").mean() >= ALL_ALONG)
            & (lasted_ms >= TIMES * pl.col("longest").first())
        )
    )


def _slotted(rows: pl.LazyFrame, moment: str) -> pl.LazyFrame:
    """Each row once in each set of slots: columns `phase` and `slot`."""
    return pl.concat(
        [
            rows.with_columns(
                phase=pl.lit(phase),
                slot=(pl.col(moment) + pl.duration(milliseconds=phase)).dt.truncate(SLOT),
            )
            for phase in PHASES_MS
        ]
    )


def _stated(story: Story) -> pl.LazyFrame:
    # A page that nobody looks at sleeps by its browser's will, not by the server's.
    hidden = says("missed-heartbeat", pl.col("reason"))
    rows = story.signs.filter((pl.col("kind") == "stall") & ~hidden).select(
        "session",
        "reason",
        started="ts",
        ended="ts",
        measured="ms",
        pointers=pl.concat_list(SPOT),
    )
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        message=pl.format(
            '{} a process says that it was blocked ("{}")',
            plural("time"),
            pl.col("reason").drop_nulls().first().fill_null("no words"),
        ),
        traits=(pl.lit("stated"), *marks(ID, pl.col("reason"))),
        unit="ms",
    )


def _slow(story: Story, targets: Targets) -> Iterator[pl.LazyFrame]:
    """The waits that are longer than the target, with pointers."""
    proven = (proofs(), pl.col("opening").list.head(2), pl.concat_list(SPOT))
    for waits, pointers in zip(_waits(story, targets), proven, strict=True):
        yield waits.filter("slow").select("session", "started", "ended", "ms", pointers=pointers)


def _waits(story: Story, targets: Targets) -> list[pl.LazyFrame]:
    """Every measured wait, of messages, of handshakes and for pongs: session, started, ended, ms,
    slow, and what their proofs are made of."""
    messages = story.trips.with_columns(slow=pl.col("ms") > targets.message_ms)
    handshakes = story.connections.filter(
        pl.col("handshake_ms").is_not_null() & pl.col("opened").is_not_null()
    ).select(
        "session",
        "opening",
        started=pl.col("opened") - pl.duration(microseconds=pl.col("handshake_ms") * 1000),
        ended="opened",
        ms="handshake_ms",
        slow=pl.col("handshake_ms") > targets.connect_ms,
    )
    # A pong the server owes; what a client owes says nothing about the server.
    pongs = story.signs.filter(
        (pl.col("kind") == "pong")
        & (pl.col("dir") == "s2c")
        & pl.col("ms").is_not_null()
        & pl.col("session").is_not_null()
    ).with_columns(
        started=pl.col("ts") - pl.duration(microseconds=pl.col("ms") * 1000),
        ended="ts",
        slow=pl.col("ms") > targets.message_ms,
    )
    return [part.filter(pl.col("ended").is_not_null()) for part in (messages, handshakes, pongs)]
