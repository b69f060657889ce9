"""Lines of one plan, and the rows they give: in columns where nothing else bears upon them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from wsdiag.event import Kind
from wsdiag.sources.context.only_if import WHILE_READ
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.line.stamp_columns import Times
from wsdiag.sources.templates.line_template import Plan, Template
from wsdiag.sources.templates.token_fills import Made

_STATEFUL = frozenset({Kind.OPEN, Kind.CLOSE, Kind.END, Kind.REJECTED, Kind.SERVER_START})


class Part(NamedTuple):
    """Lines of one plan; `times` tells how theirs are written."""

    plan: Plan
    template: Template
    places: npt.NDArray[np.int64]
    at: pl.Series
    tokens: dict[int, pl.Series]
    times: Times

    def of(self, which: npt.NDArray[np.bool_]) -> Part:
        """Some of the lines."""
        if which.all():
            return self
        chosen = pl.Series(which)
        tokens = {n: column.filter(chosen) for n, column in self.tokens.items()}
        return self._replace(places=self.places[which], at=self.at.filter(chosen), tokens=tokens)

    def rows(self) -> Iterator[pl.DataFrame]:
        """The rows of the lines, a frame for each row that these have."""
        told = {"pos": pl.Series(self.places), "ts": self.at}
        for fixed, fills in self.plan.rows:
            columns = {column: fill.many(column, self.tokens) for column, fill in fills.items()}
            yield pl.DataFrame({**told, **columns}).with_columns(
                pl.lit(value, WHILE_READ[column]).alias(column) for column, value in fixed.items()
            )

    def by_line(self) -> Iterator[tuple[int, list[Row]]]:
        """The place of each line, and its rows without it."""
        made = [frame.drop("pos").to_dicts() for frame in self.rows()]
        for number, place in enumerate(self.places.tolist()):
            rows = (rows[number] for rows in made)
            yield (
                place,
                [{n: value for n, value in row.items() if value is not None} for row in rows],
            )


def is_apart(plan: Plan) -> bool:
    """True where nothing that other lines tell bears upon the rows, nor they upon others."""
    for fixed, fills in plan.rows:
        if fixed["kind"] in _STATEFUL:
            return False
        names = {*fixed, *fills}
        if "conn" not in names and ("peer" in names or plan.told.anonymous):
            return False
        if isinstance(fills.get("conn"), Made):  # of which nothing may be made
            return False
    return True
