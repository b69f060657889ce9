"""Rows that count only where others of the same log show what they are of, told apart while the
log is read.

The mark has a column of its own, which no event has: when all lines are read the rows that
nothing bears out are left out, and the column with them.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from wsdiag.event import EVENTS

ONLY_IF = "only_if"
"""The column of the mark."""


class OnlyIf(StrEnum):
    """Under what condition a row counts."""

    IT_ENDS = "it ends"
    ITS_PATH_OPENS = "its path opens"


WHILE_READ = pl.Schema({**EVENTS, ONLY_IF: pl.Enum([mark.value for mark in OnlyIf])})
"""The columns of rows until the whole log is read."""

_BORNE_OUT = {
    # "visitor 17 came in" is said of shops as well; nobody leaves one with a close code.
    OnlyIf.IT_ENDS: ("conn", (pl.col("kind") == "close") & pl.col("code").is_not_null()),
    # Scanners ask for "/", and so do browsers.
    OnlyIf.ITS_PATH_OPENS: ("name", (pl.col("kind") == "open") & (pl.col("name") != "/")),
}
"""The column by which the rows that show it are of the same, and which rows these are."""


def borne_out(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows that count, without their marks."""
    met = frame.select(pl.col(ONLY_IF).drop_nulls().unique()).collect(engine="in-memory")
    for mark, (column, shown) in _BORNE_OUT.items():
        if mark in met[ONLY_IF]:
            seen = frame.filter(shown).select(pl.col(column).drop_nulls().unique())
            known = seen.collect(engine="in-memory")[column].implode()
            maybe = pl.col(ONLY_IF).eq_missing(pl.lit(mark.value, WHILE_READ[ONLY_IF]))
            frame = frame.filter(~maybe | pl.col(column).is_in(known).fill_null(False))
    return frame.drop(ONLY_IF)
