"""The connection table itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import pairwise

import polars as pl

from wsdiag.connections import traffic
from wsdiag.connections.codes import SERVERS_CODES
from wsdiag.connections.told import VANTAGES, parts, who
from wsdiag.connections.traffic import COUNTS, TRAFFIC, WAYS, Traffic
from wsdiag.event import ORDER, slices

ROWS_TOGETHER = 250_000

FEW_RUNS = 4
"""Runs of so many rows, on average, are put together sooner than row by row."""

_LOOPBACK = r"^(127\.|\[?::1\]?$|\[?::ffff:127\.)"  # RFC 1122 3.2.1.3, RFC 4291 2.5.3 and 2.5.5.2


def table(
    parts: Sequence[pl.LazyFrame], doubtful: Mapping[str, Set[int]] | None = None
) -> pl.DataFrame:
    """One row per session, ordered by its first event. `parts` are events that follow one another
    in the total order.

    `doubtful` names for a source the close codes that its program is known to write without having
    got them; they stay in `reported`, but nothing is concluded from them.

    Columns: session, client (identity across reconnects, null where it cannot be told), user,
    token, expires, key, path, peer, vantages, sources, attempted, opened, handshake_ms, status,
    refused, closed, code (the initiator's; null without a Close frame or log of it), reason,
    close_dir (null where two Close frames crossed), reported (codes that local APIs stated), ended,
    end_reason, end_dir, closed_by (client, server, proxy, network, unknown), legs, live,
    proxy_timer, last_c2s, last_s2c, idle_s (silence before the end; null where nobody saw the
    traffic), age_s, longest_gap_s and, for one direction, longest_gap_c2s_s and longest_gap_s2c_s
    (the longest silence survived), messages_c2s, messages_s2c, pings, pongs, opening and closing
    (proof pointers), fragment (only an end, in lines that do not name the connection), polling
    (nothing but plain requests that were answered).
    """
    place = pl.col("session").cast(pl.Categorical(pl.Categories.random())).to_physical()
    last = _last_parts(parts, place)
    rows, seen, found = list[pl.DataFrame](), Traffic.none(), list[dict[str, pl.Series]]()
    for number, part in enumerate(parts):
        # In slices, so that what is filtered never takes as much memory as the whole again.
        for some in slices([part], traffic.SLICE):
            placed = some.drop_nulls("session").with_columns(_place=place)
            rows.append(placed.filter(~TRAFFIC).with_columns(_doubtful=_doubtful(doubtful or {})))
            seen.add(placed)
        over = pl.lit(last).gather(pl.col("_place")) == number
        told = pl.concat(rows)
        found += _concluded(told.filter(over), seen.taken(over))
        rows = [told.filter(~over)]
    return _joined(found).with_columns(client=_client()).select(pl.all().exclude("^_.*$"))


def _last_parts(parts: Sequence[pl.LazyFrame], place: pl.Expr) -> pl.Series:
    """For the place of each session the number of the last part that has a row of it."""
    told = [
        part.select("session")
        .drop_nulls()
        .unique(maintain_order=True)
        .collect(engine="in-memory")
        .select(_place=place, part=number)
        for number, part in enumerate(parts)
    ]
    return pl.concat(told).group_by("_place").agg(pl.col("part").max()).sort("_place")["part"]


def _concluded(rows: pl.DataFrame, seen: Traffic) -> Iterator[dict[str, pl.Series]]:
    """The columns of the sessions whose rows and traffic these are."""
    legs = traffic.legs(seen)
    told = pl.concat([rows, legs.drop("last", "last_c2s", "last_s2c", *COUNTS)], how="diagonal")
    # Some at a time: what a session's row is made of is much larger than the row.
    for some in _together(told, traffic.totals(legs), traffic.gaps(seen)):
        yield _conclude(_told(*some)).to_dict()


def _together(*frames: pl.DataFrame) -> Iterator[Sequence[pl.DataFrame]]:
    """All rows of some sessions, then of others: so many of the first as are looked at together."""
    if len(frames[0]) <= ROWS_TOGETHER:
        yield frames
        return
    counts = frames[0].group_by("_place").len().sort("_place")
    part = counts["len"].cum_sum() // ROWS_TOGETHER
    bounds = counts["_place"].filter(part != part.shift(1, fill_value=0))
    for first, behind in pairwise([0, *bounds, len(counts)]):
        if first < behind:
            here = pl.col("_place").is_between(first, behind, closed="left")
            yield [frame.filter(here) for frame in frames]


def _joined(parts: list[dict[str, pl.Series]]) -> pl.DataFrame:
    """The parts as one, by the first event. A column of one value only takes no memory then."""
    columns: dict[str, pl.Series | pl.Expr] = {}
    by = ("first", "_source", "_pos", "_place")
    rows = pl.concat([pl.DataFrame({name: part[name] for name in by}) for part in parts])
    order = rows.select(pl.arg_sort_by(*by, nulls_last=True, maintain_order=True)).to_series()
    for name in list(parts[0]):
        column = _ordered(pl.concat([part.pop(name) for part in parts]).rechunk(), order)
        alike = column.null_count() == len(column) or (
            column.dtype.is_integer() and not column.null_count() and column.min() == column.max()
        )
        columns[name] = pl.lit(column.first(), column.dtype) if alike and len(column) else column
    height = next(len(one) for one in columns.values() if isinstance(one, pl.Series))
    return pl.DataFrame(height=height).with_columns(**columns)


def _ordered(column: pl.Series, order: pl.Series) -> pl.Series:
    """The values in this order, in which most that follow one another follow one another already.

    To gather lists of pointers takes ten times their room: they are put together run by run.
    """
    starts = (order.cast(pl.Int64).diff() != 1).fill_null(value=True).arg_true()
    if len(starts) < 2:
        return column
    if not isinstance(column.dtype, pl.List) or len(starts) * FEW_RUNS > len(column):
        return column.gather(order)
    lengths = starts.extend_constant(len(column), 1).diff().drop_nulls()
    runs = zip(order.gather(starts), lengths, strict=True)
    return pl.concat([column.slice(at, length) for at, length in runs]).rechunk()


def _told(rows: pl.DataFrame, *beside: pl.DataFrame) -> pl.DataFrame:
    """What is told of each session, side by side."""
    # By session, and in order: what is sorted is grouped and looked up in no time.
    told = rows.sort("_place", *ORDER, nulls_last=True, maintain_order=True)
    each = who(told)
    places = each.select("_place")
    return pl.concat(
        [
            each,
            *(
                places.join(part, on="_place", how="left", maintain_order="left").drop("_place")
                for part in (*parts(told), *beside)
            ),
        ],
        how="horizontal",
    )


def _doubtful(codes: Mapping[str, Set[int]]) -> pl.Expr:
    """A code that a program made up; who says that he sent or received the frame has seen it."""
    made_up = (
        (pl.col("source") == source) & pl.col("code").is_in(sorted(said))
        for source, said in codes.items()
    )
    return pl.col("dir").is_null() & pl.any_horizontal(pl.lit(value=False), *made_up)


def _conclude(summary: pl.DataFrame) -> pl.DataFrame:
    """Who ended it, whether a Close frame came, and how long it had been silent."""
    moment = pl.coalesce("ended", "closed")
    age = pl.coalesce(
        (moment - pl.col("opened")).dt.total_microseconds() / 1e6, pl.col("_stated_age_ms") / 1000
    )
    silent = moment - pl.max_horizontal("_last_traffic", "opened")
    seen = pl.col("_traffic_seen")
    # On the wire an end without a Close frame has no code, whatever an API made of it.
    framed = ~pl.col("_network") | pl.col("_close_on_wire") | ~pl.col("gone")
    stated = (f"_{name}_ms" for name in ("network", "proxy", "server"))
    vantages = pl.concat_list(pl.when(f"_{name}").then(pl.lit(name)) for name in VANTAGES)
    # A client may say "connect" when it begins to: who answered the handshake knows better.
    quiet = pl.sum_horizontal(*COUNTS) == 0
    only_tried = (
        pl.col("was_open") & ~pl.col("_open_elsewhere") & pl.col("_failed_elsewhere") & quiet
    )
    coded = summary.with_columns(
        was_open=pl.col("was_open") & ~only_tried,
        attempted=pl.when(only_tried)
        .then(pl.coalesce("attempted", "opened"))
        .otherwise("attempted"),
        opened=pl.when(~only_tried).then("opened"),
    ).with_columns(
        *(pl.col(name).fill_null(0) for name in (*COUNTS, "legs")),
        code=pl.when(framed | (pl.col("code") != 1005)).then("code"),
        close_dir=pl.when(~pl.col("_crossed")).then("close_dir"),
        # As the client felt it: its own figure, the longest leg on the wire, a log's.
        handshake_ms=pl.coalesce("_client_ms", "_client_took_ms", *stated),
        sources=pl.coalesce("sources", pl.concat_list("_source")),
        vantages=vantages.list.drop_nulls(),
        last_seen=pl.max_horizontal("last_seen", "_last_traffic"),
        opening=pl.col("opening").fill_null([]),
        closing=pl.col("closing").fill_null([]),
        fragment=~pl.col("_named") & ~pl.col("_begins"),
        polling=~pl.col("_beyond_polls") & ~pl.col("rejected"),
        reported=pl.col("reported").fill_null([]),
    )
    return coded.with_columns(
        client=pl.lit(None, pl.String),  # all sessions have a say in it
        reason=pl.coalesce("_reason", "_any_reason"),
        closed_by=_closed_by(),
        live=~pl.col("gone") & pl.col("_over"),
        frameless=_frameless(),
        age_s=age,
        idle_s=pl.when(seen).then(silent.dt.total_microseconds() / 1e6),
        longest_gap_s=pl.when(seen).then(_longest_gap().dt.total_microseconds() / 1e6),
        **{
            f"longest_gap_{way}_s": pl.when(seen).then(
                _longest_gap(f"_{way}", f"last_{way}").dt.total_microseconds() / 1e6
            )
            for way in WAYS
        },
    ).select(
        pl.all().exclude("^_.*$"),
        *("_client_source", "_client_conn", "_source", "_pos", "_place"),
    )


def _client() -> pl.Expr:
    """Who it is across reconnects: the name that a client's log uses again, else the user, else an
    address from which there is never more than one connection at a time.

    One user may have several devices, so a name of the client's own goes first.
    """
    name = pl.format("{}:{}", "_client_source", "_client_conn")
    recurring = pl.when(name.is_not_null() & (pl.len().over(name) > 1)).then(name)
    return pl.coalesce(recurring, "user", name, "token", _lone_address())


def _lone_address() -> pl.Expr:
    """The client's address, where its connections follow one another.

    Behind a proxy, or in an office behind one address, several live at once. The only address there
    is may be a proxy's, and one of this machine is anybody's.
    """
    address = pl.col("peer").str.replace(r"^(\[.*\]|[^:]*):\d+$", "$1")
    begun = pl.when("was_open").then(pl.coalesce("opened", "first"))
    over = pl.when("was_open").then(pl.coalesce("ended", "closed", "last_seen"))
    somebody = ~address.str.contains(_LOOPBACK) & (address.drop_nulls().n_unique() > 1)
    # Rows are in the order of their first events.
    before = over.cum_max().shift(1)
    together = (begun < before.over(address)).any().over(address)
    again = pl.col("was_open").sum().over(address) > 1
    return pl.when(somebody & ~together & again).then(address)


def _longest_gap(way: str = "", last: str = "_last_traffic") -> pl.Expr:
    """The longest silence that it survived; one that still lives survives its last silence too."""
    lasting = pl.col("last_seen") - pl.max_horizontal(last, "opened")
    return pl.max_horizontal(f"_longest_gap{way}", pl.when(~pl.col("gone")).then(lasting))


def _frameless() -> pl.Expr:
    """No Close frame came: the wire shows an end without one, or an API or a log says so.

    A proxy's log line about an end says nothing about frames, except a reset and a peer that no
    longer acknowledged.
    """
    on_wire = pl.col("_network") & ~pl.col("_close_on_wire")
    by_proxy = pl.col("end_reason").is_in(["rst", "etimedout"]).fill_null(value=False)
    said = ~pl.col("_network") & (pl.col("_lost") | by_proxy)
    shaken = ~pl.col("rejected") & ~pl.col("refused")
    return (
        pl.col("gone")
        & shaken
        & pl.col("code").is_null()
        & (on_wire | pl.col("_local_1006") | said)
    )


def _closed_by() -> pl.Expr:
    """client, server or proxy: the sender of the first Close frame, else whose end came first.

    Where two Close frames crossed, which was sent first depends on where the capture stood.
    """
    side = {"c2s": "client", "s2c": "server"}
    # Whoever ends a proxied connection, both legs end the same way, unless it is the proxy.
    leg, way = pl.element().struct.field("conn"), pl.element().struct.field("dir")
    first_ways = pl.col("_wire_ends").list.eval(way.filter(leg.is_first_distinct()))
    from_the_middle = (first_ways.list.len() == 2) & (first_ways.list.n_unique() == 2)
    return (
        pl.when(~pl.col("gone"))
        .then(None)
        .when(pl.col("_close_from_the_middle").fill_null(value=False))
        .then(pl.lit("proxy"))
        .when(pl.col("_crossed"))
        .then(pl.lit("unknown"))
        .when(pl.col("close_dir").is_not_null())
        .then(pl.col("close_dir").replace_strict(side, default=None))
        .when(pl.col("proxy_timer") | (from_the_middle & ~pl.col("_close_on_wire")))
        .then(pl.lit("proxy"))
        .when(pl.col("_said_dir").is_not_null())
        .then(pl.col("_said_dir").replace_strict(side, default=None))
        .when(pl.col("code").is_in(SERVERS_CODES))
        .then(pl.lit("server"))
        .when(pl.col("end_dir").is_not_null())
        .then(pl.col("end_dir").replace_strict(side, default=None))
        .otherwise(pl.lit("unknown"))
    )
