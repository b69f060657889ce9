"""Clients hammering a server with attempts.

What it finds: more attempts than the number of clients explains, from clients that do not back off.
Why it matters: the storm keeps down the server that it waits for.
How it decides: in the busiest ten seconds each client makes more than five attempts on average.
Exponential backoff from half a second makes four, so twenty clients that come back with backoff and
jitter are no storm, however many attempts they make in total. Clients whose delays grow are not
counted. One client in a loop is not a fleet and is left to the detectors of its failure.
What it cannot see: who is who, where no client, user or address is known; then the number of
connections that lived or waited for their handshake stands for the number of clients.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, backoff, counted, was_tried
from wsdiag.finding import MOST, Severity, clause, flag, trait
from wsdiag.targets import Targets

ID = "reconnect-storm"
TITLE = "Clients reconnect in a storm"
NEEDS = (
    "no attempts of at least two clients in the evidence: a capture, an access log or client logs "
    "show them"
)

WINDOW = pl.duration(seconds=10)
PER_CLIENT = 5.0
"""Delays of 0.5, 1, 2, 4 s, the usual exponential backoff, give four attempts in ten seconds."""

CLIENTS, ATTEMPTS = 5, 20
"""Fewer clients or attempts load no server."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many attempts of how many clients were seen."""
    known = pl.max_horizontal(pl.col("who").n_unique(), pl.col("live").max().fill_null(0))
    return _counted(summarise(story)).select(
        judged=pl.when(known >= 2).then(pl.len()).otherwise(0).cast(pl.Int64),
        said=pl.format(
            "at most {} attempts in 10 s, {} per client",
            pl.col("here").max(),
            (pl.col("here").max() / known).round(1),
        ),
    )


def summarise(story: Story) -> pl.LazyFrame:
    """One narrow row per attempt; rows of several parts may be concatenated."""
    return _attempts(counted(story.connections.filter(was_tried())))


def _attempts(connections: pl.LazyFrame) -> pl.LazyFrame:
    tried = pl.coalesce(
        "attempted", pl.when(~pl.col("fragment")).then(pl.coalesce("opened", "first"))
    )
    failed = pl.col("rejected") | pl.col("refused") | ~pl.col("was_open")
    return connections.select(
        "session",
        "opening",
        tried=tried,
        over=pl.coalesce("ended", "closed"),
        opened="opened",
        failed=failed,
        who=pl.coalesce("client", pl.col("peer").str.replace(":\\d+$", "")),
        known=pl.col("client").is_not_null(),
    ).filter(pl.col("tried").is_not_null())


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over the storm's attempts."""
    delay, peak = pl.col("delay").first(), pl.col("peak").first()
    clients = pl.col("clients").first()
    return flag(
        _storm(story),
        detector=ID,
        severity=Severity.ERROR,
        confidence=pl.when(delay.is_not_null()).then(0.95).otherwise(0.8),
        message=pl.format(
            "{} attempts in 10 s from about {} clients, {} each{}",
            peak,
            clients,
            (peak / clients).round(1),
            clause(", {} s apart without growing", delay.round(2)),
        ),
        traits=(
            trait("no-backoff", delay.is_not_null()),
            trait("no-jitter", pl.col("jitter").first() == "none"),
            trait("immediate", pl.col("law").first() == "immediate"),
            trait("reset-too-early", pl.col("resets").first()),
            trait("mostly-failed", pl.col("failed").mean() >= MOST),
        ),
        target=PER_CLIENT,
        unit="attempts",
        measured=peak.cast(pl.Float64),
    )


def _storm(story: Story) -> pl.LazyFrame:
    """The attempts of the busiest ten seconds, where they are more than the clients explain."""
    attempts = _counted(summarise(story))
    busiest = attempts.sort("here", "tried", descending=[True, False]).select(
        t0=pl.col("tried").first(), peak=pl.col("here").first(), fleet=pl.col("live").max()
    )
    who = pl.col("who").n_unique()
    return (
        attempts.join(busiest, how="cross")
        .filter(pl.col("tried").is_between(pl.col("t0"), pl.col("t0") + WINDOW))
        .join(backoff.law(story.connections), how="cross")
        .with_columns(
            mad=pl.col("who").filter(pl.len().over("who") > PER_CLIENT).n_unique(),
            clients=pl.max_horizontal(
                pl.when(pl.col("known").any()).then(who).otherwise(pl.max_horizontal("fleet", who))
            ),
        )
        .filter(
            (pl.col("clients") >= CLIENTS)
            & (pl.col("peak") >= ATTEMPTS)
            & (pl.col("peak") / pl.col("clients") > PER_CLIENT)
            & (pl.col("law") != "growing").fill_null(True)
            # One client in a loop beside calm ones is no fleet.
            & ((pl.col("mad") >= CLIENTS) | ~pl.col("known").all())
        )
        .select(
            "session",
            "clients",
            "peak",
            "failed",
            "law",
            "jitter",
            "library",
            "resets",
            delay=pl.when(pl.col("law").is_not_null()).then("wait_s"),
            started="tried",
            ended="tried",
            measured=pl.col("peak").cast(pl.Float64),
            pointers="opening",
        )
    )


def _counted(attempts: pl.LazyFrame) -> pl.LazyFrame:
    """Each attempt, with the attempts in the ten seconds from it on and the live connections; one
    that waits for its handshake is a client, too."""
    lasts = pl.col("opened").is_not_null() | pl.col("over").is_not_null()
    begun, over = pl.col("tried").filter(lasts).sort(), pl.col("over").drop_nulls().sort()
    return attempts.sort("tried", "session").with_columns(
        here=pl.col("tried").search_sorted(pl.col("tried") + WINDOW, side="right").cast(pl.Int64)
        - pl.col("tried").search_sorted(pl.col("tried"), side="left").cast(pl.Int64),
        live=begun.search_sorted(pl.col("tried"), side="right").cast(pl.Int64)
        - over.search_sorted(pl.col("tried"), side="right").cast(pl.Int64),
    )
