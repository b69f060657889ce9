"""The numbers of a report: counts and distributions over all connections."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import polars as pl

from wsdiag import series
from wsdiag.connections import (
    NOT_CUT,
    Story,
    backoff,
    counted,
    left_apart,
    may_have_lived,
    memory,
    reconnects,
    whole,
    with_room,
)
from wsdiag.report import Backoff, Facts, MemoryCost, Quantiles, Series

BURST = timedelta(seconds=10)


class Measured(NamedTuple):
    """The numbers, and their course over time."""

    facts: Facts
    series: list[Series]


def measure(story: Story) -> Measured:
    """Count and measure; each connection once, however many sources tell of it."""
    told = _tables(story)
    numbers = Facts(
        connections=len(told.opened),
        attempts=len(told.tried),
        rejections=_counts(told.rejected["status"].cast(pl.String).fill_null("unknown")),
        refused=len(told.refused),
        close_codes=_close_codes(told.ended, len(told.opened)),
        ends=_ends(told.opened),
        reconnects=len(told.gaps),
        attempts_max_per_10s=_burst(told.tried),
        attempts_max_per_10s_one_client=_burst(told.known, by="client"),
        connect_ms=quantiles(told.opened["handshake_ms"]),
        message_ms=quantiles(told.trips["ms"]),
        message_how_ms=_by_how(told.trips),
        pong_ms=quantiles(told.pongs["ms"]),
        reconnect_s=quantiles(told.gaps["reconnect_s"]),
        backoff=_backoff(story),
        memory=_memory(story),
        left_apart=left_apart(story.connections),
    )
    return Measured(numbers, _course(told))


class _Tables(NamedTuple):
    """What is counted and measured: connections, ends and attempts, each once; and values."""

    opened: pl.DataFrame
    ended: pl.DataFrame
    rejected: pl.DataFrame
    refused: pl.DataFrame
    tried: pl.DataFrame
    known: pl.DataFrame  # the attempts of clients that are known
    pongs: pl.DataFrame
    trips: pl.DataFrame
    gaps: pl.DataFrame


def _tables(story: Story) -> _Tables:
    everything = story.connections.filter(whole())
    lived = may_have_lived() & (pl.col("was_open") | pl.col("gone"))
    # An attempt that never opened is no connection, and nothing of it ends.
    tried_here = pl.col("attempted").is_not_null()
    ended = (
        pl.col("gone")
        & (pl.col("was_open") | ~(pl.col("rejected") | tried_here))
        & (pl.col("code").is_not_null() | pl.col("frameless"))
    )
    attempts = everything.filter(~pl.col("polling"))
    tried = pl.coalesce("attempted", "opened", "first").alias("tried")
    pongs = (pl.col("kind") == "pong") & pl.col("ms").is_not_null()
    counted_once = pl.collect_all(
        [
            counted(everything.filter(lived)).select(
                "gone", "end_reason", "handshake_ms", "opened", "ended", "closed"
            ),
            counted(with_room(story.connections).filter(ended)).select("code", "fragment"),
            counted(story.connections.filter(pl.col("rejected"))).select("status"),
            counted(story.connections.filter("refused")).select("session"),
            counted(attempts).select(tried),
            counted(attempts.filter(pl.col("client").is_not_null())).select(tried, "client"),
        ]
    )
    values = pl.collect_all(
        [
            story.signs.filter(pongs).select("ms"),
            story.trips.select("ended", "ms", "how"),
            reconnects(story.connections).select("reopened", "reconnect_s"),
        ]
    )
    return _Tables(*counted_once, *values)


def _course(told: _Tables) -> list[Series]:
    """How many opened and closed, and how long things took, over time."""
    return series.over_time(
        {
            "opens": told.opened["opened"],
            "closes": told.opened.select(pl.coalesce("ended", "closed"))["ended"],
        },
        {
            "connect_ms": told.opened.select("opened", "handshake_ms"),
            "message_ms": told.trips.select("ended", "ms"),
            "reconnect_s": told.gaps,
        },
    )


def _ends(opened: pl.DataFrame) -> dict[str, int]:
    """Connections by how they ended; the ways in which nobody cut them are one."""
    reasons = opened.filter("gone")["end_reason"].drop_nulls()
    return _counts(reasons.str.replace(f"^{NOT_CUT}.*$", "normal"))


def _backoff(story: Story) -> Backoff:
    row = backoff.law(story.connections).collect().row(0, named=True)
    return Backoff(
        law=row["law"],
        jitter=row["jitter"],
        clients=row["clients"],
        wait_s=_rounded(row["wait_s"]),
        longest_s=_rounded(row["longest_s"]) if row["law"] else None,
        library=row["library"],
    )


def _memory(story: Story) -> MemoryCost:
    row = memory.cost(story.signs, story.connections).collect().row(0, named=True)
    return MemoryCost(
        samples=row["samples"],
        per_connection_bytes=_rounded(row["per_connection"]),
        per_connect_bytes=_rounded(row["per_connect"]),
        per_subscription_bytes=_rounded(row["per_subscription"]),
    )


def _by_how(trips: pl.DataFrame) -> dict[str, Quantiles]:
    """The distribution of each way in which messages were timed."""
    parts = trips.partition_by("how", as_dict=True, include_key=False)
    return {str(how): quantiles(part["ms"]) for (how,), part in sorted(parts.items())}


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


def _close_codes(ended: pl.DataFrame, connections: int) -> dict[str, int]:
    """Connections by the code in the initiator's Close frame; "none" where no Close frame came.

    Nameless ends are those of connections whose end nothing else tells; more repeat known ones.
    """
    named, nameless = ended.filter(~pl.col("fragment")), ended.filter("fragment")
    rest = nameless.sort("code", nulls_last=True).head(max(connections - len(named), 0))
    codes = pl.concat([named["code"], rest["code"]])
    return _counts(codes.cast(pl.String).fill_null("none"))


def _burst(tries: pl.DataFrame, by: str | None = None) -> int:
    """The most tries that fall into any ten seconds, of all or of one."""
    order = tries.filter(pl.col("tried").is_not_null()).sort("tried")
    windows = order.rolling("tried", period=BURST, closed="both", group_by=by).agg(pl.len())
    return int(windows["len"].max() or 0)  # type: ignore[arg-type]
