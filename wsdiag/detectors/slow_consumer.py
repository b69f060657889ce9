"""Peers that do not take their data as fast as it is sent.

What it finds: senders that say a peer's queue is full, closes for that reason (4500 of Spring, 3008
of Centrifugo), and receivers whose TCP window stays closed.
Why it matters: the sender must drop the peer or grow without bound.
How it decides: the sender's own words or code are proof. On the wire, a receiver that announced a
window of zero bytes for more than two seconds at a stretch and whose connection then ended, or that
stayed so until the evidence stops. Short closures are ordinary flow control. Where a log states
memory and that at least doubled meanwhile, the unsent data stays there.
What it cannot see: queues that grow inside a process which does not speak of them.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, counted, memory
from wsdiag.finding import SPOT, Severity, clause, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import told_alone

ID = "slow-consumer"
TITLE = "A peer takes its data too slowly"
NEEDS = (
    "no source shows windows or queues: a capture, or a server log that names full send buffers, "
    "does"
)

CLOSED_S = 2.0
"""How long a window must stay closed before it is more than flow control."""

PROBES_APART_S = 20.0
"""Zero windows no further apart than this are one stretch. Those further apart are so only where
each probe of the sender waited about twice as long as the one before (RFC 9293 section 3.8.6.1)."""

DOUBLED = (1.6, 2.4)
LONGEST_PROBE_S = 125.0
"""Linux probes every two minutes at last (TCP_RTO_MAX)."""

CODES = (4500, 3008)
"""Spring's `SESSION_NOT_RELIABLE` and centrifugal/centrifuge's `slow`."""

_FULL = "(?i)exceed|limit|overflow|full|kick|slow|keep up|drop|terminat|disconnect"


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections were seen on the wire, or spoken of by a sender."""
    wire = pl.col("vantages").list.contains("network") & pl.col("was_open")
    told = story.signs.filter(
        (pl.col("kind") == "backpressure") & pl.col("session").is_not_null()
    ).select(told=pl.col("session").n_unique())
    return (
        story.connections.select(wire=wire.sum())
        .join(told, how="cross")
        .select(
            judged=(pl.col("wire") + pl.col("told")).cast(pl.Int64),
            said=pl.format("{} connections seen, none with a window closed for long", "wire"),
        )
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all peers concerned."""
    queued = pl.col("queued").max()
    kicked = pl.col("shut") & pl.col("gone") & (pl.col("closed_by") == "server")
    rows = pl.concat([_slow(story), _told_alone(story)], how="diagonal_relaxed")
    span = rows.select(since=pl.col("started").min(), until=pl.col("ended").max())
    return flag(
        rows.join(memory.grew(story.signs, span), how="cross"),
        detector=ID,
        severity=Severity.ERROR,
        confidence=pl.when(pl.col("said").any()).then(0.95).otherwise(0.85),
        message=pl.format(
            "{} too slow for what was sent{}",
            plural("connection"),
            pl.when(queued.is_not_null())
            .then(pl.format(": up to {} bytes queued", queued.cast(pl.Int64)))
            .otherwise(clause(": the receiver's window stayed closed", where=pl.col("shut").any())),
        ),
        traits=(
            trait("stated", pl.col("said").any()),
            trait("queue-full", pl.col("full").any()),
            trait("zero-window", pl.col("shut").any()),
            trait("kicked", kicked.any()),
            trait("memory-grew", pl.col("grew").any()),
            trait("client-is-slow", (pl.col("held") == "c2s").any()),
            trait("server-is-slow", (pl.col("held") == "s2c").any()),
        ),
        measured=pl.col("measured").max(),
    )


def _slow(story: Story) -> pl.LazyFrame:
    """The connections whose queue a sender calls full, or whose window stayed closed."""
    by_code = pl.col("code").is_in(CODES).fill_null(False)
    return (
        story.connections.join(_told(story.signs), on="session", how="left")
        .join(_shut(story.signs), on="session", how="left")
        .with_columns(
            said=pl.col("told").fill_null(False) | by_code,
            shut=(pl.col("shut_s") >= CLOSED_S).fill_null(False)
            & (pl.col("gone") | pl.col("live"))
            & _at_the_end(),
        )
        .filter(pl.col("said") | pl.col("shut"))
        .pipe(counted)
        .select(
            "session",
            "said",
            "shut",
            "gone",
            "closed_by",
            "held",
            full=pl.col("full").fill_null(False) | by_code,
            started=pl.coalesce("shut_since", "first_told", "opened"),
            ended=pl.coalesce("ended", "closed", "last_seen"),
            measured=pl.coalesce("queued", "shut_s"),
            queued="queued",
            pointers=pl.concat_list(
                pl.col("told_at").fill_null([]), pl.col("shut_at").fill_null([]), "closing"
            ).list.unique(maintain_order=True),
        )
    )


def _told_alone(story: Story) -> pl.LazyFrame:
    """What is said of a full queue by lines that name no connection, where none is known at all."""
    full = (pl.col("kind") == "backpressure") & pl.col("reason").str.contains(_FULL)
    queued = pl.col("bytes").cast(pl.Float64)
    return told_alone(story.signs, full, story.connections).with_columns(
        said=pl.lit(value=True),
        shut=pl.lit(value=False),
        full=pl.lit(value=True),
        measured=queued,
        queued=queued,
    )


def _told(events: pl.LazyFrame) -> pl.LazyFrame:
    """What senders say about a peer's queue."""
    return (
        events.filter((pl.col("kind") == "backpressure") & pl.col("session").is_not_null())
        .group_by("session")
        .agg(
            pl.lit(True).alias("told"),
            pl.col("reason").str.contains(_FULL).any().alias("full"),
            pl.col("bytes").max().cast(pl.Float64).alias("queued"),
            pl.col("ts").min().alias("first_told"),
            SPOT.head(3).alias("told_at"),
        )
    )


def _shut(events: pl.LazyFrame) -> pl.LazyFrame:
    """The longest stretch of zero windows on each connection, and whose window it was.

    A zero window travels from the receiver: `dir` c2s is a client that does not read.
    """
    over = ("session", "source", "conn", "dir")
    return (
        events.filter((pl.col("kind") == "zero_window") & pl.col("session").is_not_null())
        .sort("ts")
        .with_columns(gap=(pl.col("ts").diff().dt.total_microseconds() / 1e6).over(over))
        .with_columns(before=pl.col("gap").shift(1).over(over))
        .with_columns(stretch=(~_goes_on()).fill_null(False).cum_sum().over(over))
        .group_by(*over, "stretch", maintain_order=True)
        .agg(
            pl.col("ts").min().alias("shut_since"),
            pl.col("ts").max().alias("shut_until"),
            SPOT.first().alias("first_spot"),
            SPOT.last().alias("last_spot"),
            pl.col("gap").last().alias("last_gap"),
        )
        .with_columns(
            shut_s=(pl.col("shut_until") - pl.col("shut_since")).dt.total_microseconds() / 1e6
        )
        .sort("shut_s", descending=True)
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("shut_since", "shut_until", "shut_s", "last_gap").first(),
            pl.col("dir").cast(pl.String).first().alias("held"),
            pl.concat_list("first_spot", "last_spot").first().alias("shut_at"),
        )
    )


def _goes_on() -> pl.Expr:
    """The window is still closed after the gap: its sender's timer was not disturbed."""
    gap, before = pl.col("gap"), pl.col("before")
    doubled = (gap / before).is_between(*DOUBLED)
    at_its_longest = (gap + before) >= 1.6 * LONGEST_PROBE_S
    return (gap <= PROBES_APART_S) | ((gap <= LONGEST_PROBE_S) & (doubled | at_its_longest))


def _at_the_end() -> pl.Expr:
    """The window was still closed when the connection ended, or the evidence did.

    The next probe was not due yet, after one that had waited half as long.
    """
    over = pl.coalesce("ended", "closed", "last_seen")
    since = (over - pl.col("shut_until")).dt.total_microseconds() / 1e6
    due = (pl.col("last_gap") * DOUBLED[1]).clip(PROBES_APART_S, LONGEST_PROBE_S)
    return (since <= due.fill_null(PROBES_APART_S)).fill_null(False)
