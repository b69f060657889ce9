"""A column of one value, made at once: a plan for it costs more than the column."""

from __future__ import annotations

import polars as pl


def constant(value: bool | str, length: int) -> pl.Series:
    """A column that holds the value so many times."""
    return pl.Series([value]).new_from_index(0, length)
