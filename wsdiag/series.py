"""Measures over time, in few enough steps for a line of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from math import ceil

import polars as pl

from wsdiag.report import Series

MAX_STEPS = 40
STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900]
STEPS_S += [1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400]
"""Steps that a reader can count with; beyond the last, whole days."""


def over_time(
    counted: Mapping[str, pl.Series], measured: Mapping[str, pl.DataFrame]
) -> list[Series]:
    """Counts of moments, and 95th percentiles of (moment, value) frames, over all their time.

    Nothing where no moment is known. A measure without values is left out.
    """
    frames = {name: frame.drop_nulls() for name, frame in measured.items()}
    moments = pl.concat(
        [
            column.cast(pl.Datetime("us", "UTC")).drop_nulls().alias("at")
            for column in (*counted.values(), *(frame.to_series(0) for frame in frames.values()))
        ]
    )
    if moments.is_empty():
        return []
    first, last = (int(edge.timestamp() * 1e6) for edge in _edges(moments))
    step = _step(first, last)
    start = first // step * step
    length = (last - start) // step + 1
    made = [
        _series(name, start, step, _spread(_binned(column.drop_nulls(), start, step), length, 0.0))
        for name, column in counted.items()
    ]
    for name, frame in frames.items():
        if len(frame):
            values = _spread(_worst(frame, start, step), length, None)
            made.append(_series(name, start, step, values))
    return made


def _edges(moments: pl.Series) -> Iterator[datetime]:
    for edge in (moments.min(), moments.max()):
        assert isinstance(edge, datetime)
        yield edge


def _step(first: int, last: int) -> int:
    """The shortest step, in µs, of which at most MAX_STEPS cover both edges."""
    for seconds in STEPS_S:
        step = int(seconds * 1_000_000)
        if last // step - first // step < MAX_STEPS:
            return step
    day = int(STEPS_S[-1] * 1_000_000)
    # One step less leaves room for the part of a step before the first moment.
    return day * ceil((last - first) / day / (MAX_STEPS - 1))


def _place(moments: pl.Expr, start: int, step: int) -> pl.Expr:
    return ((moments.dt.epoch("us") - start) // step).alias("place")


def _binned(moments: pl.Series, start: int, step: int) -> pl.DataFrame:
    frame = moments.alias("at").to_frame()
    return frame.group_by(_place(pl.col("at"), start, step)).agg(value=pl.len().cast(pl.Float64))


def _worst(frame: pl.DataFrame, start: int, step: int) -> pl.DataFrame:
    moment, value = frame.columns
    return frame.group_by(_place(pl.col(moment), start, step)).agg(
        value=pl.col(value).quantile(0.95, "nearest").cast(pl.Float64).round(3)
    )


def _spread(binned: pl.DataFrame, length: int, nothing: float | None) -> list[float | None]:
    values: list[float | None] = [nothing] * length
    for place, value in binned.iter_rows():
        values[place] = value
    return values


def _series(name: str, start: int, step: int, values: list[float | None]) -> Series:
    return Series(
        name=name,
        unit={"ms": "ms", "s": "s"}.get(name.rpartition("_")[2], ""),
        start=datetime.fromtimestamp(start / 1e6, UTC),
        step_s=step / 1e6,
        values=values,
    )
