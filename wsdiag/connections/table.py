"""The connection table itself."""

from __future__ import annotations

import polars as pl

from wsdiag.connections.codes import LOCAL_CODES
from wsdiag.connections.traffic import COUNTS, TRAFFIC, gaps, legs, place, totals
from wsdiag.event import ORDER
from wsdiag.finding import SPOT

KIND, VANTAGE, TS = pl.col("kind"), pl.col("vantage"), pl.col("ts")
VANTAGES = ("client", "network", "proxy", "server")
WIRE, BY_CLIENT = VANTAGE == "network", VANTAGE == "client"
CLOSE, END = KIND == "close", KIND == "end"
STOPS = END & (pl.col("reason") == "evidence-stops").fill_null(False)
ENDED = END & ~STOPS
# Polling transports shake hands over plain HTTP: a refusal there is one of the handshake.
REFUSAL = (KIND == "rejected") | ((KIND == "response") & (pl.col("code") >= 400))


def pointers(*, of: pl.Expr | None = None, limit: int = 4) -> pl.Expr:
    """Aggregate rows into at most `limit` proof pointers (List of POINTER)."""
    chosen = SPOT if of is None else SPOT.filter(of)
    return chosen.head(limit)


def table(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per session, ordered by its first event.

    Columns: session, client (identity across reconnects, null where it cannot be told), user,
    token, expires, key, path, peer, vantages, sources, attempted, opened, handshake_ms, status,
    refused, closed, code (the initiator's; null without a Close frame or log of it), reason,
    close_dir, reported (codes that local APIs stated), ended, end_reason, end_dir, closed_by
    (client, server, proxy, network, unknown), legs, live, proxy_timer, last_c2s, last_s2c, idle_s
    (silence before the end; null where nobody saw the traffic), age_s, messages_c2s,
    messages_s2c, pings, pongs, opening and closing (proof pointers), fragment (only an end, in
    lines that do not name the connection).
    """
    rows = events.filter(pl.col("session").is_not_null())
    talk = legs(rows)
    summary = (
        pl.concat([rows.filter(~TRAFFIC), talk], how="diagonal")
        .with_columns(_place=place())
        .sort("_place", *ORDER, nulls_last=True, maintain_order=True)
        .with_columns(_first_of_source=_differs("_place") | _differs("source"))
        .group_by("_place", maintain_order=True)
        .agg(pl.col("session").first(), *_who(), *_beginning(), *_ending(), *_proofs())
        .join(totals(talk), on="session", how="left")
        .join(gaps(rows), on="session", how="left")
        .sort("first", "_source", "_pos", nulls_last=True, maintain_order=True)
    )
    return _conclude(summary)


def _differs(column: str) -> pl.Expr:
    return pl.col(column).ne_missing(pl.col(column).shift(1))


def _who() -> list[pl.Expr]:
    handshake = KIND.is_in(["attempt", "open", "rejected"])
    return [
        *(pl.col(name).drop_nulls().first() for name in ("user", "token", "key", "peer")),
        pl.col("expires").drop_nulls().max(),
        pl.col("name").filter(handshake).drop_nulls().first().alias("path"),
        *(VANTAGE.eq(name).any().alias(f"_{name}") for name in VANTAGES),
        pl.col("source").filter("_first_of_source").alias("sources"),
        pl.col("source").first().alias("_source"),
        pl.col("pos").first().alias("_pos"),
        pl.col("conn").filter(BY_CLIENT).first().alias("_client_conn"),
        pl.col("source").filter(BY_CLIENT).first().alias("_client_source"),
    ]


def _beginning() -> list[pl.Expr]:
    return [
        TS.min().alias("first"),
        TS.max().alias("last_seen"),
        (WIRE | (TRAFFIC & BY_CLIENT)).any().alias("_traffic_seen"),
        _moment(KIND == "attempt").alias("attempted"),
        _moment(KIND == "open").alias("opened"),
        (KIND == "open").any().alias("was_open"),
        _handshake(VANTAGE, KIND),
        REFUSAL.any().alias("rejected"),
        pl.col("code").filter(REFUSAL).drop_nulls().first().alias("status"),
        pl.col("reason").filter(REFUSAL).drop_nulls().first().alias("rejection"),
        (KIND == "refused").any().alias("refused"),
    ]


def _ending() -> list[pl.Expr]:
    gone = CLOSE | ENDED
    stated = CLOSE & pl.col("code").is_not_null() & ~pl.col("code").is_in(list(LOCAL_CODES))
    # First the wire's own Close frame, then a log that says who sent it, then any log with a code
    # that can cross the wire, then an empty Close frame seen by an API.
    told = (
        CLOSE & WIRE,
        stated & pl.col("dir").is_not_null(),
        stated,
        CLOSE & (pl.col("code") == 1005).fill_null(False),
    )
    ended = (ENDED & WIRE, ENDED & (VANTAGE == "proxy"), ENDED)
    return [
        _moment(CLOSE).alias("closed"),
        _moment(gone).alias("ended"),
        gone.any().alias("gone"),
        STOPS.any().alias("_over"),
        _by_rank("code", told).alias("code"),
        _by_rank("reason", told).alias("_reason"),
        _by_rank("dir", told).alias("close_dir"),
        _by_rank("reason", ended).alias("end_reason"),
        _by_rank("dir", ended).alias("end_dir"),
        pl.col("reason").filter(CLOSE).drop_nulls().first().alias("_any_reason"),
        pl.struct("source", "code")
        .filter(CLOSE & pl.col("code").is_not_null())
        .unique(maintain_order=True)
        .alias("reported"),
        (CLOSE & WIRE).any().alias("_close_on_wire"),
        (CLOSE & (pl.col("code") == 1006)).any().alias("_local_1006"),
        (KIND == "timeout").any().alias("timer"),
        ((KIND == "timeout") & (VANTAGE == "proxy")).any().alias("proxy_timer"),
        (KIND == "heartbeat_timeout").any().alias("heartbeat_timeout"),
        pl.col("conn").filter(WIRE).n_unique().alias("legs"),
        pl.struct("conn", "ts", "dir").filter(WIRE & ENDED).alias("_wire_ends"),
        pl.col("ms").filter(END & (VANTAGE == "proxy")).max().alias("_stated_age_ms"),
    ]


def _proofs() -> list[pl.Expr]:
    begins = KIND.is_in(["attempt", "open"])
    nameless = pl.col("conn").str.contains("^(~|\\*|bare |line |@)").all()
    over = CLOSE | ENDED | KIND.is_in(["timeout", "heartbeat_timeout"])
    return [
        pointers(of=REFUSAL | begins | (KIND == "refused")).alias("opening"),
        pointers(of=over).alias("closing"),
        (nameless & ~begins.any()).alias("fragment"),
    ]


def _by_rank(column: str, ranks: tuple[pl.Expr, ...]) -> pl.Expr:
    """The column in the first row of the first rank that has any row."""
    found: pl.Expr = pl.when(ranks[-1].any()).then(pl.col(column).filter(ranks[-1]).first())
    for rank in reversed(ranks[:-1]):
        found = pl.when(rank.any()).then(pl.col(column).filter(rank).first()).otherwise(found)
    return found


def _handshake(vantage: pl.Expr, kind: pl.Expr) -> pl.Expr:
    """The handshake as the client felt it: its own figure, the longest leg on the wire, a log's."""
    client = (
        pl.col("ts").filter((kind == "open") & (vantage == "client")).min()
        - pl.col("ts").filter((kind == "attempt") & (vantage == "client")).min()
    )
    return pl.coalesce(
        _stated_by("client"),
        client.dt.total_microseconds() / 1000,
        _stated_by("network"),
        _stated_by("proxy"),
        _stated_by("server"),
    ).alias("handshake_ms")


def _moment(what: pl.Expr) -> pl.Expr:
    """The first time of something, from the source with the finest clock: the wire, then whoever
    logs it as it happens, then a proxy, whose lines may have whole seconds only."""
    ts, vantage = pl.col("ts"), pl.col("vantage")
    return pl.coalesce(
        ts.filter(what & (vantage == "network")).min(),
        ts.filter(what & (vantage != "proxy")).min(),
        ts.filter(what).min(),
    )


def _stated_by(who: str) -> pl.Expr:
    return pl.col("ms").filter((pl.col("kind") == "open") & (pl.col("vantage") == who)).max()


def _conclude(summary: pl.LazyFrame) -> pl.LazyFrame:
    """Who ended it, whether a Close frame came, and how long it had been silent."""
    moment = pl.coalesce("ended", "closed")
    age = pl.coalesce(
        (moment - pl.col("opened")).dt.total_microseconds() / 1e6, pl.col("_stated_age_ms") / 1000
    )
    silent = moment - pl.max_horizontal("_last_traffic", "opened")
    seen = pl.col("_traffic_seen")
    # On the wire an end without a Close frame has no code, whatever an API made of it.
    framed = ~pl.col("_network") | pl.col("_close_on_wire") | ~pl.col("gone")
    vantages = pl.concat_list(pl.when(f"_{name}").then(pl.lit(name)) for name in VANTAGES)
    coded = summary.with_columns(
        *(pl.col(name).fill_null(0) for name in COUNTS),
        code=pl.when(framed | (pl.col("code") != 1005)).then("code"),
        vantages=vantages.list.drop_nulls(),
        sources=pl.col("sources").list.unique().list.sort(),
        last_seen=pl.max_horizontal("last_seen", "_last_traffic"),
    )
    return coded.with_columns(
        client=_client(),
        reason=pl.coalesce("_reason", "_any_reason"),
        closed_by=_closed_by(),
        live=~pl.col("gone") & pl.col("_over"),
        frameless=_frameless(),
        age_s=age,
        idle_s=pl.when(seen).then(silent.dt.total_microseconds() / 1e6),
        longest_gap_s=pl.when(seen).then(_longest_gap().dt.total_microseconds() / 1e6),
    ).select(pl.all().exclude("^_.*$"))


def _client() -> pl.Expr:
    """Who it is across reconnects: the name that a client's log uses again, else the user.

    One user may have several devices, so a name of the client's own goes first.
    """
    name = pl.format("{}:{}", "_client_source", "_client_conn")
    recurring = pl.when(name.is_not_null() & (pl.len().over(name) > 1)).then(name)
    return pl.coalesce(recurring, "user", name, "token")


def _longest_gap() -> pl.Expr:
    """The longest silence that it survived; one that still lives survives its last silence too."""
    lasting = pl.col("last_seen") - pl.max_horizontal("_last_traffic", "opened")
    return pl.max_horizontal("_longest_gap", pl.when(~pl.col("gone")).then(lasting))


def _frameless() -> pl.Expr:
    """No Close frame came: the wire shows an end without one, or an API or a log says so.

    A proxy's log line about an end says nothing about frames, except a reset.
    """
    on_wire = pl.col("_network") & ~pl.col("_close_on_wire")
    by_proxy_only = pl.col("vantages").list.eval(pl.element() == "proxy").list.all()
    said = ~pl.col("_network") & (
        (pl.col("end_reason") == "rst") | ((pl.col("end_reason") == "eof") & ~by_proxy_only)
    )
    shaken = ~pl.col("rejected") & ~pl.col("refused")
    return (
        pl.col("gone")
        & shaken
        & pl.col("code").is_null()
        & (on_wire | pl.col("_local_1006") | said.fill_null(False))
    )


def _closed_by() -> pl.Expr:
    """client, server or proxy: the sender of the first Close frame, else whose end came first."""
    side = {"c2s": "client", "s2c": "server"}
    # Whoever ends a proxied connection, both legs end the same way, unless it is the proxy.
    leg, way = pl.element().struct.field("conn"), pl.element().struct.field("dir")
    first_ways = pl.col("_wire_ends").list.eval(way.filter(leg.is_first_distinct()))
    from_the_middle = (first_ways.list.len() == 2) & (first_ways.list.n_unique() == 2)
    return (
        pl.when(~pl.col("gone"))
        .then(None)
        .when(pl.col("close_dir").is_not_null())
        .then(pl.col("close_dir").replace_strict(side, default=None))
        .when(pl.col("proxy_timer") | (from_the_middle & ~pl.col("_close_on_wire")))
        .then(pl.lit("proxy"))
        .when(pl.col("end_dir").is_not_null())
        .then(pl.col("end_dir").replace_strict(side, default=None))
        .otherwise(pl.lit("unknown"))
    )
