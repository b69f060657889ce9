"""GETs that follow a message: the page asks again for what the message was about."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import polars as pl

from wsdiag.review.traffic import Traffic

SOON_US = 1_000_000
"""A GET within a second after a message may be its consequence."""

MOST_BEFORE = 200
"""So many messages before a GET are looked at."""

SAME_URL, SAME_URL_SHARE = 3, 0.8
"""Where a URL does not name what a message was about, so many of its GETs must follow messages."""

BUSY = 0.5
"""Where more of the time lies within a second after a message, following proves nothing."""

REFETCHES = pl.Schema(
    {
        "source": pl.String(),
        "pos": pl.Int64(),
        "at": pl.Datetime("us", "UTC"),
        "client": pl.String(),
        "whose": pl.String(),
        "url": pl.UInt32(),
        "path": pl.String(),
        "ms": pl.Float64(),
        "bytes": pl.Int64(),
        "message": pl.Int64(),  # the message's pos
        "delay_ms": pl.Float64(),
        "named": pl.Boolean(),  # the URL names what the message was about
        "signal": pl.Boolean(),
        "overlap": pl.Float64(),  # share of the answer's fields that the message had brought
    }
)

GET_COLUMNS = ("source", "pos", "at", "client", "whose", "url", "path", "ms", "bytes")


def refetches(of: Traffic) -> pl.DataFrame:
    """The GETs that a message caused, as REFETCHES."""
    gets = of.fetches.filter(
        (pl.col("method") == "GET") & pl.col("is_data") & pl.col("at").is_not_null()
    )
    down = of.down.filter(pl.col("at").is_not_null())
    if gets.is_empty() or down.is_empty():
        return pl.DataFrame(schema=REFETCHES)
    columns = ("at", "pos", "entity", "topic_id", "signal", "fields")
    rows = []
    for (whose,), mine in gets.group_by("whose", maintain_order=True):
        messages = list(down.filter(whose=whose).select(columns).iter_rows(named=True))
        times = [_us(message["at"]) for message in messages]
        rows += [
            row
            for get in mine.iter_rows(named=True)
            if (row := _row(get, messages, times)) is not None
        ]
    found = pl.DataFrame(rows, REFETCHES, orient="row")
    return found.filter(pl.col("named") | _by_habit(found, gets, down)).sort("at", "pos")


def _row(get: dict[str, Any], messages: list[dict[str, Any]], times: list[int]) -> Any:
    now, late = _us(get["at"]), round(get["late_ms"] * 1000)
    end = bisect_right(times, now + late)
    begin = max(bisect_left(times, now - SOON_US), end - MOST_BEFORE)
    if begin >= end:
        return None
    ids = set(get["ids"] or ())
    about = next((m for m in messages[begin:end][::-1] if _about(m, ids)), None)
    message = about or messages[end - 1]
    answer, brought = set(get["fields"] or ()), set(message["fields"] or ())
    known = about is not None and bool(answer) and message["fields"] is not None
    return (
        *(get[name] for name in GET_COLUMNS),
        message["pos"],
        max(now - _us(message["at"]), 0) / 1000,
        about is not None,
        bool(message["signal"]),
        len(answer & brought) / len(answer) if known else None,
    )


def _about(message: dict[str, Any], ids: set[int]) -> bool:
    return message["entity"] in ids or message["topic_id"] in ids


def _by_habit(found: pl.DataFrame, gets: pl.DataFrame, down: pl.DataFrame) -> pl.Expr:
    """URLs that are asked for nearly always after a message, and where that means something."""
    times = down.sort("at").select(
        gap=pl.col("at").diff().over("session").dt.total_microseconds().clip(0, SOON_US)
    )
    span = _us(down["at"].max()) - _us(down["at"].min())
    sessions = max(down["session"].n_unique(), 1)
    if span <= 0 or float(times["gap"].sum()) / (span * sessions) > BUSY:
        return pl.lit(value=False)
    after = found.group_by("url").agg(after=pl.len())
    habitual = (
        gets.filter(pl.col("late_ms") < SOON_US / 1000)
        .group_by("url")
        .agg(all=pl.len())
        .join(after, on="url")
        .filter((pl.col("after") >= SAME_URL) & (pl.col("after") >= SAME_URL_SHARE * pl.col("all")))
    )
    return pl.col("url").is_in(habitual["url"].to_list())


def _us(moment: Any) -> int:
    return int(moment.timestamp() * 1e6)
