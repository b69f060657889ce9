"""A series as a line of blocks, one block a step."""

from __future__ import annotations

from collections.abc import Iterable

from wsdiag.report import Series
from wsdiag.reporters.wording import amount

BLOCKS = "▁▂▃▄▅▆▇█"
ENOUGH = 4
"""Fewer steps show no course."""


def lines(series: Iterable[Series]) -> list[str]:
    """`opens       ▁▁█▃  max 6 in 2 s`, one line a measure; a space where nothing was measured."""
    return [
        f"{one.name:<11} {_blocks(one.values)}  max {_largest(one)}"
        for one in series
        if len(one.values) >= ENOUGH and any(one.values)
    ]


def _blocks(values: list[float | None]) -> str:
    most = max(value for value in values if value is not None)
    shown = [
        " " if value is None else BLOCKS[round((len(BLOCKS) - 1) * value / most)]
        for value in values
    ]
    return "".join(shown)


def _largest(one: Series) -> str:
    most = max(value for value in one.values if value is not None)
    if one.unit:
        return amount(most, one.unit)
    return f"{amount(most)} in {amount(one.step_s, 's')}"
