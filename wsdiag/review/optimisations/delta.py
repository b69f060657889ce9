"""Send patches: a message repeats most of the one before of its kind."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import QUIETER, Metric, needed, not_needed, nothing_sent
from wsdiag.review.rates import median, per_s
from wsdiag.review.traffic import Traffic

ID = "delta"
ENOUGH, LONG = 10, 512
"""So many messages, of so many bytes at least: a short one is no longer than its patch."""


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the share of a message's fields that are as in the one before, at the median."""
    metric = Metric(
        ID, "fields as in the message before of its kind", limits.delta_same_share, "share"
    )
    down = of.down
    if (blank := nothing_sent(metric, of)) is not None:
        return blank
    long = down.filter(pl.col("same").is_not_null() & (pl.col("size") >= LONG))
    same = median(long["same"])
    if same is None or len(long) < ENOUGH:
        told = f"{len(long)} messages of {LONG} bytes and more to compare"
        return not_needed(metric, same, told, down, of.formats)
    alike = long.filter(pl.col("same") >= limits.delta_same_share)
    saved = per_s(float((alike["size"] * alike["same"]).sum()), of.span_s)
    told = f"{same:.0%} of the fields are as before, at the median of {len(long)} messages"
    if same < limits.delta_same_share or saved < limits.delta_bytes_per_s:
        told = f"{told}; patches would save {saved:,.0f} bytes/s"
        return not_needed(metric, same, told, long, of.formats, against=[QUIETER])
    against = ["who misses one patch has it wrong from then on: number them, and send all anew"]
    return needed(metric, same, told, f"{saved:,.0f} bytes/s", alike, of.formats, against=against)
