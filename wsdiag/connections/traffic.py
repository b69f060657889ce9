"""Messages, pings and pongs of a connection, which are most rows of a capture, told in a few."""

from __future__ import annotations

import polars as pl

TRAFFIC = pl.col("kind").is_in(["message", "ping", "pong"])
COUNTS = ("messages_c2s", "messages_s2c", "pings", "pongs")


def legs(rows: pl.DataFrame) -> pl.DataFrame:
    """The traffic as one row for each session, source and conn.

    Columns: those of EVENTS that tell who it is, with `ts` and `pos` of the first row; `last`,
    `last_c2s`, `last_s2c`; and how many messages_c2s, messages_s2c, pings and pongs.
    """
    kind, ts, way = pl.col("kind"), pl.col("ts"), pl.col("dir")
    return (
        rows.filter(TRAFFIC)
        .group_by("_place", "session", "source", "conn", maintain_order=True)
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


def totals(legs: pl.DataFrame) -> pl.DataFrame:
    """The legs as one row for each session: _place, `_last_traffic`, last_c2s, last_s2c, counts.

    Counted on the leg that saw most: both legs of a proxied connection carry the same frames.
    """
    return legs.group_by("_place").agg(
        pl.col("last").max().alias("_last_traffic"),
        pl.col("last_c2s", "last_s2c").max(),
        *(pl.col(name).max().cast(pl.Int64) for name in COUNTS),
    )


def gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """The longest time without traffic since a session's opening: _place, `_longest_gap`."""
    return (
        rows.filter(TRAFFIC | (pl.col("kind") == "open"))
        .select("_place", "ts")
        .sort("_place", maintain_order=True)
        .with_columns(_longest_gap=pl.col("ts") - pl.col("ts").shift(1))
        .filter(pl.col("_place") == pl.col("_place").shift(1))
        .group_by("_place", maintain_order=True)
        .agg(pl.col("_longest_gap").max())
    )
