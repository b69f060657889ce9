"""Targets by path: each connection is judged by the targets that its path has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import polars as pl

from wsdiag.targets import Goals, Targets, expression

if TYPE_CHECKING:
    from wsdiag.connections import Story

Judging = Callable[[pl.LazyFrame, Targets, str], pl.LazyFrame]
"""What judges rows by targets; the text says on which paths, empty where all have the same."""


def found(values: pl.LazyFrame, story: Story, goals: Goals, judge: Judging) -> pl.LazyFrame:
    """The FINDINGS of `judge` over `values`, which have a session, for each group of paths."""
    return pl.concat([judge(*group) for group in _groups(values, story, goals)])


def judged(values: pl.LazyFrame, story: Story, goals: Goals, judge: Judging) -> pl.LazyFrame:
    """One `judged` row out of those that `judge` gives for each group of paths."""
    each = pl.concat([judge(*group) for group in _groups(values, story, goals)])
    said = pl.col("said").filter(pl.col("judged") > 0)
    return each.select(pl.col("judged").sum(), said.str.join("; "))


def _groups(
    values: pl.LazyFrame, story: Story, goals: Goals
) -> Iterator[tuple[pl.LazyFrame, Targets, str]]:
    if not goals.paths:
        yield values, goals, ""
        return
    fits = [pl.col("path").str.contains(expression(glob)) for glob, _ in goals.paths]
    first = pl.coalesce(pl.when(fit).then(place) for place, fit in enumerate(fits))
    group = story.connections.select("session", _group=first.fill_null(len(fits)))
    told = values.join(group, on="session", how="left", maintain_order="left")
    told = told.with_columns(pl.col("_group").fill_null(len(fits)))
    for place, (path, targets) in enumerate((*goals.paths, ("", goals))):
        where = f" on {path}" if path else " on other paths"
        yield told.filter(pl.col("_group") == place).drop("_group"), targets, where
