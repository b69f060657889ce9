"""Rates and quantiles of messages, null where there is nothing to measure."""

from __future__ import annotations

import polars as pl

WINDOW_S = 5
"""A rate counts as kept up when it holds for so long."""


def median(column: pl.Series) -> float | None:
    """The median of numbers."""
    found = column.drop_nulls().median()
    return float(found) if isinstance(found, int | float) else None


def quantile(column: pl.Series, share: float) -> float | None:
    """A quantile of numbers."""
    return column.drop_nulls().quantile(share, "nearest")


def kept_up(messages: pl.DataFrame, *by: str) -> float | None:
    """The highest rate of one group that holds for 5 s, in messages a second.

    The windows slide from message to message, so that a burst is not cut in two.
    """
    if messages.is_empty():
        return None
    times = messages.filter(pl.col("at").is_not_null()).sort("at")
    if times.is_empty():
        return None
    counted = times.rolling("at", period=f"{WINDOW_S}s", group_by=list(by)).agg(n=pl.len())
    began = pl.col("at").min().over(list(by))
    whole = counted.filter(pl.col("at") - began >= pl.duration(seconds=WINDOW_S))
    most = whole["n"].max()
    return float(most) / WINDOW_S if isinstance(most, int) else None


def gaps_ms(messages: pl.DataFrame, *by: str) -> pl.Series:
    """The time between neighbours of one group, in milliseconds."""
    return (
        messages.sort("at")
        .select((pl.col("at").diff().over(list(by)).dt.total_microseconds() / 1e3).alias("gap"))
        .drop_nulls()
        .to_series()
    )


def per_s(number: float, seconds: float) -> float:
    """A number as a rate; 0 where no time has passed."""
    return number / seconds if seconds > 0 else 0.0


def rounded(value: float | None, digits: int = 5) -> float | None:
    """A number as it is told, with so many digits that matter."""
    return None if value is None else float(f"{value:.{digits}g}")
