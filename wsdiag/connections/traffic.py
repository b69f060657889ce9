"""Messages, pings and pongs of a connection, which are most rows of a capture, told in a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

TRAFFIC = pl.col("kind").is_in(["message", "ping", "pong"])
LEG = ("_place", "source", "conn")
WAYS = ("c2s", "s2c")
COUNTS = ("messages_c2s", "messages_s2c", "pings", "pongs")

SLICE = 250_000
"""Rows that are looked at together."""


class Traffic(NamedTuple):
    """What is told of the traffic of rows: part by part, what `legs` and `gaps` add up."""

    legs: list[pl.DataFrame]
    runs: dict[str, list[pl.DataFrame]]

    @classmethod
    def none(cls) -> Traffic:
        """Of no rows."""
        return cls([], {way: [] for way in ("", *WAYS)})

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows, which follow those before in the total order."""
        self.legs.append(_legs(rows))
        opens = pl.col("kind") == "open"
        moments = (
            rows.select("_place", "ts", "dir", "kind")
            .filter(TRAFFIC | opens)
            .with_columns(_opens=opens)
            .sort("_place", maintain_order=True)
        )
        self.runs[""].append(_run(moments))
        for way in WAYS:
            self.runs[way].append(_run(moments.filter((pl.col("dir") == way) | pl.col("_opens"))))

    def taken(self, which: pl.Expr) -> Traffic:
        """Some sessions' part, which is in this no more."""
        return Traffic(
            _taken(self.legs, which),
            {way: _taken(runs, which) for way, runs in self.runs.items()},
        )


def _taken(frames: list[pl.DataFrame], which: pl.Expr) -> list[pl.DataFrame]:
    whole = pl.concat(frames)
    frames[:] = [whole.filter(~which)]
    return [whole.filter(which)]


def legs(traffic: Traffic) -> pl.DataFrame:
    """The traffic as one row for each session, source and conn.

    Columns: those of EVENTS that tell who it is, with `ts` and `pos` of the first row; `last`,
    `last_c2s`, `last_s2c`; and how many messages_c2s, messages_s2c, pings and pongs.
    """
    return (
        pl.concat(traffic.legs)
        .group_by(LEG, maintain_order=True)
        .agg(
            pl.col("session", "ts", "pos", "vantage", "kind").first(),
            pl.col("user", "token", "key", "peer").drop_nulls().first(),
            pl.col("expires", "last", "last_c2s", "last_s2c").max(),
            pl.col(COUNTS).sum(),
        )
    )


def _legs(rows: pl.DataFrame) -> pl.DataFrame:
    kind, ts, way = pl.col("kind"), pl.col("ts"), pl.col("dir")
    counts = {
        "messages_c2s": (kind == "message") & (way == "c2s"),
        "messages_s2c": (kind == "message") & (way == "s2c"),
        "pings": kind == "ping",
        "pongs": kind == "pong",
    }
    return (
        rows.filter(TRAFFIC)
        .group_by(LEG, maintain_order=True)
        .agg(
            pl.col("session", "ts", "pos", "vantage", "kind").first(),
            pl.col("user", "token", "key", "peer").drop_nulls().first(),
            pl.col("expires").max(),
            ts.max().alias("last"),
            *(ts.filter(way == name).max().alias(f"last_{name}") for name in ("c2s", "s2c")),
            *(what.sum().cast(pl.Int64).alias(name) for name, what in counts.items()),
        )
    )


def totals(legs: pl.DataFrame) -> pl.DataFrame:
    """The legs as one row for each session: _place, `_last_traffic`, last_c2s, last_s2c, counts.

    Counted on the leg that saw most: both legs of a proxied connection carry the same frames.
    """
    return legs.group_by("_place").agg(
        pl.col("last").max().alias("_last_traffic"),
        pl.col("last_c2s", "last_s2c").max(),
        pl.col(COUNTS).max(),
    )


def gaps(traffic: Traffic) -> pl.DataFrame:
    """The longest times without traffic since a session's opening, of both directions and of each.

    Columns: _place, `_longest_gap`, `_longest_gap_c2s` and `_longest_gap_s2c`.
    """
    both = _longest(traffic.runs[""], "_longest_gap")
    for way in WAYS:
        one = _longest(traffic.runs[way], f"_longest_gap_{way}")
        both = both.join(one, on="_place", how="left", maintain_order="left")
    return both


def _run(moments: pl.DataFrame) -> pl.DataFrame:
    """Of each session the first and the last moment and the longest time between neighbours;
    `moments` are sorted by session."""
    same = pl.col("_place") == pl.col("_place").shift(1)
    return (
        moments.select("_place", "ts", gap=pl.when(same).then(pl.col("ts") - pl.col("ts").shift(1)))
        .group_by("_place", maintain_order=True)
        .agg(since=pl.col("ts").first(), until=pl.col("ts").last(), gap=pl.col("gap").max())
    )


def _longest(runs: Sequence[pl.DataFrame], name: str) -> pl.DataFrame:
    """The longest time within runs, or between one and the next of the session."""
    same = pl.col("_place") == pl.col("_place").shift(1)
    between = pl.when(same).then(pl.col("since") - pl.col("until").shift(1))
    return (
        pl.concat(runs)
        .sort("_place", maintain_order=True)
        .select("_place", pl.max_horizontal("gap", between).alias(name))
        .group_by("_place", maintain_order=True)
        .agg(pl.col(name).max())
    )
