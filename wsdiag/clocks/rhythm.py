"""A source that shares no name with another may still be known by its rhythm.

Connections open, close and talk at moments of their own. Where nearly all of a source's moments
fall on the other's after one shift, and after no other, that shift is its offset. Only what is
alike is compared: openings, closes of one code and reason, messages of one direction and size.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from wsdiag.clocks.anchors import HANDSHAKE, PLACES, compared
from wsdiag.clocks.fit import SETTLE_MS, Clock, fit
from wsdiag.connections.codes import LOCAL_CODES

RHYTHM, NEARLY_ALL, MOST = 5, 0.8, 2_000
"""So many moments make a rhythm, so large a share of it must meet; of more none is sought."""

MOST_PAIRS = 4_000_000


def by_rhythm(
    events: pl.DataFrame, source: str, reference: str, step_ms: float, step_reference_ms: float
) -> Clock:
    """The clock that fits the one shift after which the source's moments are the reference's."""
    own, others = (_moments(events, name) for name in (source, reference))
    reach = SETTLE_MS + max(step_ms, step_reference_ms)
    for kinds in (("open",), ("open", "close", "message")):
        met = _shift(_of(own, kinds), _of(others, kinds), reach)
        if met is not None:
            return fit(met, step_ms, step_reference_ms)
    return Clock()


def _shift(own: pl.DataFrame, others: pl.DataFrame, reach: float) -> pl.DataFrame | None:
    """What meets after the one shift that fits, as `anchors.pairs`; None where none does."""
    own = own.filter(pl.col("alike").is_in(others["alike"].unique().implode()))
    others = others.filter(pl.col("alike").is_in(own["alike"].unique().implode()))
    if not RHYTHM <= len(own) <= MOST or not RHYTHM <= len(others) <= MOST:
        return None
    both = own.join(others, on="alike", suffix="_reference")
    if len(both) > MOST_PAIRS:
        return None
    apart = ((both["ts"] - both["ts_reference"]).dt.total_microseconds() / 1000).sort().to_numpy()
    last = np.searchsorted(apart, apart + reach, side="right")
    met = last - np.arange(len(apart))
    best = int(np.argmax(met))
    middle = float(np.median(apart[best : last[best]]))
    elsewhere = met[np.abs(apart - middle) > 4 * reach]
    if 2 * elsewhere.max(initial=0) > met[best]:
        return None
    there = compared(both).filter(pl.col("apart_ms").is_between(apart[best], apart[last[best] - 1]))
    return there if there["pos"].n_unique() >= NEARLY_ALL * len(own) else None


def _of(moments: pl.DataFrame, kinds: tuple[str, ...]) -> pl.DataFrame:
    return moments.filter(pl.col("kind").is_in(kinds))


def _moments(events: pl.DataFrame, source: str) -> pl.DataFrame:
    """What a source saw: kind, ts, pos, what, dir, place and `alike`, equal in things alike; on two
    legs of one connection, the client's."""
    kind = pl.col("kind").cast(pl.String)
    known = pl.col("code").is_not_null() & ~pl.col("code").is_in(list(LOCAL_CODES))
    told = events.filter(
        (pl.col("source") == source)
        & pl.col("ts").is_not_null()
        & (
            (kind == "open")
            | ((kind == "close") & known)
            | ((kind == "message") & pl.col("dir").is_not_null() & pl.col("bytes").is_not_null())
        )
    ).head(MOST + 1)
    closes = pl.format("close {} {}", pl.col("code").fill_null(0), pl.col("reason").fill_null(""))
    sizes = pl.format("message {} {}", "dir", pl.col("bytes").fill_null(0))
    name = pl.coalesce("key", pl.concat_str(pl.lit("row "), pl.col("pos")))
    return (
        told.with_columns(
            kind=kind,
            what=pl.when(kind == "open").then(pl.lit(HANDSHAKE)).otherwise(kind),
            # Who began to close is told by few logs: no log's time of it bounds the other's.
            dir=pl.when(kind == "open")
            .then(pl.lit("s2c"))
            .when(kind == "message")
            .then(pl.col("dir").cast(pl.String)),
            alike=pl.when(kind == "open")
            .then(pl.lit("open"))
            .when(kind == "close")
            .then(closes)
            .otherwise(sizes),
            _once=pl.when(kind == "open").then(name).otherwise(pl.format("{} {}", kind, "pos")),
        )
        .group_by("_once", maintain_order=True)
        .agg(pl.all().get(pl.col("ts").arg_max()))
        .select(
            "kind",
            "ts",
            "pos",
            "what",
            "dir",
            "alike",
            place=pl.col("vantage").cast(pl.String).replace_strict(PLACES, return_dtype=pl.Int8),
        )
    )
