"""How messages are built: each event with its rate and size, held to the reference shape or to the
user's schema; and how topics are named."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from wsdiag.advice import Deviation, EventKind, Events, TopicFault
from wsdiag.contents.reference import NO_ZONE
from wsdiag.limits import Limits
from wsdiag.review import drift
from wsdiag.review.proofs import proof
from wsdiag.review.rates import per_s, rounded
from wsdiag.review.traffic import Traffic

REFERENCE = "the reference shape"
MOST = 20
ENDLESS = (
    "more topics of one resource type than clients can know: an identifier may hold a time or a "
    "nonce"
)
ONCE = 1.5
"""Messages on a topic, on the average, below which topics are used once and thrown away."""
PAYLOAD_CHARACTERS = 120


def events(of: Traffic, limits: Limits, schema: str | None) -> Events:
    """The structure of what the server sends; where it sends nothing, of what clients send."""
    told = of.down if len(of.down) else of.up
    whole = told.filter(pl.col("deviations").is_not_null())
    share = float((whole["deviations"].list.len() == 0).mean() or 0) if len(whole) else None  # type: ignore[arg-type]
    return Events(
        reference=schema or REFERENCE,
        messages=len(whole),
        conforming_share=rounded(share),
        traced_share=rounded(_share(whole["trace"].is_not_null())) if len(whole) else None,
        unzoned=int((whole["stamp"] == NO_ZONE).sum()),
        deviations=_deviations(whole, of),
        topic_violations=_topics(of, limits),
        kinds=_kinds(of, limits),
        envelopes=dict(Counter(of.messages["envelope"].drop_nulls().to_list()).most_common()),
    )


def _share(column: pl.Series) -> float:
    return float(column.mean() or 0)  # type: ignore[arg-type]


def _deviations(whole: pl.DataFrame, of: Traffic) -> list[Deviation]:
    event = pl.col("event").fill_null("(none)")
    each = whole.with_columns(event).with_columns(all=pl.len().over("event"))
    counted = (
        each.explode("deviations")
        .drop_nulls("deviations")
        .group_by("event", "deviations", maintain_order=True)
        .agg(pl.len(), pl.col("all", "source", "pos", "shape").first())
        .sort("len", "event", "deviations", descending=[True, False, False])
    )
    return [
        Deviation(
            event=row["event"],
            what=row["deviations"],
            count=row["len"],
            share=round(row["len"] / row["all"], 4),
            shape=row["shape"] or "",
            example=proof(row["source"], row["pos"], of.formats),
        )
        for row in counted.head(MOST).iter_rows(named=True)
    ]


def _topics(of: Traffic, limits: Limits) -> list[TopicFault]:
    named = of.messages.filter(pl.col("topic").is_not_null())
    counts = {
        "topics": pl.col("topic").n_unique(),
        "messages": pl.len(),
        "topic": pl.col("topic").first(),
        "source": pl.col("source").first(),
        "pos": pl.col("pos").first(),
    }
    faulty = (
        named.filter(pl.col("topic_fault").is_not_null())
        .group_by("topic_fault", maintain_order=True)
        .agg(**counts)
        .sort("messages", "topic_fault", descending=[True, False])
    )
    kinds = (
        named.group_by(kind=pl.col("topic").str.extract(r"^([^:]+):"), maintain_order=True)
        .agg(**counts)
        .filter(
            (pl.col("topics") > limits.topics_per_kind)
            & (pl.col("messages") < ONCE * pl.col("topics"))
        )
    )
    return [
        *(_fault(of, row["topic_fault"], row) for row in faulty.iter_rows(named=True)),
        *(_fault(of, ENDLESS, row) for row in kinds.iter_rows(named=True)),
    ]


def _fault(of: Traffic, what: str, row: dict[str, Any]) -> TopicFault:
    return TopicFault(
        what=what,
        topics=row["topics"],
        messages=row["messages"],
        example=row["topic"],
        evidence=proof(row["source"], row["pos"], of.formats),
    )


def _kinds(of: Traffic, limits: Limits) -> list[EventKind]:
    pattern = pl.col("topic").str.replace(r"^([^:]+):.*$", "$1:{id}")
    app = of.app.with_columns(pl.col("event").fill_null("(none)"), pattern=pattern.fill_null(""))
    counted = (
        app.group_by("event", "pattern", "dir", maintain_order=True)
        .agg(
            pl.len(),
            envelope=pl.col("envelope").drop_nulls().unique().sort().str.join(", "),
            size=pl.col("size").median(),
            fit=(pl.col("deviations").list.len() == 0).mean(),
            traced=pl.col("trace").is_not_null().mean(),
            shapes=pl.col("shape").n_unique(),
            shape=pl.col("shape").mode().sort().first(),
            counted=pl.col("shape").drop_nulls().value_counts(),
            answers=pl.col("trace").is_in(_asked(of)).mean(),
        )
        .sort("len", "event", descending=[True, False])
    )
    return [_kind(row, of, limits) for row in counted.head(MOST).iter_rows(named=True)]


def _asked(of: Traffic) -> list[int]:
    return of.up["trace"].drop_nulls().unique().to_list()


def _kind(row: dict[str, Any], of: Traffic, limits: Limits) -> EventKind:
    shape = row["shape"] or ""
    counted = sorted((it["shape"], it["count"]) for it in row["counted"])
    down = row["dir"] == "s2c"
    trigger = "a client sends it"
    if down:
        trigger = "a client's message" if (row["answers"] or 0) > 0.5 else "the server publishes it"
    return EventKind(
        event=row["event"],
        topic=row["pattern"],
        envelope=row["envelope"] or "",
        direction=row["dir"] or "",
        trigger=trigger,
        payload=shape
        if len(shape) <= PAYLOAD_CHARACTERS
        else shape[: PAYLOAD_CHARACTERS - 1] + "…",
        messages=row["len"],
        per_s=round(per_s(row["len"], of.span_s), 3),
        median_bytes=row["size"] or 0.0,
        conforming_share=round(row["fit"] or 0.0, 4),
        traced_share=round(row["traced"] or 0.0, 4),
        shapes=row["shapes"],
        drifting=row["len"] >= MOST and drift.share(counted) > limits.drift_share,
    )
