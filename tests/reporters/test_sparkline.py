"""Sparklines: the course of a series in as many blocks as it has steps."""

from __future__ import annotations

import sample

from wsdiag.report import Series
from wsdiag.reporters import sparkline


def series(*values: float | None, unit: str = "") -> Series:
    return Series(
        name="connect_ms" if unit else "opens",
        unit=unit,
        start=sample.START,
        step_s=5.0,
        values=list(values),
    )


def test_the_most_is_the_highest_block() -> None:
    assert sparkline.lines([series(0, 1, 2, 7)]) == ["opens       ▁▂▃█  max 7 in 5 s"]


def test_where_nothing_was_measured_is_a_gap() -> None:
    told = sparkline.lines([series(80, None, None, 8, unit="ms")])
    assert told == ["connect_ms  █  ▂  max 80 ms"]


def test_few_steps_or_nothing_but_zeros_show_no_course() -> None:
    assert sparkline.lines([series(1, 2, 3), series(0, 0, 0, 0), series(None, 0, 0, 0)]) == []
