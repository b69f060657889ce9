"""Spend less memory on each subscription, or on each connection where none is counted."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import Metric, needed, not_decidable, not_needed
from wsdiag.review.traffic import Traffic

ID = "memory-per-subscription"
A_LINE = "it is the slope of a line through the stated sizes: a cache that fills looks the same"
UNKNOWN = (
    "no log states the server's memory beside connections or subscriptions that come and go: log "
    "its resident size every few seconds"
)


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the slope of the stated memory over live subscriptions, else over live connections."""
    metric = Metric(
        ID, "server memory for each subscription", limits.kilobytes_per_subscription, "KiB"
    )
    for name, what in (("per_subscription", "subscription"), ("per_connection", "connection")):
        cost = of.memory.get(name)
        if cost is None:
            continue
        kib = cost / 1024
        told = f"{kib:,.0f} KiB for each live {what}"
        if kib <= limits.kilobytes_per_subscription:
            return not_needed(metric, kib, told, of.samples, of.formats)
        saved = (kib - limits.kilobytes_per_subscription) * len(of.sessions)
        saving = f"{saved:,.0f} KiB for the {len(of.sessions)} connections seen"
        return needed(metric, kib, told, saving, of.samples, of.formats, against=[A_LINE])
    return not_decidable(metric, UNKNOWN)
