"""The connection table itself."""

from __future__ import annotations

import polars as pl

from wsdiag.connections.codes import LOCAL_CODES
from wsdiag.event import ORDER
from wsdiag.finding import POINTER


def pointers(*, of: pl.Expr | None = None, limit: int = 4) -> pl.Expr:
    """Aggregate rows into at most `limit` proof pointers (List of POINTER)."""
    entry = pl.struct("source", "pos", "ts", pl.col("vantage").cast(pl.String)).cast(POINTER)
    chosen = entry if of is None else entry.filter(of)
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
    rows = events.filter(pl.col("session").is_not_null()).with_columns(
        kind=pl.col("kind").cast(pl.String),
        vantage=pl.col("vantage").cast(pl.String),
        dir=pl.col("dir").cast(pl.String),
    )
    kind, vantage = pl.col("kind"), pl.col("vantage")
    wire = vantage == "network"
    close, end = kind == "close", kind == "end"
    over = end & (pl.col("reason") == "evidence-stops").fill_null(False)
    gone = close | (end & ~over)
    traffic = kind.is_in(["message", "ping", "pong"])
    stated = close & pl.col("code").is_not_null() & ~pl.col("code").is_in(list(LOCAL_CODES))
    on_wire = close & wire
    # First the wire's own Close frame, then a log that says who sent it, then any log with a code
    # that can cross the wire, then an empty Close frame seen by an API.
    # Polling transports shake hands over plain HTTP: a refusal there is one of the handshake.
    refusal = (kind == "rejected") | ((kind == "response") & (pl.col("code") >= 400))
    initiating = (
        pl.when(on_wire)
        .then(0)
        .when(stated & pl.col("dir").is_not_null())
        .then(1)
        .when(stated)
        .then(2)
        .when(close & (pl.col("code") == 1005).fill_null(False))
        .then(3)
        .otherwise(9)
    )
    ending = pl.when(wire).then(0).when(vantage == "proxy").then(1).otherwise(2)
    summary = (
        rows.with_columns(_rank=initiating, _end_rank=ending)
        .sort(*ORDER, nulls_last=True, maintain_order=True)
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("user").drop_nulls().first(),
            pl.col("token").drop_nulls().first(),
            pl.col("expires").drop_nulls().max(),
            pl.col("key").drop_nulls().first(),
            pl.col("name")
            .filter(kind.is_in(["attempt", "open", "rejected"]))
            .drop_nulls()
            .first()
            .alias("path"),
            pl.col("peer").drop_nulls().first(),
            vantage.unique().sort().alias("vantages"),
            pl.col("source").unique().sort().alias("sources"),
            pl.col("conn").filter(vantage == "client").first().alias("_client_conn"),
            pl.col("source").filter(vantage == "client").first().alias("_client_source"),
            pl.col("ts").min().alias("first"),
            pl.col("ts").max().alias("last_seen"),
            pl.col("ts").filter(traffic | (kind == "open")).diff().max().alias("_longest_gap"),
            _moment(kind == "attempt").alias("attempted"),
            _moment(kind == "open").alias("opened"),
            (kind == "open").any().alias("was_open"),
            _handshake(vantage, kind),
            refusal.any().alias("rejected"),
            pl.col("code").filter(refusal).drop_nulls().first().alias("status"),
            pl.col("reason").filter(refusal).drop_nulls().first().alias("rejection"),
            (kind == "refused").any().alias("refused"),
            _moment(close).alias("closed"),
            *(
                pl.col(column)
                .filter(close & (pl.col("_rank") < 9))
                .sort_by(pl.col("_rank").filter(close & (pl.col("_rank") < 9)), maintain_order=True)
                .first()
                .alias(name)
                for column, name in (("code", "code"), ("reason", "_reason"), ("dir", "close_dir"))
            ),
            pl.col("reason").filter(close).drop_nulls().first().alias("_any_reason"),
            pl.struct("source", "code")
            .filter(close & pl.col("code").is_not_null())
            .unique(maintain_order=True)
            .alias("reported"),
            on_wire.any().alias("_close_on_wire"),
            wire.any().alias("_on_wire"),
            (close & pl.col("code").is_in([1006])).any().alias("_local_1006"),
            _moment(gone).alias("ended"),
            gone.any().alias("gone"),
            *(
                pl.col(column)
                .filter(end & ~over)
                .sort_by(pl.col("_end_rank").filter(end & ~over), maintain_order=True)
                .first()
                .alias(name)
                for column, name in (("reason", "end_reason"), ("dir", "end_dir"))
            ),
            over.any().alias("_over"),
            (kind == "timeout").any().alias("timer"),
            ((kind == "timeout") & (vantage == "proxy")).any().alias("proxy_timer"),
            (kind == "heartbeat_timeout").any().alias("heartbeat_timeout"),
            pl.col("conn").filter(wire).n_unique().alias("legs"),
            pl.struct("conn", "ts", "dir").filter(wire & end & ~over).alias("_wire_ends"),
            pl.col("ts").filter(traffic & (pl.col("dir") == "c2s")).max().alias("last_c2s"),
            pl.col("ts").filter(traffic & (pl.col("dir") == "s2c")).max().alias("last_s2c"),
            pl.col("ts").filter(traffic).max().alias("_last_traffic"),
            (wire | (traffic & (vantage == "client"))).any().alias("_traffic_seen"),
            pl.col("ms").filter(end & (vantage == "proxy")).max().alias("_stated_age_ms"),
            *(
                _on_one_leg(kind == what, direction).alias(name)
                for what, direction, name in (
                    ("message", "c2s", "messages_c2s"),
                    ("message", "s2c", "messages_s2c"),
                    ("ping", None, "pings"),
                    ("pong", None, "pongs"),
                )
            ),
            pointers(of=refusal | kind.is_in(["attempt", "open", "refused"])).alias("opening"),
            pointers(of=close | (end & ~over) | kind.is_in(["timeout", "heartbeat_timeout"])).alias(
                "closing"
            ),
            (
                pl.col("conn").str.contains("^(~|\\*|bare |line |@)").all()
                & ~kind.is_in(["attempt", "open"]).any()
            ).alias("fragment"),
        )
    )
    return _conclude(summary)


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


def _on_one_leg(what: pl.Expr, direction: str | None) -> pl.Expr:
    """Count on the leg that saw most: both legs of a proxied connection carry the same frames."""
    chosen = what if direction is None else what & (pl.col("dir") == direction)
    leg = pl.concat_str("source", pl.lit(" "), pl.col("conn").fill_null(""))
    return leg.filter(chosen).value_counts().struct.field("count").max().fill_null(0).cast(pl.Int64)


def _conclude(summary: pl.LazyFrame) -> pl.LazyFrame:
    """Who ended it, whether a Close frame came, and how long it had been silent."""
    moment = pl.coalesce("ended", "closed")
    age = pl.coalesce(
        (moment - pl.col("opened")).dt.total_microseconds() / 1e6, pl.col("_stated_age_ms") / 1000
    )
    silent = moment - pl.max_horizontal("_last_traffic", "opened")
    seen = pl.col("_traffic_seen")
    # On the wire an end without a Close frame has no code, whatever an API made of it.
    framed = ~pl.col("_on_wire") | pl.col("_close_on_wire") | ~pl.col("gone")
    coded = summary.with_columns(code=pl.when(framed | (pl.col("code") != 1005)).then("code"))
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
    on_wire = pl.col("_on_wire") & ~pl.col("_close_on_wire")
    by_proxy_only = pl.col("vantages").list.eval(pl.element() == "proxy").list.all()
    said = ~pl.col("_on_wire") & (
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
