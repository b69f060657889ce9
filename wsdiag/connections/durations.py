"""Durations between rows of one story: reconnects and round trips."""

from __future__ import annotations

import polars as pl

from wsdiag.connections.codes import POLITE_CODES
from wsdiag.finding import SPOT

ANOTHER_VISIT_S = 600.0
"""No library waits so long between two tries: see the caps in `causes/backoffs.toml`."""


def reconnects(connections: pl.LazyFrame) -> pl.LazyFrame:
    """A client's connection and the next one of it that opened.

    Columns: session, client, ended, reopened, reconnect_s, and both ends' proof pointers.

    Only where the client is known and did not itself leave by plan. Who comes back after ten
    minutes without a try in between is on another visit.
    """
    left = (pl.col("closed_by") == "client").fill_null(False) & pl.col("code").is_in(POLITE_CODES)
    tries = (
        connections.filter(pl.col("client").is_not_null())
        .sort("first")
        .with_columns(_tried=pl.coalesce("attempted", "opened", "first"))
        .with_columns(visit=_visit().over("client"))
    )
    ends = tries.filter(pl.col("ended").is_not_null() & pl.col("was_open") & ~left)
    return (
        ends.select("session", "client", "visit", "ended", "closing", "code")
        .join(
            tries.filter(pl.col("opened").is_not_null()).select(
                "client", "visit", reopened="opened", next_session="session", reopening="opening"
            ),
            on=["client", "visit"],
        )
        .filter(
            (pl.col("reopened") >= pl.col("ended")) & (pl.col("session") != pl.col("next_session"))
        )
        .sort("reopened")
        .group_by("session", maintain_order=True)
        .agg(pl.all().first())
        .with_columns(
            reconnect_s=(pl.col("reopened") - pl.col("ended")).dt.total_microseconds() / 1e6
        )
    )


def _visit() -> pl.Expr:
    """Numbers a client's visits: a new one begins where nothing was seen of it for too long."""
    before = pl.max_horizontal("_tried", "ended").cum_max().shift(1)
    apart = pl.col("_tried") - before > pl.duration(seconds=ANOTHER_VISIT_S)
    return apart.fill_null(value=False).cum_sum()


def round_trips(events: pl.LazyFrame) -> pl.LazyFrame:
    """Message latencies: session, started, ended, ms, and the two pointers' list.

    Either a source states the latency, or request and answer carry the same id and were seen at one
    place: never a difference between two vantages.
    """
    rows = events.filter((pl.col("kind") == "message") & pl.col("session").is_not_null())
    stated = rows.filter(pl.col("ms").is_not_null()).select(
        "session",
        "source",
        started=pl.col("ts") - pl.duration(microseconds=pl.col("ms") * 1000),
        ended="ts",
        ms="ms",
        pointers=pl.concat_list(SPOT),
    )
    legs = rows.filter(pl.col("trace").is_not_null() & pl.col("ms").is_null())
    answered = legs.filter(pl.col("dir") == "s2c").with_columns(_spot=SPOT)
    of = ["session", "source", "trace"]
    # On both legs of a proxied connection the client's leg is the one whose requests come first.
    # What has no answer at all is left out before it is sorted.
    asked = (
        legs.filter(pl.col("dir") == "c2s")
        .join(answered, on=of, how="semi")
        .with_columns(_spot=SPOT)
        .sort("ts")
        .unique(of, keep="first", maintain_order=True)
    )
    paired = (
        asked.join(answered, on=["session", "source", "conn", "trace"], suffix="_back")
        .filter(pl.col("ts_back") >= pl.col("ts"))
        .sort("ts_back")
        .unique(["session", "source", "trace", "ts"], keep="first", maintain_order=True)
        .select(
            "session",
            "source",
            started="ts",
            ended="ts_back",
            ms=(pl.col("ts_back") - pl.col("ts")).dt.total_microseconds() / 1000,
            pointers=pl.concat_list("_spot", "_spot_back"),
        )
    )
    # One vantage is enough: of a session measured by several sources keep the one with most.
    both = pl.concat([stated, paired], how="vertical_relaxed")
    best = (
        both.group_by("session", "source")
        .len()
        .sort("len", "source", descending=[True, False])
        .group_by("session", maintain_order=True)
        .agg(pl.col("source").first())
    )
    return both.join(best, on=["session", "source"], how="semi").sort("started", "session")
