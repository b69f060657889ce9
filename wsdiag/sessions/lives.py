"""The several lives of one name: a client's name, a port that is used again."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from wsdiag.event import BEGIN
from wsdiag.sessions.lifecycle import ENDS, GIVEN_UP, LIFECYCLE, SAME_OPEN, SAME_TRY
from wsdiag.sessions.lines import marked

LASTING_END, OFTEN = timedelta(seconds=5), 2
"""Two sentences of one end stand this close together; a name of which nothing but ends is told,
again and so often after longer, is a client's that comes back."""


def split(events: pl.DataFrame) -> pl.DataFrame:
    """Number the lives of each (source, conn): `_node` is `conn`, then `conn #2` and so on."""
    again = _begun_again(events)
    if again.is_empty():
        return events.with_columns(_node="conn")
    over = ("source", "conn")
    later = (
        events.select(*over, _new=marked(again, len(events)))
        .with_row_index("_row")
        .join(events[again], on=over, how="semi", maintain_order="left")
        .select("_row", "conn", _life=pl.col("_new").cum_sum().over(over) + 1)
        .filter(pl.col("_life") > 1)
        .select("_row", _later=pl.format("{} #{}", "conn", "_life"))
    )
    rows = events.select(pl.int_range(pl.len(), dtype=pl.get_index_type()).alias("_row"))
    nodes = rows.join(later, on="_row", how="left", maintain_order="left")["_later"]
    return events.with_columns(_node=nodes.fill_null(events["conn"]))


def _begun_again(events: pl.DataFrame) -> pl.Series:
    """The numbers of the rows with which a name begins another life."""
    kind, gap = pl.col("kind"), pl.col("ts") - pl.col("_before")
    over = ("source", "conn")
    lifecycle = (
        events.select("source", "conn", "ts", "pos", "kind")
        .with_row_index("_row")
        .filter(
            pl.col("conn").is_not_null()
            & kind.is_in([*LIFECYCLE, *GIVEN_UP])
            & ~pl.col("conn").str.starts_with("line ")
        )
    )
    begins = kind.is_in(BEGIN)
    several = (
        lifecycle.group_by(over)
        .agg(
            begins.sum().alias("times"),
            begins.first().alias("at once"),
            ((pl.col("ts").filter(kind.is_in(ENDS)).diff() > LASTING_END).sum() >= OFTEN).alias(
                "ends often"
            ),
        )
        .filter(
            (pl.col("times") > 1)
            | ((pl.col("times") > 0) & ~pl.col("at once"))
            | ((pl.col("times") == 0) & pl.col("ends often"))
        )
    )
    return (
        lifecycle.join(several.select(*over, "times"), on=over, maintain_order="left")
        .filter((pl.col("times") == 0) | ~kind.is_in(GIVEN_UP))
        .with_columns(
            _last=kind.shift(1).over(over),
            _before=pl.col("ts").shift(1).over(over),
            _same_line=(pl.col("pos") == pl.col("pos").shift(1).over(over)).fill_null(False),
        )
        .with_columns(
            _new=pl.when(pl.col("_last").is_null() | pl.col("_same_line"))
            .then(False)
            .when(pl.col("times") == 0)
            .then(pl.col("_last").is_in(ENDS) & (gap > LASTING_END))
            .when(kind == "attempt")
            .then(~((pl.col("_last") == "attempt") & (gap < SAME_TRY)).fill_null(False))
            .when(kind == "open")
            .then(
                (pl.col("_last") != "attempt")
                & ~((pl.col("_last") == "open") & (gap < SAME_OPEN)).fill_null(False)
            )
            .when(kind.is_in(["rejected", "refused"]))
            .then(pl.col("_last").is_in(["close", "end", "rejected", "refused"]) & (gap > SAME_TRY))
            .otherwise(False)
        )
        .filter("_new")["_row"]
    )
