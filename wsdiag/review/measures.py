"""The numbers behind the answers, each null where the evidence does not show it."""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Delivery, Measures
from wsdiag.connections.trips import SOON
from wsdiag.review.rates import median, per_s, quantile, rounded
from wsdiag.review.traffic import APP, DOWN, UP, Traffic

IDLE_S = 5
"""A connection without a message for so long is idle."""


def measures(of: Traffic, refetched: pl.DataFrame, delivered: pl.DataFrame) -> Measures:
    """All of them; `delivered` as `deliveries`."""
    down, up = of.down, of.up
    named = [
        column
        for rows in (down, of.messages.filter(pl.col("role") == "subscribe"))
        for column in [rows.filter(pl.col("topic").is_not_null()).select("topic", "session")]
    ]
    topics = pl.concat(named).unique()
    readable = not of.messages.is_empty()
    per_topic = topics.group_by("topic").len()["len"].mean()
    used = unused(of)
    return Measures(
        connections=len(of.sessions),
        clients=of.sessions["client"].n_unique(),
        connection_minutes=round(of.seconds / 60, 2),
        span_s=round(of.span_s, 3),
        messages_per_s_per_client=rounded(per_s(len(down), of.seconds)) if readable else None,
        c2s_app_messages=len(up),
        s2c_app_messages=len(down),
        heartbeats=int(of.sessions["beats"].sum()),
        median_payload_bytes=median(down["size"]),
        bytes_per_s=rounded(per_s(float(down["size"].sum()), of.span_s)) if readable else None,
        topics=topics["topic"].n_unique(),
        subscribers_per_topic=rounded(float(per_topic))  # type: ignore[arg-type]
        if per_topic is not None
        else None,
        unused_share=None if used is None else rounded(float(used["unused"].mean() or 0)),  # type: ignore[arg-type]
        refetches=len(refetched),
        refetch_ratio=rounded(per_s(len(refetched), len(down)))
        if len(of.fetches) and len(down)
        else None,
        overlap=rounded(median(refetched["overlap"])),
        publish_to_delivery_ms=_delivery(delivered["ms"]),
        idle_share=_idle(of) if readable else None,
    )


def unused(of: Traffic) -> pl.DataFrame | None:
    """What clients received, with `unused`: nothing that they asked for or sent refers to it.

    None where the evidence does not show what clients refer to: nothing that came is referred to.
    """
    named = pl.col("entity").is_not_null() | pl.col("topic_id").is_not_null()
    down = of.down.filter(named).rename({"whose": "who"})
    if down.is_empty():
        return None
    gets = of.fetches.rename({"whose": "who"})
    told = [
        gets.select("who", ref=column).explode("ref").drop_nulls("ref")
        for column in ("ids", "holds")
    ]
    up = of.up.rename({"whose": "who"})
    told += [up.select("who", ref=column).drop_nulls("ref") for column in ("entity", "topic_id")]
    refs = pl.concat(told).unique()
    hit = refs.with_columns(hit=pl.lit(value=True))
    judged = down.join(
        hit.rename({"ref": "entity", "hit": "by_entity"}), on=["who", "entity"], how="left"
    ).join(hit.rename({"ref": "topic_id", "hit": "by_topic"}), on=["who", "topic_id"], how="left")
    used = pl.coalesce("by_entity", "by_topic").fill_null(value=False)
    judged = judged.with_columns(unused=~used)
    return None if judged["unused"].all() else judged


def deliveries(of: Traffic) -> pl.DataFrame:
    """From a client's message to its copies at the others, joined by the correlation id, else by
    the whole text; both ends are on the clock of one input.

    The copies with `source` and `pos`, and `ms`, how long each took.
    """
    took = (pl.col("at") - pl.col("sent")).alias("took")
    none = pl.DataFrame(schema={"source": pl.String, "pos": pl.Int64, "ms": pl.Float64})
    for column in ("trace", "text"):
        sent = (
            of.messages.filter(APP & UP & pl.col(column).is_not_null())
            .sort("at")
            .unique(["source", column], keep="first", maintain_order=True)
            .select("source", column, sent="at", by="session")
        )
        got = of.messages.filter(APP & DOWN & pl.col(column).is_not_null()).select(
            "source", "pos", column, "at", "session"
        )
        pairs = got.join(sent, on=["source", column], maintain_order="left").with_columns(took)
        pairs = pairs.filter(
            (pl.col("took") >= pl.duration(seconds=0))
            & (pl.col("took") <= SOON)
            & (pl.col("session") != pl.col("by"))
        )
        if len(pairs):
            ms = pl.col("took").dt.total_microseconds() / 1e3
            return pairs.select("source", "pos", ms=ms)
    return none


def _delivery(ms: pl.Series) -> Delivery:
    if ms.is_empty():
        return Delivery()
    return Delivery(n=len(ms), p50=rounded(quantile(ms, 0.5)), p95=rounded(quantile(ms, 0.95)))


def _idle(of: Traffic) -> float | None:
    """The share of the connections' time that lies further than 5 s behind a message."""
    if of.seconds <= 0:
        return None
    opened = of.sessions.select("session", at="opened")
    over = of.sessions.select("session", at="over")
    said = of.messages.filter(APP).select("session", "at")
    gap = pl.col("at").diff().over("session").dt.total_microseconds() / 1e6
    gaps = pl.concat([opened, said, over]).drop_nulls().sort("at").select(gap=gap)["gap"]
    quiet = (gaps.drop_nulls() - IDLE_S).clip(0).sum()
    return rounded(min(float(quiet) / of.seconds, 1.0))
