"""How long messages took, and how that was measured."""

from __future__ import annotations

import polars as pl

from wsdiag.event import EVENTS
from wsdiag.finding import POINTER
from wsdiag.report import TIMED

VANTAGE = EVENTS["vantage"]

HOW = pl.Enum(list(TIMED))
"""How a message was timed."""

SOON = pl.duration(seconds=10)
"""What comes later than this is no delivery of what was published, but of what was kept."""

TELLING_CHARACTERS = 8
"""An id that is shorter, or a number, may be another connection's own."""

ASTRAY = 0.1
"""Where so many numbers of a kind of message come before they are sent, others counted them."""


def round_trips(events: pl.LazyFrame) -> pl.LazyFrame:
    """Message latencies: session, source, started, ended, ms, how (HOW), asked and asked_by (the
    place and vantage at which it started, null where only its end was seen), pos and vantage.

    Either a source states the latency, or two messages carry the same id, or without any the same
    text, and were seen at one place: never a difference between two vantages. Of a session that
    several sources measured the one with most is kept.
    """
    rows = events.filter((pl.col("kind") == "message") & pl.col("session").is_not_null())
    echo = pl.col("vantage") == "network"
    stated = rows.filter(pl.col("ms").is_not_null()).select(
        "session",
        "source",
        "conn",
        started=pl.col("ts") - pl.duration(microseconds=pl.col("ms") * 1000),
        ended="ts",
        ms="ms",
        asked=pl.lit(None, pl.Int64),
        asked_by=pl.lit(None).cast(VANTAGE),
        pos="pos",
        vantage="vantage",
        how=pl.when(echo).then(_how("echo")).otherwise(_how("stated")),
    )
    # An echo is seen on both legs of a proxied connection; the client's leg is the one that begins.
    leg = pl.col("conn").sort_by("started").first().over("session", "source")
    stated = stated.filter((pl.col("how") != "echo") | (pl.col("conn") == leg)).drop("conn")
    named = rows.filter(pl.col("trace").is_not_null() & pl.col("ms").is_null())
    sent, received = (named.filter(pl.col("dir") == way) for way in ("c2s", "s2c"))
    opened = (
        events.filter((pl.col("kind") == "open") & pl.col("session").is_not_null())
        .group_by("session")
        .agg(opened=pl.col("ts").min())
    )
    every = pl.concat(
        [stated, _answers(sent, received), _deliveries(sent, received, opened)],
        how="vertical_relaxed",
    )
    best = (
        every.group_by("session", "source")
        .len()
        .sort("len", "source", descending=[True, False])
        .group_by("session", maintain_order=True)
        .agg(pl.col("source").first())
    )
    return every.join(best, on=["session", "source"], how="semi").sort("started", "session")


def proofs() -> pl.Expr:
    """The proof pointers of a round trip."""
    source = pl.col("source")
    asked = pl.struct(source, pos="asked", ts="started", vantage=pl.col("asked_by")).cast(POINTER)
    told = pl.struct(source, pos="pos", ts="ended", vantage=pl.col("vantage")).cast(POINTER)
    first = pl.when(pl.col("asked").is_not_null()).then(asked)
    return pl.concat_list(first, told).list.drop_nulls()


def said_how(how: pl.Expr) -> pl.Expr:
    """In words how messages were timed, each way once, the most frequent first."""
    ranked = how.cast(pl.String).value_counts(sort=True).struct.field("how")
    return ranked.replace_strict(TIMED, return_dtype=pl.String).str.join(", ")


def _answers(sent: pl.LazyFrame, received: pl.LazyFrame) -> pl.LazyFrame:
    """From each request to the first message of its connection that carries its id."""
    of = ["session", "source", "trace"]
    # On both legs of a proxied connection the client's leg is the one whose requests come first.
    # What has no answer at all is left out before it is sorted.
    asked = (
        sent.join(received, on=of, how="semi")
        .sort("ts")
        .unique(of, keep="first", maintain_order=True)
    )
    before = pl.col("ts_back") < pl.col("ts")
    counted = (before & ~_telling()).mean().over("session", "source", "name_back")
    paired = (
        asked.join(received, on=[*of, "conn"], suffix="_back")
        .filter((counted <= ASTRAY) & ~before)
        .sort("ts_back")
        .unique([*of, "ts"], keep="first", maintain_order=True)
    )
    return _timed(paired, "answer")


def _deliveries(sent: pl.LazyFrame, received: pl.LazyFrame, opened: pl.LazyFrame) -> pl.LazyFrame:
    """From what one client publishes to the first message with its id that each other receives,
    if it was there by then."""
    one = pl.col("session").n_unique().over("source", "trace") == 1
    published = (
        sent.filter(_telling())
        .filter(one)
        .sort("ts")
        .unique(["source", "trace"], keep="first", maintain_order=True)
        .select("source", "trace", "ts", "pos", "vantage", by="session")
    )
    late = (pl.col("opened") > pl.col("ts")).fill_null(value=False)
    took = pl.col("ts_back") - pl.col("ts")
    delivered = (
        received.filter(_telling())
        .rename({"ts": "ts_back", "pos": "pos_back", "vantage": "vantage_back"})
        .join(published, on=["source", "trace"])
        .filter(pl.col("session") != pl.col("by"))
        .filter(took.is_between(pl.duration(seconds=0), SOON))
        .join(opened, on="session", how="left")
        .filter(~late)
        .sort("ts_back")
        .unique(["session", "source", "trace"], keep="first", maintain_order=True)
    )
    return _timed(delivered, "fan-out")


def _telling() -> pl.Expr:
    """Whether an id is one of a message, wherever it is seen."""
    trace = pl.col("trace")
    return (trace.str.len_bytes() >= TELLING_CHARACTERS) & ~trace.str.contains(r"^\d+$")


def _timed(pairs: pl.LazyFrame, how: str) -> pl.LazyFrame:
    return pairs.select(
        "session",
        "source",
        started="ts",
        ended="ts_back",
        ms=(pl.col("ts_back") - pl.col("ts")).dt.total_microseconds() / 1000,
        asked="pos",
        asked_by="vantage",
        pos="pos_back",
        vantage="vantage_back",
        how=_how(how),
    )


def _how(how: str) -> pl.Expr:
    return pl.lit(how, dtype=HOW)
