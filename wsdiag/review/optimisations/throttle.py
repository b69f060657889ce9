"""Throttle chatty senders: a client sends one type of message faster than anybody can follow."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import NO_MESSAGES, QUIETER, Metric, needed, not_decidable, not_needed
from wsdiag.review.rates import kept_up
from wsdiag.review.traffic import Traffic

ID = "throttle"


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the messages of one type a second that one client sent for 5 s."""
    metric = Metric(ID, "messages of one type from one client", limits.throttle_per_s, "messages/s")
    up = of.up
    if of.messages.is_empty():
        return not_decidable(metric, NO_MESSAGES)
    if up.is_empty():
        return not_needed(metric, 0, "clients send nothing", of.messages, of.formats)
    rate = kept_up(up.with_columns(pl.col("event").fill_null("")), "session", "event")
    if rate is None or rate <= limits.throttle_per_s:
        told = f"at most {rate or 0:.3g} messages/s of one type for 5 s"
        return not_needed(metric, rate, told, up, of.formats, against=[QUIETER])
    senders = up["session"].n_unique()
    event = next(iter(up["event"].mode().sort().to_list()), None)
    return needed(
        metric,
        rate,
        f"a client sends {rate:.3g} messages/s of {event or 'one type'} for 5 s and more",
        f"{(rate - limits.throttle_per_s) * senders:.0f} messages/s from {senders} clients, and "
        "their copies to everybody else",
        up.filter(pl.col("event").eq_missing(event)),
        of.formats,
        against=["games may need every one of them"],
    )
