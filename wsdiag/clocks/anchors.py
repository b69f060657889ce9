"""Moments that two sources have in common, and which of the two saw each of them first.

A handshake is known by its Sec-WebSocket-Key, its request id or the client's address, and so are
the Close frame that ended the same connection, with its code and reason; a message by the id in it,
a ping by its payload. What a source tells twice under one name is no anchor: which of the two the
other source means, nobody can say. Only a capture may tell a thing twice, once on each leg.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

NAMES = ("key", "trace", "peer")
"""What ties two sources' handshakes together, the surest first."""

MOST = 50_000
"""Of more messages with an id only some are compared, the same in every source."""

PLACES = {"client": 0, "network": 1, "proxy": 1, "server": 2}
"""Where a vantage stands on the way from client to server."""

BOTH_LEGS = timedelta(seconds=2)
"""A proxy passes a thing on within this time, or it is another thing of the same name."""

HANDSHAKE, ATTEMPT = "handshake", "attempt"

CARRIED = ("message", "ping", "pong")
"""Kinds of which an id in them may tell which one it is."""

_FEW_CLOSES = 200_000


def anchors(events: pl.DataFrame) -> pl.DataFrame:
    """Columns source, anchor, what (handshake, attempt, close, message, ping, pong), dir, ts, place
    (on the way from client to server) and pos; one row for each moment that a source names once."""
    timed = events.filter(pl.col("ts").is_not_null())
    # What a network saw twice it saw on two legs; there the client's opens last.
    last = pl.col("ts").arg_max()
    return (
        pl.concat([*_handshakes(timed), *_closes(timed), *_ids(timed)])
        .group_by("source", "anchor", maintain_order=True)
        .agg(
            *(pl.col(name).get(last) for name in ("what", "dir", "ts", "vantage", "pos")),
            pl.len().alias("times"),
            (pl.col("ts").max() - pl.col("ts").min() <= BOTH_LEGS).alias("at_once"),
        )
        .filter((pl.col("times") == 1) | ((pl.col("vantage") == "network") & pl.col("at_once")))
        .with_columns(
            place=pl.col("vantage").cast(pl.String).replace_strict(PLACES, return_dtype=pl.Int8)
        )
        .drop("times", "at_once", "vantage")
    )


def _handshakes(events: pl.DataFrame) -> list[pl.DataFrame]:
    kind = pl.col("kind")
    opens = events.filter(kind.is_in(["open", "rejected"]))
    tries = events.filter(kind == "attempt")
    return [
        *(_named(opens, HANDSHAKE, pl.lit("s2c"), name, pl.lit("")) for name in NAMES),
        *(_named(tries, ATTEMPT, pl.lit("c2s"), name, pl.lit("")) for name in NAMES),
    ]


def _closes(events: pl.DataFrame) -> list[pl.DataFrame]:
    """Close frames of which the direction is told, of connections that have a name."""
    closes = events.filter(
        (pl.col("kind") == "close") & pl.col("dir").is_not_null() & pl.col("conn").is_not_null()
    )
    if closes.is_empty() or len(closes) > _FEW_CLOSES:
        return []
    found = []
    for name in ("key", "peer"):
        owners = (
            events.filter(pl.col(name).is_not_null() & pl.col("conn").is_not_null())
            .group_by("source", "conn")
            .agg(pl.col(name).unique())
            .filter(pl.col(name).list.len() == 1)
            .with_columns(pl.col(name).list.first())
        )
        named = closes.drop(name).join(owners, on=["source", "conn"], maintain_order="left")
        told = pl.concat_str(pl.col("code").fill_null(0), pl.col("reason").fill_null(""))
        found.append(_named(named, "close", pl.col("dir"), name, told))
    return found


def _ids(events: pl.DataFrame) -> list[pl.DataFrame]:
    """Messages and pings by the id or payload that they carry."""
    carried = events.filter(
        pl.col("kind").is_in(CARRIED) & pl.col("trace").is_not_null() & pl.col("dir").is_not_null()
    )
    if carried["source"].n_unique() < 2:
        return []
    every = len(carried) // MOST + 1
    some = carried.filter(pl.col("trace").hash(seed=0) % every == 0)
    return [_named(some, pl.col("kind").cast(pl.String), pl.col("dir"), "trace", pl.lit(""))]


def _named(
    rows: pl.DataFrame, what: str | pl.Expr, way: pl.Expr, name: str, told: pl.Expr
) -> pl.DataFrame:
    what = pl.lit(what) if isinstance(what, str) else what
    way = way.cast(pl.String)
    return rows.filter(pl.col(name).is_not_null()).select(
        "source",
        "ts",
        "vantage",
        "pos",
        what=what,
        dir=way,
        anchor=pl.concat_str(what, way, pl.lit(name), name, told, separator=" "),
    )


def pairs(anchors: pl.DataFrame, source: str, reference: str) -> pl.DataFrame:
    """What two sources both saw: at (the reference's ts), apart_ms (the source's time minus the
    reference's), what, after (+1 where the source must have seen it later, −1 where earlier, 0
    where nobody knows), pos and pos_reference."""
    return compared(
        anchors.filter(pl.col("source") == source).join(
            anchors.filter(pl.col("source") == reference).select("anchor", "ts", "place", "pos"),
            on="anchor",
            suffix="_reference",
        )
    )


def compared(both: pl.DataFrame) -> pl.DataFrame:
    """Two sources' tellings of the same things, side by side, as `pairs` has them.

    A thing is seen later the nearer one stands to where it goes.
    """
    nearer = (pl.col("place") - pl.col("place_reference")).sign()
    towards = pl.col("dir").replace_strict({"c2s": 1, "s2c": -1}, default=0, return_dtype=pl.Int8)
    return both.select(
        "what",
        "pos",
        "pos_reference",
        at=pl.col("ts_reference"),
        apart_ms=(pl.col("ts") - pl.col("ts_reference")).dt.total_microseconds() / 1000,
        after=(nearer * towards).cast(pl.Int8),
    )
