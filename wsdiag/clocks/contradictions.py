"""Effects seen before their causes: what no single offset of a clock can explain."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from wsdiag.clocks import anchors
from wsdiag.clocks.fit import Clock

FEW = 3
"""A single line that was written late breaks no clock."""


def contradictions(events: pl.DataFrame, clocks: Mapping[str, Clock]) -> pl.DataFrame:
    """Columns source, pos, against, pos_against, ms (by how much too early or late), of `events` on
    one clock: what both saw in an order that cannot be, by more than twice the error.

    Nothing of a source of which it is true fewer than `FEW` times.
    """
    shared = anchors.anchors(events) if len(clocks) > 1 else anchors.anchors(events.clear())
    found = [
        _broken(shared, source, clock)
        for source, clock in clocks.items()
        if clock.against not in (None, source) and clock.anchors >= FEW
    ]
    source = pl.col("source").count().over("source")
    schema = {"source": pl.String, "against": pl.String, "pos": pl.Int64}
    nothing = pl.DataFrame(schema={**schema, "pos_against": pl.Int64, "ms": pl.Float64})
    return pl.concat([nothing, *found], how="diagonal").filter(source >= FEW)


def _broken(shared: pl.DataFrame, source: str, clock: Clock) -> pl.DataFrame:
    left = 0.0 if clock.moves else clock.offset_ms or 0.0
    early = (pl.col("apart_ms") - left) * pl.col("after")
    return (
        anchors.pairs(shared, source, clock.against or "")
        .with_columns(ms=-early)
        .filter(pl.col("ms") > 2 * (clock.error_ms or 0.0))
        .select(
            pl.lit(source).alias("source"),
            pl.lit(clock.against).alias("against"),
            "pos",
            pl.col("pos_reference").alias("pos_against"),
            "ms",
        )
        .sort("ms", descending=True)
    )
