"""What the rows of a session say of it: the columns of the connection table that one row tells.

`told` holds the rows but the traffic, with `_place`, a number for each session, sorted by it and
then in the total order, and `_doubtful`, true of a close whose code is not believed. Each function
gives one row for each session of which it can say something.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wsdiag.connections.codes import LOCAL_CODES
from wsdiag.connections.traffic import TRAFFIC
from wsdiag.event import CROSSED, SENT_FIRST
from wsdiag.finding import SPOT

MAX_PROOFS = 4
"""Pointers kept for the beginning of a connection, and for its end."""

KIND, VANTAGE, CODE = pl.col("kind"), pl.col("vantage"), pl.col("code")
VANTAGES = ("client", "network", "proxy", "server")
WIRE, BY_PROXY, BY_CLIENT = VANTAGE == "network", VANTAGE == "proxy", VANTAGE == "client"
ATTEMPT, OPEN, REFUSED = KIND == "attempt", KIND == "open", KIND == "refused"
TIMER, GIVEN_UP = KIND == "timeout", KIND == "heartbeat_timeout"
CLOSE, END = KIND == "close", KIND == "end"
STOPS = END & (pl.col("reason") == "evidence-stops").fill_null(False)
ENDED = END & ~STOPS
BELIEVED = ~pl.col("_doubtful").fill_null(value=False)
LOST = ENDED & ~BY_PROXY & pl.col("reason").is_in(["rst", "etimedout", "eof"])
# Polling transports shake hands over plain HTTP: a refusal there is one of the handshake.
REFUSAL = (KIND == "rejected") | ((KIND == "response") & (CODE >= 400))


def who(told: pl.DataFrame) -> pl.DataFrame:
    """One row for every session: who it is, when it was seen, and what is true of any row."""
    flags: dict[str, pl.Expr] = {
        **{f"_{name}": VANTAGE.eq(name) for name in VANTAGES},
        "_traffic_seen": WIRE | (TRAFFIC & BY_CLIENT),
        # A refusal with a status is a handshake that somebody saw whole.
        "_begins": ATTEMPT | OPEN | (REFUSAL & CODE.is_not_null()),
        "_beyond_polls": ~KIND.is_in(["request", "response"]),
        "was_open": OPEN,
        "_open_elsewhere": OPEN & ~BY_CLIENT,
        "_failed_elsewhere": (REFUSAL | REFUSED) & ~BY_CLIENT,
        "rejected": REFUSAL,
        "refused": REFUSED,
        "gone": CLOSE | ENDED,
        "_over": STOPS,
        "_close_on_wire": CLOSE & WIRE,
        "_crossed": CLOSE & WIRE & (pl.col("name") == CROSSED).fill_null(value=False),
        "_local_1006": CLOSE & (CODE == 1006) & BELIEVED,
        "_lost": LOST,
        "timer": TIMER,
        "proxy_timer": TIMER & BY_PROXY,
        "heartbeat_timeout": GIVEN_UP,
        "_named": ~pl.col("conn").str.contains("^(~|\\*|bare |line |@)"),
    }
    return told.group_by("_place", maintain_order=True).agg(
        pl.col("session").first(),
        *(pl.col(name).drop_nulls().first() for name in ("user", "token", "key", "peer")),
        pl.col("expires").max(),
        pl.col("source").first().alias("_source"),
        pl.col("pos").first().alias("_pos"),
        pl.col("ts").first().alias("first"),
        pl.col("ts").max().alias("last_seen"),
        *(flag.any().alias(name) for name, flag in flags.items()),
    )


def parts(told: pl.DataFrame) -> list[pl.DataFrame]:
    """All that is told of some sessions only, each part by `_place`."""
    gone = CLOSE | ENDED
    refusal = told.filter(REFUSAL)
    closing = told.filter(CLOSE)
    by_client = told.filter(BY_CLIENT)
    unframed = closing.filter(CODE.is_null() & ~WIRE & pl.col("dir").is_not_null())
    failed = KIND.is_in(["rejected", "refused"])
    named = told.filter((ATTEMPT | OPEN | failed) & pl.col("name").is_not_null())
    return [
        _sources(told),
        _first(named, path="name"),
        _first(by_client, _client_conn="conn", _client_source="source"),
        _legs(told.filter(WIRE)),
        _moment(told.filter(ATTEMPT), "attempted"),
        _moment(told.filter(OPEN), "opened"),
        _handshake(told.filter(OPEN & pl.col("ms").is_not_null())),
        _client_took(by_client),
        _first(refusal.filter(CODE.is_not_null()), status="code"),
        _first(refusal.filter(pl.col("reason").is_not_null()), rejection="reason"),
        _moment(closing, "closed"),
        _moment(told.filter(gone), "ended"),
        _first(closing, _who_closed(), code="code", _reason="reason", close_dir="dir"),
        _first(closing.filter(pl.col("reason").is_not_null()), _any_reason="reason"),
        _first(unframed, _said_dir="dir"),
        _reported(closing),
        _first(told.filter(ENDED), _finest(), end_reason="reason", end_dir="dir"),
        _wire_ends(told.filter(ENDED & WIRE)),
        _from_the_middle(told.filter(WIRE)),
        _stated_age(told.filter(END)),
        _proofs(told.filter(REFUSAL | ATTEMPT | OPEN | REFUSED), "opening"),
        _proofs(told.filter(gone | TIMER | GIVEN_UP), "closing"),
    ]


def _first(rows: pl.DataFrame, rank: pl.Expr | None = None, **columns: str) -> pl.DataFrame:
    """Columns of the first row of each session, or of the first of its lowest rank.

    Rows without a rank say nothing.
    """
    place = pl.col("_place")
    if rank is not None:
        rows = rows.with_columns(_rank=rank).filter(pl.col("_rank").is_not_null())
        if rows["_rank"].n_unique() > 1:
            rows = rows.sort("_place", "_rank", maintain_order=True)
    return rows.filter(place.ne_missing(place.shift(1))).select("_place", **columns)


def _ranked(ranks: Sequence[pl.Expr]) -> pl.Expr:
    return pl.coalesce(
        pl.when(what).then(pl.lit(rank, dtype=pl.UInt8)) for rank, what in enumerate(ranks)
    )


def _finest() -> pl.Expr:
    """By how finely its clock ticks: the wire, then whoever logs a thing as it happens, then a
    proxy, whose lines may have whole seconds only; of those the first that gives a reason."""
    return _ranked((WIRE, BY_PROXY, pl.col("reason").is_not_null(), pl.lit(value=True)))


def _who_closed() -> pl.Expr:
    """First the wire's own Close frame, then a log that says who sent it, then any log with a code
    that can cross the wire, then an empty Close frame seen by an API."""
    stated = BELIEVED & CODE.is_not_null() & ~CODE.is_in(list(LOCAL_CODES))
    empty = BELIEVED & (CODE == 1005)
    first = (pl.col("name") == SENT_FIRST).fill_null(value=False)
    return _ranked((WIRE & first, WIRE, stated & pl.col("dir").is_not_null(), stated, empty))


def _moment(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """The first time of something, from the source with the finest clock: the wire, then whoever
    logs it as it happens, then a proxy, whose lines may have whole seconds only."""
    finest = _ranked((WIRE, VANTAGE != "proxy", pl.lit(value=True)))
    return _first(rows.filter(pl.col("ts").is_not_null()), finest, **{name: "ts"})


def _handshake(opens: pl.DataFrame) -> pl.DataFrame:
    """The longest handshake that each vantage states."""
    return opens.group_by("_place", maintain_order=True).agg(
        pl.col("ms").filter(VANTAGE.eq(name)).max().alias(f"_{name}_ms") for name in VANTAGES
    )


def _client_took(rows: pl.DataFrame) -> pl.DataFrame:
    """From the client's first attempt to its first open, in milliseconds.

    Nothing where both bear one time: its source did not measure it, as a HAR by Playwright. Nothing
    either where one second follows the other and the log tells no parts of them: that may be a
    millisecond as well as two seconds.
    """
    ts = pl.col("ts")
    opened, tried = ts.filter(OPEN).min(), ts.filter(ATTEMPT).min()
    took = (opened - tried).dt.total_microseconds()
    coarse = (took == 1_000_000) & (opened.dt.microsecond() == 0)
    return rows.group_by("_place", maintain_order=True).agg(
        pl.when((took != 0) & ~coarse).then(took / 1000).alias("_client_took_ms")
    )


def _sources(told: pl.DataFrame) -> pl.DataFrame:
    """The sources of each session that has several."""
    source, place = pl.col("source"), pl.col("_place")
    several = told.filter((place == place.shift(1)) & source.ne_missing(source.shift(1)))
    return (
        told.join(several, on="_place", how="semi", maintain_order="left")
        .group_by("_place", maintain_order=True)
        .agg(source.unique().sort().alias("sources"))
    )


def _legs(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("_place", maintain_order=True).agg(pl.col("conn").n_unique().alias("legs"))


def _reported(closing: pl.DataFrame) -> pl.DataFrame:
    codes = pl.struct("source", "code").unique(maintain_order=True).alias("reported")
    return closing.filter(CODE.is_not_null()).group_by("_place", maintain_order=True).agg(codes)


def _wire_ends(ends: pl.DataFrame) -> pl.DataFrame:
    return ends.group_by("_place", maintain_order=True).agg(
        pl.struct("conn", "ts", "dir").alias("_wire_ends")
    )


def _from_the_middle(rows: pl.DataFrame) -> pl.DataFrame:
    """Whether the first Close on the client's leg came from the server's side and the first on the
    leg behind it from the client's: then neither sent it, but what stands between the two."""
    fronts = rows.group_by("_place", maintain_order=True).agg(
        pl.col("conn").first().alias("_front")
    )
    first = rows.filter(CLOSE).unique(["_place", "conn"], keep="first", maintain_order=True)
    front = pl.col("conn") == pl.col("_front")
    return (
        first.join(fronts, on="_place", maintain_order="left")
        .group_by("_place", maintain_order=True)
        .agg(
            (
                (front & (pl.col("dir") == "s2c")).any() & (~front & (pl.col("dir") == "c2s")).any()
            ).alias("_close_from_the_middle")
        )
    )


def _stated_age(ends: pl.DataFrame) -> pl.DataFrame:
    return ends.group_by("_place", maintain_order=True).agg(
        pl.col("ms").max().alias("_stated_age_ms")
    )


def _proofs(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.group_by("_place", maintain_order=True).agg(SPOT.head(MAX_PROOFS).alias(name))
