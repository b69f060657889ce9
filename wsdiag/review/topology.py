"""Publish and subscribe as the traffic shows it: who listens to what, and how long it takes."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Delivery, Judgement, Measures, Topic, Topology
from wsdiag.limits import Limits
from wsdiag.review.answers import LIKELY, SURE
from wsdiag.review.measures import unused
from wsdiag.review.proofs import proofs
from wsdiag.review.rates import per_s
from wsdiag.review.traffic import ONE, Traffic

MOST = 15
ENOUGH = 20
"""So many deliveries at least make a 95th percentile."""
ONE_CLOCK = "it is measured where the evidence was taken; the way to the clients comes on top"
HOT_OF, HOT_SHARE = 5, 0.5
"""Of at least so many topics, one that takes half of all deliveries is hot."""


def topology(of: Traffic, facts: Measures, delivered: pl.DataFrame, limits: Limits) -> Topology:
    """The topics, the busiest first; the verdict is on publish to delivery.

    `delivered` as `measures.deliveries`; the slowest of them are the proof.
    """
    verdict, why = _verdict(facts.publish_to_delivery_ms, limits)
    topics = _topics(of)
    deliveries = sum(one.deliveries for one in topics)
    originals = sum(one.messages for one in topics)
    many = len(topics) >= HOT_OF
    return Topology(
        verdict=verdict,
        why=why,
        confidence=SURE if len(delivered) >= ENOUGH else LIKELY if len(delivered) else 0.0,
        topics=topics[:MOST],
        hot=[one.topic for one in topics if many and one.deliveries > HOT_SHARE * deliveries],
        unread=[one.topic for one in topics if one.reacted is False][:MOST],
        fan_out=round(deliveries / originals, 2) if originals else None,
        against=[ONE_CLOCK] if len(delivered) else [],
        evidence=proofs(delivered.sort("ms", descending=True), of.formats),
    )


def _topics(of: Traffic) -> list[Topic]:
    """Who listens to each topic, and what it carries."""
    got = pl.col("role").is_in(["app", "answer"])
    down = got & (pl.col("dir") == "s2c")
    counted = (
        of.messages.filter(pl.col("topic").is_not_null() & (got | (pl.col("role") == "subscribe")))
        .group_by("topic")
        .agg(
            subscribers=pl.col("session").filter(down | ~got).n_unique(),
            deliveries=down.sum(),
            messages=ONE.filter(down).n_unique(),
            bytes=pl.col("size").filter(down).sum(),
        )
        .sort("deliveries", "topic", descending=[True, False])
    )
    judged = unused(of)
    read: set[str] | None = None
    if judged is not None:
        read = set(judged.filter(~pl.col("unused"))["topic"].drop_nulls())
    return [
        Topic(
            topic=row["topic"],
            subscribers=row["subscribers"],
            messages=row["messages"],
            deliveries=row["deliveries"],
            bytes=row["bytes"],
            per_s=round(per_s(row["messages"], of.span_s), 3),
            reacted=None if read is None else row["topic"] in read,
        )
        for row in counted.iter_rows(named=True)
    ]


def _verdict(delivered: Delivery, limits: Limits) -> tuple[Judgement, str]:
    if delivered.p95 is None:
        return "not-decidable", (
            "no message is seen both when it is published and when it is delivered: capture at the "
            "server with publishing clients, or let messages carry a trace_id"
        )
    told = f"publish to delivery {delivered.p95:.3g} ms at p95 (n={delivered.n})"
    if delivered.p95 > limits.delivery_ms:
        return "needed", f"{told}, above {limits.delivery_ms:.0f} ms"
    return "not-needed", f"{told}, within {limits.delivery_ms:.0f} ms"
