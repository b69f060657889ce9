"""Each real connection once."""

from __future__ import annotations

import polars as pl

NEARNESS = ("network", "proxy", "server", "client")
"""Where two vantages saw equally much, the one that lies less."""

SLACK = pl.duration(seconds=5)


def may_have_lived() -> pl.Expr:
    """Whether a connection was open, or may have been before the evidence begins.

    One that was seen to try, and not to open, never lived: its end is a handshake that failed.
    """
    return pl.col("was_open") | (
        pl.col("attempted").is_null() & ~pl.col("rejected") & ~pl.col("refused")
    )


def counted(connections: pl.LazyFrame) -> pl.LazyFrame:
    """Each real connection once.

    Sessions that nothing ties together may be one connection told twice. The vantage that saw most
    counts whole; of the others only what began outside the time that it covers.
    """
    seen = {name: pl.col("vantages").list.contains(name) for name in NEARNESS}
    counts = {name: seen_here.sum() for name, seen_here in seen.items()}
    most = pl.max_horizontal(*counts.values())
    best = pl.coalesce(pl.when(count == most).then(pl.lit(name)) for name, count in counts.items())
    by_best = pl.any_horizontal((best == name) & seen_here for name, seen_here in seen.items())
    since, until = (
        pl.coalesce(pl.when(best == name).then(moment.get(name)) for name in seen)
        for moment in (
            {name: pl.col("first").filter(here).min() - SLACK for name, here in seen.items()},
            {name: pl.col("last_seen").filter(here).max() + SLACK for name, here in seen.items()},
        )
    )
    # A filter, and no join: what is kept of a large table is copied once.
    return connections.filter(by_best | ~pl.col("first").is_between(since, until).fill_null(True))


def with_room(connections: pl.LazyFrame) -> pl.LazyFrame:
    """Without the fragments that tell again of an end that is known already.

    A fragment is an end whose line names no connection. As many of them as a log opens connections
    without ending them by name are those ends, the ones with a code first; more repeat known ones.
    """
    by_source = (
        connections.explode("sources")
        .group_by("sources")
        .agg(
            (pl.col("was_open") & ~pl.col("gone")).sum().alias("_endless"),
            pl.col("was_open").sum().alias("_opened"),
        )
    )
    told = pl.col("fragment") & pl.col("gone")
    rank = (told & pl.col("code").is_not_null()).cast(pl.Int8) * 2 + told.cast(pl.Int8)
    room = (rank.rank("ordinal", descending=True) <= pl.col("_endless")).over("_source")
    return (
        connections.with_columns(_source=pl.col("sources").list.first())
        .join(by_source, left_on="_source", right_on="sources", how="left", maintain_order="left")
        .filter(~told | room | (pl.col("_opened") == 0))
        .drop("_source", "_endless", "_opened")
    )
