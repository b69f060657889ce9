"""Messages, pings and pongs that tell no more than the name of their connection: most rows of a
large log. Which life of that name they belong to follows from the rows that tell more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from wsdiag.event import BEGIN, filled, slices

SLICE = 250_000
"""Rows that are grouped together: what is grouped takes many times the memory of its rows."""

_ASKED = {
    "path": pl.when(
        (pl.col("vantage") == "proxy")
        | (pl.col("vantage").is_in(["network", "client"]) & pl.col("kind").is_in(BEGIN))
    ).then("name"),
    "status": pl.when(kind="rejected").then("code"),
}
"""What is told of a request, and how it was answered."""

_CARRIED = ("key", "peer", "user", "token")

ROUTINE = (
    pl.col("kind").is_in(["message", "ping", "pong"])
    & pl.col("conn").is_not_null()
    & pl.all_horizontal(pl.col(name).is_null() for name in _CARRIED)
)

IDENTIFYING = (
    *("ts", "vantage", "source", "pos", "conn", "key", "kind", "dir", "code", "reason", "user"),
    *("token", "peer", "topic", "trace"),
)
"""Columns by which connections are known."""


def telling(parts: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    """The rows that tell more, each with its place among all as `_at`, the `path` of which a proxy
    tells or a handshake of a client, and a refusal's `status`. `parts` follow one another in the
    total order of events."""
    named = _slices(parts, (*IDENTIFYING, "name"))
    apart = (some.filter(~ROUTINE).with_columns(**_ASKED).drop("name") for some in named)
    rows = pl.concat((filled(some, "_at") for some in apart), how="diagonal")
    known = parts[0].collect_schema()
    schema = {**known, "path": known["name"], "status": known["code"]}
    return rows.with_columns(
        pl.lit(None, schema[name]).alias(name)
        for name in (*IDENTIFYING, *_ASKED)
        if name not in rows.columns
    )


def routine_nodes(parts: Sequence[pl.LazyFrame], lives: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The other rows, some at a time, each connection in one row: source, `_node`, vantage, conn,
    first, last, alive, and `_rows`, their places. `lives` is of the rows that tell more.
    """
    over, ts = ["source", "conn"], pl.col("ts")
    later = lives.filter(pl.col("_node") != pl.col("conn")).select("_at", *over, "_node")
    for rows in _slices(parts, (*over, "ts", "vantage", "kind", *_CARRIED)):
        some = rows.filter(ROUTINE).select("_at", *over, "vantage", "ts")
        if len(later):
            lived = some.join_asof(later, on="_at", by=over, check_sortedness=False)
            some = lived.with_columns(pl.col("_node").fill_null(pl.col("conn")))
        else:
            some = some.with_columns(_node="conn")
        yield some.group_by("source", "_node", maintain_order=True).agg(
            pl.col("vantage").first(),
            pl.col("conn").first(),
            ts.min().alias("first"),
            ts.max().alias("last"),
            ts.max().alias("alive"),
            pl.col("_at").alias("_rows"),
        )


def _slices(parts: Sequence[pl.LazyFrame], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Some columns of the rows, numbered, so many at a time."""
    before = 0
    for rows in slices((part.select(columns) for part in parts), SLICE):
        yield rows.with_row_index("_at", offset=before)
        before += len(rows)
