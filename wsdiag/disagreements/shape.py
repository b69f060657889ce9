"""The frame that every rule gives, and what they have in common."""

from __future__ import annotations

import polars as pl

from wsdiag.finding import POINTER, SPOT

SHAPE = pl.Schema(
    {
        "kind": pl.String(),
        "session": pl.String(),
        "said": pl.String(),
        "one": POINTER,
        "other": POINTER,
    }
)
"""Columns of a contradiction: `one` and `other` point to what contradicts."""

WIRE, BY_CLIENT, BY_SERVER = (pl.col("vantage") == who for who in ("network", "client", "server"))


def first(rows: pl.DataFrame, spot: str, **columns: str) -> pl.DataFrame:
    """The first row of each session, by time: its pointer as `spot`, and other columns."""
    return (
        rows.sort("ts", "source", "pos", nulls_last=True, maintain_order=True)
        .group_by("session", maintain_order=True)
        .first()
        .select("session", SPOT.alias(spot), **{name: pl.col(of) for name, of in columns.items()})
    )


def legible(events: pl.LazyFrame) -> pl.DataFrame:
    """The sessions whose frames a capture shows: it saw their handshake or frames, not only TLS."""
    shown = WIRE & pl.col("kind").is_in(["open", "message", "ping", "pong", "close"])
    return events.filter(shown).select("session").unique().collect(engine="in-memory")


def shaped(rows: pl.DataFrame, kind: str, said: pl.Expr) -> pl.DataFrame:
    """Rows with session, one and other as SHAPE."""
    return rows.select(
        pl.lit(kind).alias("kind"), "session", said.alias("said"), "one", "other"
    ).cast(SHAPE)
