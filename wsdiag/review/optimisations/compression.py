"""Compress: long texts cross the wire as they are."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import (
    NO_MESSAGES,
    NOTHING_SENT,
    QUIETER,
    Metric,
    needed,
    not_decidable,
    not_needed,
    nothing_measured,
)
from wsdiag.review.rates import median, per_s
from wsdiag.review.traffic import Traffic

ID = "compression"
SHRINKS = 0.7
"""Texts that deflate leaves larger than this are not worth it."""
NO_HANDSHAKE = (
    "no handshake is seen that would tell whether permessage-deflate is in use: capture from the "
    "beginning of a connection"
)


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the median text, and by the bytes a second; texts are packed on trial."""
    metric = Metric(ID, "median text without compression", limits.compress_bytes, "bytes")
    down = of.down.filter(pl.col("envelope").is_not_null())
    if of.messages.is_empty():
        return not_decidable(metric, NO_MESSAGES)
    if down.is_empty():
        return nothing_measured(metric, of, NOTHING_SENT)
    size = median(down["size"]) or 0.0
    flow = per_s(float(down["size"].sum()), of.span_s)
    if (down["bytes"] < down["size"]).any():
        return not_needed(metric, size, "permessage-deflate is in use", down, of.formats)
    if size <= limits.compress_bytes and flow <= limits.compress_bytes_per_s:
        told = f"{size:.0f} bytes at the median, {flow:,.0f} bytes/s"
        return not_needed(metric, size, told, down, of.formats, against=[QUIETER])
    known = of.sessions["deflate"].drop_nulls()
    if known.is_empty():
        return not_decidable(metric, NO_HANDSHAKE)
    if known.all():
        return not_needed(metric, size, "permessage-deflate is negotiated", down, of.formats)
    left = median(down["packed"])
    if left is None or left > SHRINKS:
        told = "what is sent hardly shrinks, or is too short to"
        return not_needed(metric, size, told, down, of.formats)
    return needed(
        metric,
        size,
        f"{size:,.0f} bytes at the median and {flow:,.0f} bytes/s of text without "
        f"permessage-deflate; deflate leaves {left:.0%} of a sample",
        f"{flow * (1 - left):,.0f} bytes/s",
        down.filter(pl.col("packed").is_not_null()),
        of.formats,
        against=["a server short of CPU or memory pays for it: each connection keeps a window"],
    )
