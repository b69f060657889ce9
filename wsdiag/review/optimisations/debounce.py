"""Debounce cache invalidation: the same URL is asked for again and again after messages."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.answers import QUIETER, Metric, needed, not_needed, nothing_fetched
from wsdiag.review.rates import per_s
from wsdiag.review.traffic import Traffic

ID = "debounce"
BURSTS = 3
"""So many bursts at least, before a share of them says anything."""


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
    """By the most identical GETs within a second, and by the share of bursts that repeat a GET."""
    metric = Metric(ID, "identical GETs within 1 s after a message", limits.burst_gets, "GETs")
    blank = nothing_fetched(metric, of, refetched, 0, "no GET follows a message")
    if blank is not None:
        return blank
    who = ["whose", "client", "url"]
    windows = refetched.sort("at").rolling("at", period="1s", group_by=who).agg(n=pl.len())
    most = float(windows["n"].max() or 0)  # type: ignore[arg-type]
    gap = pl.col("at").diff().over(who)
    repeats = refetched.sort("at").filter(gap <= pl.duration(seconds=1))
    bursts, repeating = _bursts(of, repeats)
    share = repeating / bursts if bursts else 0.0
    if most < limits.burst_gets and not (bursts >= BURSTS and share > limits.burst_share):
        why = f"at most {most:.0f} identical GETs within a second, {len(repeats)} repeats in all"
        return not_needed(metric, most, why, refetched, of.formats, against=[QUIETER])
    return needed(
        metric,
        most,
        f"up to {most:.0f} GETs of one URL within a second; {repeating} of {bursts} bursts of "
        "messages repeat a GET",
        f"{per_s(len(repeats), of.span_s):.2g} requests/s: {len(repeats)} of {len(refetched)} "
        "refetches repeat one of the second before",
        repeats,
        of.formats,
        against=["a page that is to show each state in between wants every one of them"],
    )


def _bursts(of: Traffic, repeats: pl.DataFrame) -> tuple[int, int]:
    """How many bursts of at least two messages there were, and in how many a GET was repeated."""
    who = ["whose"]
    new = (pl.col("at").diff().over(who) > pl.duration(seconds=1)).fill_null(value=True)
    bursts = (
        of.down.sort("at")
        .with_columns(burst=new.cum_sum().over(who))
        .group_by(*who, "burst")
        .agg(begin=pl.col("at").min(), end=pl.col("at").max(), n=pl.len())
        .filter(pl.col("n") >= 2)
    )
    inside = bursts.join(repeats.select(*who, "at"), on=who).filter(
        (pl.col("at") >= pl.col("begin")) & (pl.col("at") <= pl.col("end") + pl.duration(seconds=1))
    )
    return len(bursts), len(inside.select(*who, "burst").unique())
