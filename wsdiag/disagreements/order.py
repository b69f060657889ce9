"""Effects that stand before their causes, told by two sources on what should be one clock."""

from __future__ import annotations

import polars as pl

from wsdiag.disagreements.shape import SHAPE, shaped
from wsdiag.finding import SPOT


def find(broken: pl.DataFrame, events: pl.LazyFrame) -> pl.DataFrame:
    """Of each source that contradicts the clock it was put on, the worst moment."""
    if broken.is_empty():
        return pl.DataFrame(schema=SHAPE)
    worst = (
        broken.sort("ms", descending=True, maintain_order=True)
        .group_by("source", maintain_order=True)
        .first()
    )
    places = pl.concat(
        [worst.select("source", "pos"), worst.select(source="against", pos="pos_against")]
    )
    spots = (
        events.with_columns(pl.col("source").cast(pl.String))
        .join(places.lazy(), on=["source", "pos"], how="semi")
        .group_by("source", "pos", maintain_order=True)
        .agg(pl.col("session").first(), SPOT.first().alias("spot"))
        .collect()
    )
    return shaped(
        worst.join(spots.rename({"spot": "one"}), on=["source", "pos"]).join(
            spots.select(against="source", pos_against="pos", other="spot"),
            on=["against", "pos_against"],
        ),
        "clock-broken",
        pl.format(
            "{} and {} tell one moment in an order that cannot be, {} ms apart",
            "source",
            "against",
            pl.col("ms").round().cast(pl.Int64),
        ),
    )
