"""The numbers of a report: counts and distributions over all connections."""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, best_seen, reconnects, round_trips
from wsdiag.report import Facts, Quantiles

BURST = pl.duration(seconds=10)


def measure(story: Story) -> Facts:
    """Count and measure. Connections are counted from the vantages that can be tied together."""
    table = counted(story.connections).collect()
    opened = table.filter(
        pl.col("was_open") | (pl.col("gone") & pl.col("status").is_null() & ~pl.col("refused"))
    )
    tried = best_seen(story.connections).filter(~pl.col("fragment")).collect()
    attempts = tried.select(
        ts=pl.coalesce("attempted", "opened", "first"), who=pl.coalesce("client", "peer")
    )
    known = tried.filter(pl.col("client").is_not_null()).select(
        ts=pl.coalesce("attempted", "opened", "first"), who="client"
    )
    beats, trips, gaps = pl.collect_all(
        [
            story.events.filter((pl.col("kind") == "pong") & pl.col("ms").is_not_null()).select("ms"),
            round_trips(story.events).select("ms"),
            reconnects(story.connections).select("reconnect_s"),
        ]
    )
    return Facts(
        connections=len(opened),
        attempts=len(attempts),
        rejections=_counts(table["status"].drop_nulls().cast(pl.String)),
        refused=int(table["refused"].sum()),
        close_codes=_close_codes(opened),
        ends=_counts(opened.filter("gone")["end_reason"].drop_nulls()),
        reconnects=len(gaps),
        attempts_max_per_10s=_burst(attempts["ts"]),
        attempts_max_per_10s_one_client=max(
            (_burst(part["ts"]) for part in known.partition_by("who")), default=0
        ),
        connect_ms=quantiles(opened["handshake_ms"]),
        message_ms=quantiles(trips["ms"]),
        pong_ms=quantiles(beats["ms"]),
        reconnect_s=quantiles(gaps["reconnect_s"]),
    )


def counted(connections: pl.LazyFrame) -> pl.LazyFrame:
    """The sessions that are counted: each real connection once.

    Vantages that share at least one session with each other can be tied together, so their sessions
    are all counted; of vantages that cannot, the one that saw most is counted, because the others
    tell of the same connections without our being able to say which.
    """
    vantages = (
        connections.select(pl.col("vantages")).unique().collect()["vantages"].to_list()
    )
    groups: list[set[str]] = []
    for seen in vantages:
        merged = set(seen)
        rest = []
        for group in groups:
            if group & merged:
                merged |= group
            else:
                rest.append(group)
        groups = [*rest, merged]
    sizes = [
        (
            connections.filter(pl.col("vantages").list.set_intersection(list(group)).list.len() > 0)
            .select(pl.len())
            .collect()
            .item(),
            sorted(group),
        )
        for group in groups
    ]
    best = max(sizes, default=(0, []))[1]
    several_opens = pl.col("was_open").any()
    return connections.filter(
        (pl.col("vantages").list.set_intersection(best).list.len() > 0)
        & ~(pl.col("fragment") & several_opens)
    )


def quantiles(values: pl.Series) -> Quantiles:
    """Five numbers of a distribution, by nearest rank."""
    clean = values.drop_nulls()
    if clean.is_empty():
        return Quantiles()
    p50, p95, p99 = (clean.quantile(q, "nearest") for q in (0.5, 0.95, 0.99))
    largest = clean.max()
    return Quantiles(
        n=len(clean),
        p50=_rounded(p50),
        p95=_rounded(p95),
        p99=_rounded(p99),
        max=_rounded(largest if isinstance(largest, int | float) else None),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)


def _counts(values: pl.Series) -> dict[str, int]:
    table = values.value_counts().sort(values.name)
    return {str(key): int(count) for key, count in table.iter_rows()}


def _close_codes(opened: pl.DataFrame) -> dict[str, int]:
    """Connections by the code in the initiator's Close frame; "none" where no Close frame came."""
    codes = opened.filter(pl.col("gone") & (pl.col("code").is_not_null() | pl.col("frameless"))).select(
        name=pl.coalesce(pl.col("code").cast(pl.String), pl.lit("none"))
    )
    return _counts(codes["name"])


def _burst(moments: pl.Series) -> int:
    """The most moments that fall into any ten seconds."""
    order = moments.drop_nulls().sort().to_frame("ts")
    if order.is_empty():
        return 0
    until = pl.col("ts").search_sorted(pl.col("ts") + BURST, side="right").cast(pl.Int64)
    since = pl.col("ts").search_sorted(pl.col("ts"), side="left").cast(pl.Int64)
    return int(order.select((until - since).max()).item())
