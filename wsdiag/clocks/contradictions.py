"""Effects seen before their causes: what no single offset of a clock can explain."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from wsdiag.clocks import anchors
from wsdiag.clocks.fit import SETTLE_MS, Clock

FEW, SHARE = 3, 0.1
"""So many moments, and so large a part of all, must be out of order: a line may be written late."""

LATE_MS = 2 * SETTLE_MS
"""What a line may be late on a machine that works."""


def contradictions(events: pl.DataFrame, clocks: Mapping[str, Clock]) -> pl.DataFrame:
    """Columns source, pos, against, pos_against, ms (by how much too early or late), of `events` on
    one clock: what both saw in an order that cannot be, by more than twice the error and a line
    may be late. An attempt is no such moment: a page begins one whenever its log says so.

    Nothing of a source of which it is true too seldom to be the clock's fault.
    """
    shared = anchors.anchors(events) if len(clocks) > 1 else anchors.anchors(events.clear())
    found = [
        _broken(shared, source, clock)
        for source, clock in clocks.items()
        if clock.against not in (None, source) and clock.anchors >= FEW
    ]
    schema = {"source": pl.String, "against": pl.String, "pos": pl.Int64}
    nothing = pl.DataFrame(schema={**schema, "pos_against": pl.Int64, "ms": pl.Float64})
    return pl.concat([nothing, *found], how="diagonal")


def _broken(shared: pl.DataFrame, source: str, clock: Clock) -> pl.DataFrame:
    left = 0.0 if clock.moves else clock.offset_ms or 0.0
    early = (pl.col("apart_ms") - left) * pl.col("after")
    both = anchors.pairs(shared, source, clock.against or "").filter(
        pl.col("what") != anchors.ATTEMPT
    )
    broken = (
        both.with_columns(ms=-early)
        .filter(pl.col("ms") > 2 * (clock.error_ms or 0.0) + LATE_MS)
        .select(
            pl.lit(source).alias("source"),
            pl.lit(clock.against).alias("against"),
            "pos",
            pl.col("pos_reference").alias("pos_against"),
            "ms",
        )
        .sort("ms", descending=True)
    )
    return broken if len(broken) >= max(FEW, SHARE * len(both)) else broken.clear()
