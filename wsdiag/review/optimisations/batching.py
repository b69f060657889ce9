"""Batch messages: more come in a second than a screen can show frames."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import NO_MESSAGES, QUIETER, Metric, needed, not_decidable, not_needed
from wsdiag.review.rates import gaps_ms, kept_up, median
from wsdiag.review.traffic import Traffic

ID = "batching"
ENOUGH = 50
"""So many messages at least, before their spacing says anything."""
STEADY_PER_S = 20.0
"""Slower than this, close neighbours are only answers that belong together."""
FRAME_MS = 16.7
"""One animation frame at 60 Hz."""


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the messages a second that one client got for 5 s, and by their spacing and size."""
    metric = Metric(
        ID, "messages to one client, kept up for 5 s", limits.batch_frames_per_s, "messages/s"
    )
    down = of.down
    if of.messages.is_empty():
        return not_decidable(metric, NO_MESSAGES)
    rate = kept_up(down, "session")
    if rate is None:
        return not_needed(
            metric, None, "no connection gets messages for as long as 5 s", down, of.formats
        )
    gap, size = median(gaps_ms(down, "session")), median(down["size"]) or 0.0
    close = (
        len(down) >= ENOUGH
        and rate >= STEADY_PER_S
        and gap is not None
        and gap < limits.batch_gap_ms
        and size < limits.small_bytes
    )
    told = (
        f"{rate:.3g} messages/s for 5 s, {gap or 0:.0f} ms apart and {size:.0f} bytes at the median"
    )
    if rate <= limits.batch_frames_per_s and not close:
        return not_needed(metric, rate, told, down, of.formats, against=[QUIETER])
    kept = 1000 / FRAME_MS
    small = float((down["size"] < 100).mean() or 0)  # type: ignore[arg-type]
    return needed(
        metric,
        rate,
        f"{told}; {small:.0%} are shorter than 100 bytes",
        f"{max(rate - kept, rate / 2):.0f} messages/s for each client, with one batch for each "
        f"animation frame ({FRAME_MS} ms)",
        down.sort("at").filter(pl.col("session") == down["session"].mode().sort().first()),
        of.formats,
        against=["a target below one frame (16 ms), as in games, forbids to wait"],
    )
