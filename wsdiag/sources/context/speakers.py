"""Whose connection a sentence is about, where each line begins with a name, or has one in a field
of one letter: `[tab-13] connected`, `watcher joined w=13`.

Such a name may as well be a thread's or a host's, or how many there are. A connection's it is where
there are several of them in a log, and none opens twice without an end, or another attempt,
between.
"""

from __future__ import annotations

import polars as pl

SPEAKER = "speaker"
"""The column of the name; no event has it."""

_KIND = pl.col("kind")
_OPENS, _ENDS = _KIND == "open", _KIND.is_in(["close", "end", "attempt", "rejected", "refused"])


def named(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows, without that column; their `conn` is that name where it is a connection's."""
    known = frame.filter(pl.col(SPEAKER).is_not_null() & (_OPENS | _ENDS))
    told = known.select(SPEAKER, "pos", opens=_OPENS).collect(engine="in-memory")
    if told[SPEAKER].n_unique() > 1 and not _opens_twice(told):
        frame = frame.with_columns(conn=pl.coalesce("conn", SPEAKER))
    return frame.drop(SPEAKER)


def _opens_twice(told: pl.DataFrame) -> bool:
    """Whether a name opens while it is open."""
    turns = told.sort(SPEAKER, "pos", maintain_order=True)
    twice = pl.col("opens") & pl.col("opens").shift(1).over(SPEAKER).fill_null(value=False)
    return bool(turns.select(twice.any()).item())
