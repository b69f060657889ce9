"""Each connection by itself: the table that `wsdiag connections` prints."""

from __future__ import annotations

from typing import Any

import polars as pl

from wsdiag.connections import Story, counted, reconnects
from wsdiag.finding import Severity
from wsdiag.report import Connection, Directions, LastBytes

MAX_WORST = 300
ATTEMPTS = pl.col("was_open") | pl.col("gone") | pl.col("rejected") | pl.col("refused")
"""A session of nothing but messages or pings that name no connection is none."""


def roster(story: Story) -> list[Connection]:
    """Each real connection and attempt once, in the order in which they began."""
    again = reconnects(story.connections).select("session", "reconnect_s")
    known = counted(_tries(story)).join(again, on="session", how="left")
    rows = known.sort("first", "session", nulls_last=True).collect()
    return [_connection(row) for row in rows.iter_rows(named=True)]


def worst(story: Story, found: pl.DataFrame) -> list[Connection]:
    """At most 300 of them: those of which FINDINGS tell, the gravest first, and what opened
    before what never did."""
    order = {severity.value: rank for rank, severity in enumerate(Severity)}
    named = (
        found.lazy()
        .select(pl.col("severity").replace_strict(order, return_dtype=pl.Int64), session="sessions")
        .explode("session")
        .group_by("session")
        .agg(grave=pl.col("severity").min(), told=pl.len())
    )
    chosen = (
        counted(_tries(story))
        .select("session", "was_open", "first")
        .join(named, on="session", how="left")
        .sort(
            *("grave", "was_open", "told", "first", "session"),
            descending=[False, True, True, False, False],
            nulls_last=True,
        )
        .select("session")
        .head(MAX_WORST)
    )
    few = story.connections.join(chosen, on="session", how="semi")
    again = reconnects(story.connections).select("session", "reconnect_s")
    rows = (
        chosen.join(few, on="session", maintain_order="left")
        .join(again, on="session", how="left", maintain_order="left")
        .collect()
    )
    return [_connection(row) for row in rows.iter_rows(named=True)]


def _tries(story: Story) -> pl.LazyFrame:
    return story.connections.filter(ATTEMPTS | pl.col("attempted").is_not_null())


def _connection(row: dict[str, Any]) -> Connection:
    host, _, port = (row["peer"] or "").rpartition(":")
    return Connection(
        session=row["session"],
        user=row["user"],
        key=row["key"],
        client_port=int(port) if host and port.isdecimal() else None,
        path=row["path"],
        attempted=row["attempted"],
        opened=row["opened"],
        status=row["status"],
        refused=row["refused"],
        handshake_ms=row["handshake_ms"],
        messages=Directions(c2s=row["messages_c2s"], s2c=row["messages_s2c"]),
        pings=row["pings"],
        last_byte=LastBytes(c2s=row["last_c2s"], s2c=row["last_s2c"]),
        closed=row["closed"],
        closed_by=(row["closed_by"] or "unknown") if row["gone"] else None,
        close_code=row["code"],
        reason=row["reason"],
        reported={said["source"]: said["code"] for said in row["reported"]},
        end=row["end_reason"],
        ended=row["ended"],
        idle_s=row["idle_s"],
        duration_s=row["age_s"],
        reconnected_after_s=row["reconnect_s"],
        vantages=row["vantages"],
        sources=row["sources"],
    )


def sessions_named(name: str, events: pl.LazyFrame) -> list[str]:
    """The sessions that `name` may mean: an id or its beginning, a Sec-WebSocket-Key, or a proof
    pointer to a line or record that tells of one."""
    source, place = pl.col("source").cast(pl.String), pl.col("pos").cast(pl.String)
    said = (
        pl.col("session").str.starts_with(name)
        | (pl.col("key") == name)
        | (source + ":" + place == name)
        | (source + "#" + place == name)
    )
    told = events.filter(said).select("session").collect(engine="in-memory")["session"]
    found = told.drop_nulls().unique().sort().to_list()
    return [name] if name in found else found
