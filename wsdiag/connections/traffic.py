"""Messages, pings and pongs of a connection, which are most rows of a capture, told in a few."""

from __future__ import annotations

import polars as pl

TRAFFIC = pl.col("kind").is_in(["message", "ping", "pong"])
COUNTS = ("messages_c2s", "messages_s2c", "pings", "pongs")


def legs(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The traffic as one row for each session, source and conn.

    Columns: those of EVENTS that tell who it is, with `ts` and `pos` of the first row; `last`,
    `last_c2s`, `last_s2c`; and how many messages_c2s, messages_s2c, pings and pongs.
    """
    kind, ts, way = pl.col("kind"), pl.col("ts"), pl.col("dir")
    return (
        rows.filter(TRAFFIC)
        .group_by("session", "source", "conn", maintain_order=True)
        .agg(
            pl.col("ts", "pos", "vantage", "kind").first(),
            *(pl.col(name).drop_nulls().first() for name in ("user", "token", "key", "peer")),
            pl.col("expires").max(),
            ts.max().alias("last"),
            *(ts.filter(way == name).max().alias(f"last_{name}") for name in ("c2s", "s2c")),
            ((kind == "message") & (way == "c2s")).sum().alias("messages_c2s"),
            ((kind == "message") & (way == "s2c")).sum().alias("messages_s2c"),
            (kind == "ping").sum().alias("pings"),
            (kind == "pong").sum().alias("pongs"),
        )
    )


def totals(legs: pl.LazyFrame) -> pl.LazyFrame:
    """The legs as one row for each session: session, `_last_traffic`, last_c2s, last_s2c, counts.

    Counted on the leg that saw most: both legs of a proxied connection carry the same frames.
    """
    return legs.group_by("session").agg(
        pl.col("last").max().alias("_last_traffic"),
        pl.col("last_c2s", "last_s2c").max(),
        *(pl.col(name).max().cast(pl.Int64) for name in COUNTS),
    )


def gaps(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The longest time without traffic since a session's opening: session, `_longest_gap`."""
    return (
        rows.filter(TRAFFIC | (pl.col("kind") == "open"))
        .select("session", "ts", _place=place())
        .sort("_place", maintain_order=True)
        .with_columns(_longest_gap=pl.col("ts") - pl.col("ts").shift(1))
        .filter(pl.col("_place") == pl.col("_place").shift(1))
        .group_by("_place", maintain_order=True)
        .agg(pl.col("session").first(), pl.col("_longest_gap").max())
        .drop("_place")
    )


def place() -> pl.Expr:
    """A number for each session: numbers are sorted and grouped faster than names."""
    return pl.col("session").cast(pl.Categorical(pl.Categories.random())).to_physical()
