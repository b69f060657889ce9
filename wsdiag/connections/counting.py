"""Each real connection once."""

from __future__ import annotations

import polars as pl

NEARNESS = ("network", "proxy", "server", "client")
"""Where two vantages saw equally much, the one that lies less. A process that died told no end."""

SLACK = pl.duration(seconds=5)


def may_have_lived() -> pl.Expr:
    """Whether a connection was open, or may have been before the evidence begins.

    One that was seen to try, and not to open, never lived: its end is a handshake that failed.
    """
    return pl.col("was_open") | (
        pl.col("attempted").is_null() & ~pl.col("rejected") & ~pl.col("refused")
    )


def was_tried() -> pl.Expr:
    """Whether somebody is seen to connect, with whatever success. A refusal that names no
    connection, as in a proxy's error log, tells again of what its access log has."""
    tried = (
        pl.col("was_open")
        | pl.col("refused")
        | pl.col("rejected")
        | pl.col("attempted").is_not_null()
    )
    return tried & ~pl.col("fragment")


def whole() -> pl.Expr:
    """Whether a row is a connection's or an attempt's own, not only what a nameless line tells.

    Where nothing opened nameless ends count, and where nobody tried by name nameless refusals; a
    nameless message or ping never does.
    """
    named, refusal = ~pl.col("fragment"), pl.col("rejected") | pl.col("refused")
    tried = named & (pl.col("was_open") | refusal | pl.col("attempted").is_not_null())
    return named | (pl.col("gone") & ~pl.col("was_open").any()) | (refusal & ~tried.any())


def number_of(connections: pl.LazyFrame, said: str) -> pl.LazyFrame:
    """What a detector judged: how many these are, each counted once, and the sentence that says so.

    `said` has a place for the number. One row: judged, said.
    """
    return counted(connections).select(
        judged=pl.len().cast(pl.Int64), said=pl.format(said, pl.len())
    )


def counted(connections: pl.LazyFrame, always: pl.Expr | None = None) -> pl.LazyFrame:
    """Each real connection once; also those of which `always` holds, whoever tells of them.

    Sessions that nothing ties together may be one connection told twice. The vantage that saw of
    most what their attempts came to, of two that saw as many most in all, and then most of their
    ends, counts whole; of the others only what began outside the time that it covers. An end that
    names no connection, as in an error log, makes nobody a better witness where there is more.
    """
    seen = {name: pl.col(f"_by_{name}") for name in NEARNESS}
    counts = {name: pl.col(f"_count_{name}") for name in NEARNESS}
    first, last = pl.col("first"), pl.col("last_seen")
    failed = pl.col("rejected") | pl.col("refused")
    tried = pl.col("attempted").is_not_null()
    settled = pl.col("was_open") | failed | (tried & pl.col("gone"))
    best = pl.coalesce(
        pl.when(count == pl.max_horizontal(*counts.values())).then(pl.lit(name))
        for name, count in counts.items()
    )
    by_best = pl.coalesce(
        pl.when(pl.col("_best") == name).then(here) for name, here in seen.items()
    )
    # One column after the other, so that each is made once; and no join: it copies a large table.
    return (
        connections.with_columns(
            pl.col("vantages").list.contains(name).alias(f"_by_{name}") for name in NEARNESS
        )
        .with_columns(
            _rank(
                *(
                    here & ~pl.col("fragment") & told
                    for told in (settled, settled | tried, True, pl.col("gone"))
                ),
                here & pl.col("fragment").all(),
            ).alias(f"_count_{name}")
            for name, here in seen.items()
        )
        .with_columns(_best=best)
        .with_columns(_by_best=by_best)
        .filter(
            pl.col("_by_best")
            | (pl.lit(value=False) if always is None else always)
            | ~first.is_between(
                first.filter("_by_best").min() - SLACK, last.filter("_by_best").max() + SLACK
            ).fill_null(True)
        )
        .drop(*(f"_by_{name}" for name in NEARNESS))
        .drop(*(f"_count_{name}" for name in NEARNESS), "_best", "_by_best")
    )


def _rank(*flags: pl.Expr) -> pl.Expr:
    """A number by which those are compared that have most of the first, then of the next."""
    number, base = pl.lit(0.0), pl.len() + 1
    for flag in flags:
        number = number * base + flag.sum()
    return number


def with_room(connections: pl.LazyFrame) -> pl.LazyFrame:
    """Without the fragments that tell again of an end that is known already.

    A fragment is an end whose line names no connection. As many of them as a log opens connections
    without ending them by name are those ends, the ones with a code first; more repeat known ones.
    """
    place = ["sources", "vantages"]  # one file may hold what several programs say
    by_source = (
        connections.explode("sources")
        .explode("vantages")
        .group_by(place)
        .agg(
            (pl.col("was_open") & ~pl.col("gone")).sum().alias("_endless"),
            pl.col("was_open").sum().alias("_opened"),
        )
    )
    told = pl.col("fragment") & pl.col("gone")
    rank = (told & pl.col("code").is_not_null()).cast(pl.Int8) * 2 + told.cast(pl.Int8)
    own = ["_source", "_vantage"]
    room = (rank.rank("ordinal", descending=True) <= pl.col("_endless")).over(own)
    return (
        connections.with_columns(
            _source=pl.col("sources").list.first(), _vantage=pl.col("vantages").list.first()
        )
        .join(by_source, left_on=own, right_on=place, how="left", maintain_order="left")
        .filter(~told | room | (pl.col("_opened") == 0))
        .drop(*own, "_endless", "_opened")
    )
