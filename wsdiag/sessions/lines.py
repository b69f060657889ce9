"""Rows that are one connection because they are one line's: an access line tells of a whole
request."""

from __future__ import annotations

import polars as pl

from wsdiag.event import BEGIN
from wsdiag.sessions.lifecycle import ENDS, LIFECYCLE


def whole_lines(events: pl.DataFrame) -> pl.Series:
    """Which nameless rows are one connection because they are one line's: an access line gives its
    start and its end."""
    kind, before = pl.col("kind"), (pl.col("source").shift(1), pl.col("pos").shift(1))
    rows = events.select("source", "pos", "kind", nameless=pl.col("conn").is_null())
    lines = (
        rows.with_row_index("row")
        .sort("source", "pos")
        .with_columns(
            line=(pl.col("source").ne_missing(before[0]) | pl.col("pos").ne_missing(before[1]))
            .cum_sum()
            .set_sorted()
        )
    )
    several = kind.to_physical().min() < kind.to_physical().max()
    whole = lines.group_by("line", maintain_order=True).agg(
        (several & kind.is_in(BEGIN).any()).alias("whole")
    )["whole"]
    chosen = lines.filter(
        whole.gather(lines["line"] - 1) & pl.col("nameless") & kind.is_in(LIFECYCLE)
    )["row"]
    return marked(chosen, len(events))


def overlapping_lines(events: pl.DataFrame, conn: pl.Series) -> pl.Series:
    """Which rows have no better name than an address, of which several lines tell each of a whole
    request at one time: HTTP/2 carries them on one connection of TCP (RFC 9113 section 5)."""
    line, over, kind = ("source", "pos"), ("source", "conn"), pl.col("kind")
    rows = (
        events.select(*line, "ts", "kind", "peer", unnamed=pl.col("conn").is_null())
        .with_columns(conn)
        .with_row_index("row")
        .filter(pl.col("unnamed") & (pl.col("conn") == pl.col("peer")))
    )
    begun = rows.filter(kind.is_in(BEGIN)).unique(line)
    again = begun.filter(pl.struct(over).is_duplicated()).select(over).unique()
    lines = (
        rows.join(again, on=over, how="semi")
        .group_by(*line, "conn")
        .agg(
            kind.is_in(BEGIN).any().alias("begins"),
            kind.is_in(ENDS).any().alias("ends"),
            pl.col("ts").min().alias("begin"),
            pl.col("ts").max().alias("end"),
        )
        .filter("begins")
        .sort("begin", "pos")
    )
    whole = lines.filter("ends").with_columns(before=pl.col("end").cum_max().shift(1).over(over))
    several = whole.filter(pl.col("begin") < pl.col("before"))
    chosen = lines.join(several, on=over, how="semi")
    return marked(rows.join(chosen, on=line, how="semi")["row"], len(events))


def marked(rows: pl.Series, length: int) -> pl.Series:
    """True at these rows of a frame of this length."""
    return pl.repeat(value=False, n=length, eager=True).scatter(rows, values=True)
