"""Update the cache directly: the message brought already what the page asks for again."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import (
    QUIETER,
    Metric,
    needed,
    not_decidable,
    not_needed,
    nothing_fetched,
)
from wsdiag.review.rates import median, per_s
from wsdiag.review.traffic import Traffic

ID = "direct-update"


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the share of a refetched answer that the message before had brought, at the median."""
    metric = Metric(
        ID, "fields of a refetched answer that the message had", limits.overlap, "share"
    )
    why = "no GET follows a message: nothing is fetched twice"
    if (blank := nothing_fetched(metric, of, refetched, None, why)) is not None:
        return blank
    compared = refetched.filter(pl.col("overlap").is_not_null())
    if compared.is_empty():
        return not_decidable(
            metric, "the answers are not in this evidence: record a HAR with content, or a capture"
        )
    overlap = median(compared["overlap"]) or 0.0
    took, rate = median(compared["ms"]), per_s(len(compared), of.span_s)
    told = f"{len(compared)} refetches, {took or 0:.0f} ms at the median, {rate:.2g} a second"
    if overlap < limits.overlap:
        why = f"a message brings {overlap:.0%} of what the GET returns: sockets notify, GETs fetch"
        return not_needed(metric, overlap, why, compared, of.formats)
    if (took or 0) <= limits.refetch_ms and rate <= limits.refetch_per_s:
        told += ": too few and too fast to matter"
        return not_needed(metric, overlap, told, compared, of.formats, against=[QUIETER])
    doubled = compared.filter(pl.col("overlap") >= limits.overlap)
    size = median(doubled["bytes"]) or 0.0
    saved = per_s(len(doubled), of.span_s)
    return needed(
        metric,
        overlap,
        f"messages had brought {overlap:.0%} of what was fetched again; {told}",
        f"{saved:.2g} requests/s and {saved * size:,.0f} bytes/s, and {took or 0:.0f} ms for each "
        "update",
        doubled,
        of.formats,
        against=["what the server computes for each reader cannot come in a message to all"],
    )
