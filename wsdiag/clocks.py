"""One clock for all sources: how far each one's is from the reference, and how sure that is.

Two sources that saw the same handshake anchor their clocks to each other: it is recognised by its
Sec-WebSocket-Key, its request id, or the client's address. A source that names none of them may
still be known by its rhythm: connections open at moments of their own, and where nearly all of a
source's moments fall on the reference's after one shift, and after no other, that is its offset.
The offset is the median over all anchors, the error their robust spread plus both sources'
resolution. A source is moved only when its offset is larger than twice the error; otherwise the
clocks agree as far as anyone can tell.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import polars as pl

ANCHORS = ("key", "trace", "peer")
"""What ties two sources' handshakes together, the surest first."""

SETTLE_MS = 25.0
"""What the 101 takes from one vantage to the next, at most, on a path that works."""


RHYTHM, NEARLY_ALL, MAX_OPENS = 5, 0.8, 2_000
"""So many openings make a rhythm, so large a share of it must meet; of more none is sought."""


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """A source's clock: its time minus the reference's for the same instant, in milliseconds."""

    offset_ms: float | None = None
    error_ms: float | None = None


def align(
    events: pl.DataFrame, resolution_ms: Mapping[str, float]
) -> tuple[pl.DataFrame, dict[str, Clock]]:
    """Move every source onto the reference clock; returns the events and each source's Clock.

    The reference is the capture if there is one, else the source that shares most handshakes. A
    source that shares none keeps its own time, and its Clock is empty.
    """
    moments = _handshakes(events)
    reference = _reference(events, moments)
    clocks: dict[str, Clock] = {}
    for source in events["source"].unique().sort():
        if source == reference:
            clocks[source] = Clock(offset_ms=0.0, error_ms=resolution_ms.get(source, 1.0))
            continue
        floor = max(resolution_ms.get(source, 1.0), resolution_ms.get(reference, 1.0))
        clocks[source] = _compare(moments, source, reference, floor)
        if clocks[source].offset_ms is None:
            clocks[source] = _by_rhythm(events, source, reference, floor)
    moves = {
        source: -clock.offset_ms
        for source, clock in clocks.items()
        if clock.offset_ms
        and clock.error_ms is not None
        and abs(clock.offset_ms) > 2 * clock.error_ms
    }
    if not moves:
        return events, clocks
    shift = (
        pl.col("source").cast(pl.String).replace_strict(moves, default=0.0, return_dtype=pl.Float64)
    )
    return (
        events.with_columns(
            ts=pl.col("ts") + pl.duration(microseconds=(shift * 1000).round().cast(pl.Int64))
        ),
        clocks,
    )


def _handshakes(events: pl.DataFrame) -> pl.DataFrame:
    """The first moment of each handshake in each source, under each of its names."""
    opens = events.filter(pl.col("kind").is_in(["open", "rejected"]) & pl.col("ts").is_not_null())
    named = [
        opens.filter(pl.col(column).is_not_null()).select(
            "source", "ts", "vantage", anchor=pl.format(f"{column} {{}}", pl.col(column))
        )
        for column in ANCHORS
    ]
    # An address may return and both legs carry the key: only what is unique in its source anchors,
    # and of two legs the client's, which opens last.
    return (
        pl.concat(named)
        .group_by("source", "anchor", maintain_order=True)
        .agg(pl.col("ts").max(), pl.len().alias("times"), pl.col("vantage").first())
        .filter((pl.col("times") == 1) | (pl.col("vantage") == "network"))
    )


def _reference(events: pl.DataFrame, moments: pl.DataFrame) -> str:
    shared = moments.filter(pl.col("source").n_unique().over("anchor") > 1)
    ranked = (
        events.group_by("source")
        .agg((pl.col("vantage") == "network").any().alias("wire"))
        .join(shared.group_by("source").len(), on="source", how="left")
        .sort(pl.col("wire"), pl.col("len").fill_null(0), "source", descending=[True, True, False])
    )
    return str(ranked["source"][0]) if len(ranked) else ""


def _compare(moments: pl.DataFrame, source: str, reference: str, floor_ms: float) -> Clock:
    both = moments.filter(pl.col("source") == source).join(
        moments.filter(pl.col("source") == reference), on="anchor", suffix="_reference"
    )
    apart = (both["ts"] - both["ts_reference"]).dt.total_microseconds() / 1000
    middle = apart.median()
    if not isinstance(middle, float):
        return Clock()
    spread = (apart - middle).abs().median()
    error = floor_ms + SETTLE_MS + 1.4826 * (spread if isinstance(spread, float) else 0.0)
    return Clock(offset_ms=round(middle, 1), error_ms=round(error, 1))


def _by_rhythm(events: pl.DataFrame, source: str, reference: str, floor_ms: float) -> Clock:
    """The one shift after which the source's openings are the reference's."""
    own, others = (_openings(events, name) for name in (source, reference))
    if len(own) < RHYTHM or len(others) < RHYTHM or max(len(own), len(others)) > MAX_OPENS:
        return Clock()
    apart = np.sort((own[:, None] - others[None, :]).ravel())
    last = np.searchsorted(apart, apart + SETTLE_MS + floor_ms, side="right")
    met = last - np.arange(len(apart))
    best = int(np.argmax(met))
    middle = float(np.median(apart[best : last[best]]))
    elsewhere = met[np.abs(apart - middle) > 4 * (SETTLE_MS + floor_ms)]
    if met[best] < NEARLY_ALL * len(own) or 2 * elsewhere.max(initial=0) > met[best]:
        return Clock()
    return Clock(offset_ms=round(middle, 1), error_ms=round(floor_ms + SETTLE_MS, 1))


def _openings(events: pl.DataFrame, source: str) -> np.ndarray:
    """When connections opened in a source, in milliseconds; on two legs of one, the client's."""
    opens = events.filter(
        (pl.col("source") == source) & (pl.col("kind") == "open") & pl.col("ts").is_not_null()
    )
    name = pl.coalesce("key", pl.concat_str(pl.lit("row "), pl.col("pos")))
    once = opens.group_by(name, maintain_order=True).agg(pl.col("ts").max())
    return np.asarray(once["ts"].dt.epoch("us").to_numpy() / 1000, dtype=float)
