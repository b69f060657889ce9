"""Subscribe selectively: clients receive what they never use."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import (
    LIKELY,
    Metric,
    needed,
    not_decidable,
    not_needed,
    nothing_sent,
)
from wsdiag.review.measures import unused
from wsdiag.review.rates import per_s
from wsdiag.review.traffic import ONE, Traffic

ID = "selective-subscription"
A_FIFTH = 0.2
UNKNOWN = (
    "nothing shows what clients use of it: record a HAR of the page with its requests, or capture "
    "the API's port as well"
)


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the share of messages that no request and no message of the client refers to; where that
    is not seen, by the bytes that a fifth of many topics brings."""
    metric = Metric(ID, "messages that the client never refers to", limits.unused_share, "share")
    if (blank := nothing_sent(metric, of)) is not None:
        return blank
    judged = unused(of)
    if judged is not None:
        idle = judged.filter("unused")
        share = len(idle) / len(judged)
        told = f"{len(idle)} of {len(judged)} messages, {int(idle['size'].sum()):,} bytes"
        if share <= limits.unused_share:
            told += " are about what the client never refers to"
            return not_needed(metric, share, told, judged, of.formats)
        many = _things(judged)
        if many <= limits.topics_per_client:
            why = f"{told} are about what the client only hears of, but of {many} topics or things"
            return not_needed(metric, share, why, idle, of.formats)
        fan = _fanned_out(of, judged)
        saved, flow = (per_s(float(it), of.span_s) for it in (len(idle), idle["size"].sum()))
        return needed(
            metric,
            share,
            f"{told} are about topics or things that the client never asks for or sends; "
            f"{fan:.0%} of all went to every client alike",
            f"{saved:.3g} messages/s and {flow:,.0f} bytes/s",
            idle,
            of.formats,
            against=["what the page only shows leaves no trace: look at two of the topics first"],
        )
    return _by_bytes(of, limits, metric)


def _things(judged: pl.DataFrame) -> int:
    """Of how many topics or things one client hears at most: a few may well all be shown."""
    counted = judged.group_by("session").agg(
        n=pl.max_horizontal(
            pl.col("topic_id").drop_nulls().n_unique(), pl.col("entity").drop_nulls().n_unique()
        )
    )
    return int(counted["n"].max() or 0)  # type: ignore[arg-type]


def _fanned_out(of: Traffic, judged: pl.DataFrame) -> float:
    """The share of messages that all clients got, whatever they look at; 0 where there is one."""
    everybody = of.down["session"].n_unique()
    if everybody < 2:
        return 0.0
    got = judged.select(to=pl.col("session").n_unique().over(ONE))["to"]
    return float((got == everybody).mean() or 0)  # type: ignore[arg-type]


def _by_bytes(of: Traffic, limits: Limits, unknown: Metric) -> Optimisation:
    named = of.down.filter(pl.col("topic").is_not_null())
    topics = named.group_by("session", "topic").agg(bytes=pl.col("size").sum())
    of_client = topics.group_by("session").agg(n=pl.len(), of=pl.col("bytes").sort(descending=True))
    many = of_client.filter(pl.col("n") > limits.topics_per_client)
    metric = Metric(ID, "bytes that a fifth of the topics brings", limits.hot_bytes_share, "share")
    if of_client.is_empty():
        return not_decidable(unknown, UNKNOWN)
    if many.is_empty():
        most = int(of_client["n"].max() or 0)  # type: ignore[arg-type]
        told = f"at most {most} topics for a client"
        return not_needed(metric, None, told, named, of.formats, against=[UNKNOWN])
    shares = [
        sum(sizes[: max(1, int(len(sizes) * A_FIFTH))]) / max(sum(sizes), 1)
        for sizes in many["of"].to_list()
    ]
    share = sum(shares) / len(shares)
    if share <= limits.hot_bytes_share:
        told = f"{share:.0%} of the bytes come from a fifth of the topics"
        return not_decidable(unknown, f"{told}; {UNKNOWN}")
    most = int(many["n"].max() or 0)  # type: ignore[arg-type]
    return needed(
        metric,
        share,
        f"clients get up to {most} topics, and {share:.0%} of the bytes come from a fifth of them",
        "the subscriptions to what is hardly heard; which of them are used is not seen",
        named,
        of.formats,
        confidence=LIKELY - 0.1,
        against=["what is rare may still be needed", UNKNOWN],
    )
