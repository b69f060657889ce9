"""Requests that are no WebSocket's among those that a proxy could not pass on.

A proxy's log tells of every request for which it had no backend. Where it tells so of the paths on
which WebSockets open, what failed on other paths at the same time are the calls beside them.
"""

from __future__ import annotations

import polars as pl

from wsdiag.paths import NAMED_SO

_KIND = pl.col("kind")


def other_requests(signs: pl.LazyFrame) -> pl.Series:
    """The sessions of such requests."""
    of_proxies = signs.filter(
        (pl.col("vantage") == "proxy") & _KIND.is_in(["refused", "error"]) & _named()
    )
    failed = (
        of_proxies.group_by("session", "source")
        .agg(pl.col("name").first())
        .collect(engine="in-memory")
    )
    if failed.is_empty():
        return failed["session"]
    rows = signs.select("session", "kind", "name")
    opened = rows.filter((_KIND == "open") & _named()).select(pl.col("name").unique())
    more = rows.filter(~_KIND.is_in(["refused", "error"])).select(pl.col("session").unique())
    paths, told = pl.collect_all([opened, more], engine="in-memory")
    own = pl.col("name").is_in(paths["name"].implode()) | pl.col("name").str.contains(NAMED_SO)
    alone = ~pl.col("session").is_in(told["session"].implode())
    return failed.filter(own.any().over("source") & ~own & alone)["session"]


def _named() -> pl.Expr:
    """Scanners ask for "/", and so do browsers."""
    return pl.col("session").is_not_null() & (pl.col("name") != "/").fill_null(value=False)
