"""The network between client and server fails.

What it finds: a client or server saying that its network changed, went away or did not answer; on
the wire, segments sent again and again without an answer, connections that are dead at the first
send after a silence, and losses all over.
Why it matters: TCP notices a lost path only when it sends, so both sides may believe for minutes in
a connection that is gone.
How it decides: by the error of the operating system or the browser, which names the network; by
runs of at least three retransmissions after which nothing more was heard; by retransmissions of at
least 2 % of what was said, on several connections. Only full-size segments in such a run speak for
a packet that is too large for the path; the sender first repeats its last segment (RFC 8985 section
7.3), and where it goes on sooner than its timer lets it, that one was acknowledged.
What it cannot see: loss on the far side of a proxy, and encrypted content.
"""

from __future__ import annotations

import polars as pl

from wsdiag import timers
from wsdiag.connections import Story, number_of, whole
from wsdiag.finding import SPOT, Severity, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import marks, stated

ID = "path-loss"
TITLE = "The network path fails"
NEEDS = (
    "no attempts or ends of connections in the evidence: a capture, a client's log or its console "
    "shows them"
)

RUN = 3
"""So many retransmissions in a row without an answer are no ordinary loss (RFC 6298 doubles the
wait each time)."""

LOSSY_SHARE, LOSSY_AT_LEAST = 0.02, 10
"""Retransmissions per message from which on a path is lossy."""

FULL_BYTES = 1_000
"""A segment of this size fills the packets of a usual path (MSS 1460, less in tunnels)."""

SHORTEST_TIMER_MS = 200
"""No sender's timer fires sooner (TCP_RTO_MIN of Linux; RFC 6298 section 2.4 has a second)."""

SILENT_S = 60.0
"""The shortest silence after which a flow may have been forgotten."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections were tried or ended."""
    seen = pl.col("was_open") | pl.col("gone") | pl.col("attempted").is_not_null()
    return number_of(
        story.connections.filter(whole() & seen),
        "{} attempts seen, none with an error of the network",
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over what is stated, one over dead connections, one over losses."""
    sent_again = _sent_again(story)
    return pl.concat([_stated(story), _dead(story, sent_again), _lossy(sent_again)])


def _stated(story: Story) -> pl.LazyFrame:
    return flag(
        stated(story.signs, ID),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.85,
        message=pl.format("{} of a failing network ({})", plural("report"), pl.col("text").first()),
        traits=marks(ID, pl.col("text")),
    )


def _sent_again(story: Story) -> pl.LazyFrame:
    """Each connection's retransmissions: how many, how large, since and until when."""
    again = (
        story.signs.filter((pl.col("kind") == "retransmit") & pl.col("session").is_not_null())
        .group_by("session")
        .agg(
            pl.len().alias("again"),
            pl.col("bytes").filter((pl.col("bytes") > 0) & ~_arrived()).min().alias("smallest"),
            pl.col("ts").min().alias("since"),
            pl.col("ts").max().alias("until"),
            SPOT.head(3).alias("again_at"),
        )
    )
    return story.connections.join(again, on="session", how="inner").with_columns(
        said=pl.col("messages_c2s") + pl.col("messages_s2c"),
        heard=pl.max_horizontal("last_c2s", "last_s2c"),
    )


def _arrived() -> pl.Expr:
    """The last segment, sent once more, of which an acknowledgement came back."""
    until_next = pl.col("ts").shift(-1) - pl.col("ts")
    at_once = until_next < pl.duration(milliseconds=SHORTEST_TIMER_MS)
    return (pl.int_range(pl.len()) == 0) & at_once.fill_null(False)


def _dead(story: Story, sent_again: pl.LazyFrame) -> pl.LazyFrame:
    """One finding over the connections on which TCP sent in vain until the end."""
    rows = _in_vain(story, sent_again)
    silent = (pl.col("silence") >= SILENT_S).fill_null(False)
    return flag(
        rows.join(_outlived(rows, story), how="cross"),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        message=pl.format(
            "{} on which TCP sent in vain, {} times at most",
            plural("connection"),
            pl.col("again").max(),
        ),
        traits=(
            pl.lit("in-vain"),
            trait("full-size-only", pl.col("full").all() & (pl.col("said") >= 2).any()),
            trait("gone-at-next-send", silent.all()),
            trait("shorter-survived", silent.all() & ~pl.col("outlived").fill_null(False).first()),
            *timers.marks(pl.col("silence").filter(silent).min(), timers.IDLE),
        ),
        unit="s",
    )


def _in_vain(story: Story, sent_again: pl.LazyFrame) -> pl.LazyFrame:
    """The connections after whose last retransmissions nothing more was heard.

    A window of zero bytes is heard as well: a peer that reads nothing, at the end of a whole path.
    """
    full = (
        story.signs.filter(pl.col("kind") == "zero_window")
        .group_by("session")
        .agg(pl.col("ts").max().alias("full_until"))
    )
    dead = sent_again.join(full, on="session", how="left").filter(
        (pl.col("again") >= RUN)
        & (pl.col("until") >= pl.max_horizontal("heard", "full_until")).fill_null(True)
        & (pl.col("frameless") | pl.col("heartbeat_timeout") | ~pl.col("gone"))
        & pl.col("was_open")
    )
    return dead.join(_silence_before(story, dead), on="session", how="left").select(
        "session",
        "again",
        "smallest",
        "said",
        "silence",
        full=(pl.col("smallest") >= FULL_BYTES).fill_null(False),
        started="since",
        ended=pl.coalesce("ended", "until"),
        measured="silence",
        pointers=pl.concat_list("again_at", "closing"),
    )


def _outlived(rows: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """Whether any other connection survived a longer silence than the shortest of these."""
    shortest = rows.select(shortest=pl.col("silence").min())
    return (
        story.connections.filter("was_open")
        .select("session", gap="longest_gap_s")
        .join(shortest, how="cross")
        .join(rows.select("session"), on="session", how="anti")
        .select(outlived=(pl.col("gap") > pl.col("shortest")).any())
    )


def _silence_before(story: Story, dead: pl.LazyFrame) -> pl.LazyFrame:
    """How long each connection had been silent when it began to send in vain, in seconds."""
    return (
        story.events.filter(pl.col("kind").is_in(["message", "ping", "pong", "open"]))
        .join(dead.select("session", "since"), on="session")
        .filter(pl.col("ts") < pl.col("since") - pl.duration(milliseconds=500))
        .group_by("session")
        .agg(
            ((pl.col("since").first() - pl.col("ts").max()).dt.total_microseconds() / 1e6).alias(
                "silence"
            )
        )
    )


def _lossy(sent_again: pl.LazyFrame) -> pl.LazyFrame:
    """One finding where retransmissions are spread over connections that go on."""
    rows = (
        sent_again.filter((pl.col("until") < pl.col("heard")).fill_null(False))
        .with_columns(
            share=pl.col("again").sum() / (pl.col("again").sum() + pl.col("said").sum()),
            total=pl.col("again").sum(),
        )
        .filter((pl.col("share") >= LOSSY_SHARE) & (pl.col("total") >= LOSSY_AT_LEAST))
        .select(
            "session",
            "share",
            "total",
            started="since",
            ended="until",
            measured=pl.col("again").cast(pl.Float64),
            pointers="again_at",
        )
    )
    return flag(
        rows,
        detector=ID,
        severity=Severity.WARNING,
        confidence=0.8,
        message=pl.format(
            "{} retransmissions on {}, {} % of what was sent",
            pl.col("total").first(),
            plural("connection"),
            (pl.col("share").first() * 100).round(1),
        ),
        traits=(
            pl.lit("lossy"),
            trait("spread", pl.len() >= 2),
        ),
        measured=pl.col("total").first().cast(pl.Float64),
        unit="segments",
    )
