"""One identity for a connection that several sources saw, each under a name of its own.

Three steps. *Name*: a row without `conn` takes the best name it carries, and bare sentences are
paired in file order while that is unambiguous. *Split*: a name used again after the end (a client's
name, a reused port) becomes several connections. *Join*: connections of different sources become one
session by Sec-WebSocket-Key, request id, client address, a shared connection id, and last by what
matches in only one way. What matches in several ways is left apart, never guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import polars as pl

from wsdiag.event import ORDER

BEGIN = ("attempt", "open", "rejected", "refused")
LIFECYCLE = (*BEGIN, "close", "end")
PERSONAL = (*LIFECYCLE, "heartbeat_timeout", "timeout", "auth", "token", "ping", "pong", "message")
"""Kinds that belong to one connection even when the line does not name it."""

SAME_TRY = timedelta(milliseconds=50)
"""Two sentences of one attempt stand this close together."""

SAME_OPEN = timedelta(seconds=1)
"""Two sentences of one acceptance stand this close together."""

SAME_MOMENT = timedelta(seconds=2)
"""How far two sources may differ on one moment when nothing else ties them: a second of log
resolution on either side."""

Node = tuple[str, str]


def identify(events: pl.DataFrame) -> pl.DataFrame:
    """Fill `conn` where it is missing and `session` wherever a row belongs to a connection.

    Returns the same rows in the order ts, source, pos. Rows about the server as a whole keep a null
    session.
    """
    named = _name(events.sort(*ORDER, nulls_last=True, maintain_order=True))
    split = _split(named)
    nodes = _nodes(split)
    sessions = _join(nodes)
    names = pl.DataFrame(
        {
            "source": [node[0] for node in sessions],
            "_node": [node[1] for node in sessions],
            "_session": list(sessions.values()),
        },
        schema={"source": pl.String, "_node": pl.String, "_session": pl.String},
    )
    return (
        split.join(names, on=["source", "_node"], how="left", maintain_order="left")
        .with_columns(session=pl.col("_session"))
        .select(events.columns)
    )


def _name(events: pl.DataFrame) -> pl.DataFrame:
    handshake = pl.col("kind").is_in(LIFECYCLE)
    named = events.with_columns(
        conn=pl.coalesce("conn", "key", "peer", pl.when(handshake).then(pl.col("trace")), "conn")
    )
    # Rows of one line are about one connection: an access line gives its start and its end.
    together = (
        pl.col("conn").is_null()
        & handshake
        & (pl.len().over("source", "pos", "kind") < pl.len().over("source", "pos"))
    )
    named = named.with_columns(
        conn=pl.when(together).then(pl.format("line {}", "pos")).otherwise(pl.col("conn"))
    )
    bare = named.with_row_index("_row").filter(
        pl.col("conn").is_null() & pl.col("kind").is_in(PERSONAL)
    )
    if bare.is_empty():
        return named
    paired: dict[int, str] = {}
    for rows in bare.sort("source", "pos", "_row").partition_by("source"):
        paired.update(_pair(rows.select("_row", "pos", "ts", "kind", "code").iter_rows()))
    names = pl.DataFrame(
        {"_row": list(paired), "_paired": list(paired.values())},
        schema={"_row": pl.get_index_type(), "_paired": pl.String},
    )
    return (
        named.with_row_index("_row")
        .join(names, on="_row", how="left", maintain_order="left")
        .with_columns(conn=pl.coalesce("conn", "_paired"))
        .drop("_row", "_paired")
    )


def _pair(
    rows: Iterable[tuple[int, int, datetime | None, str, int | None]],
) -> Iterator[tuple[int, str]]:
    """Pair one source's bare sentences: an end belongs to the only connection that is open.

    While several are open nobody can tell whose end it is: it stays a fragment of its own, named
    with a leading `~`.
    """
    live: list[str] = []
    pending = last = ""
    last_pos, last_ts, last_code = -10, None, None
    for row, pos, ts, kind, code in rows:
        near = pos - last_pos <= 4 and _apart(ts, last_ts) <= SAME_OPEN
        if kind in ("attempt", "open"):
            if not (kind == "open" and pending):
                live.append(f"bare {pos}")
            name = live[-1]
            pending = name if kind == "attempt" else ""
        elif kind in ("rejected", "refused"):
            name = pending or f"bare {pos}"
            live = [open_ for open_ in live if open_ != name]
            pending = ""
        elif near and last and (code is None or last_code is None or code == last_code):
            name = last  # a second sentence about the same ending
        elif len(live) == 1:
            name = live[0]
        elif live:
            name = f"~{pos}"
        else:
            name = f"bare {pos}"
        if kind in ("close", "end", "heartbeat_timeout", "timeout"):
            live = [open_ for open_ in live if open_ != name]
            last, last_pos, last_ts, last_code = name, pos, ts, code or last_code
        elif kind in BEGIN:
            last, last_code = "", None
        yield row, name


def _apart(one: datetime | None, other: datetime | None) -> timedelta:
    return abs(one - other) if one and other else timedelta()


def _split(events: pl.DataFrame) -> pl.DataFrame:
    """Number the lives of each (source, conn): `_node` is `conn`, or `conn #2` from the second on."""
    kind, gap = pl.col("kind"), pl.col("ts") - pl.col("_before")
    over = ("source", "conn")
    lives = (
        events.with_row_index("_row")
        .filter(pl.col("conn").is_not_null() & kind.is_in(LIFECYCLE))
        .with_columns(
            _last=kind.shift(1).over(over),
            _before=pl.col("ts").shift(1).over(over),
            _same_line=(pl.col("pos") == pl.col("pos").shift(1).over(over)).fill_null(False),
        )
        .with_columns(
            _new=pl.when(pl.col("_last").is_null() | pl.col("_same_line"))
            .then(False)
            .when(kind == "attempt")
            .then(~((pl.col("_last") == "attempt") & (gap < SAME_TRY)).fill_null(False))
            .when(kind == "open")
            .then(
                (pl.col("_last") != "attempt")
                & ~((pl.col("_last") == "open") & (gap < SAME_OPEN)).fill_null(False)
            )
            .when(kind.is_in(["rejected", "refused"]))
            .then(pl.col("_last").is_in(["close", "end", "rejected", "refused"]) & (gap > SAME_TRY))
            .otherwise(False)
        )
        .select("_row", "_new")
    )
    return (
        events.with_row_index("_row")
        .join(lives, on="_row", how="left", maintain_order="left")
        .with_columns(_life=pl.col("_new").fill_null(False).cum_sum().over(over) + 1)
        .with_columns(
            _node=pl.when(pl.col("_life") == 1)
            .then(pl.col("conn"))
            .otherwise(pl.format("{} #{}", "conn", "_life"))
        )
        .drop("_row", "_new", "_life")
    )


def _nodes(events: pl.DataFrame) -> pl.DataFrame:
    """One row per connection of one source, with everything that could tie it to another's."""
    handshake = pl.col("kind").is_in(LIFECYCLE)
    alive = pl.col("ts").filter(pl.col("kind").is_in(["close", "end"]))
    return (
        events.filter(pl.col("_node").is_not_null())
        .group_by("source", "_node", maintain_order=True)
        .agg(
            pl.col("vantage").cast(pl.String).first(),
            pl.col("conn").first(),
            pl.col("key").drop_nulls().first(),
            pl.col("peer").drop_nulls().first(),
            pl.col("trace").filter(handshake).drop_nulls().first(),
            pl.col("user").drop_nulls().first(),
            pl.col("token").drop_nulls().first(),
            pl.col("ts").min().alias("first"),
            pl.col("ts").max().alias("last"),
            pl.col("ts").filter(pl.col("kind").is_in(BEGIN)).max().alias("opened"),
            alive.min().alias("ended"),
        )
    )


def _join(nodes: pl.DataFrame) -> dict[Node, str]:
    rows = nodes.to_dicts()
    parent: dict[Node, Node] = {
        (row["source"], row["_node"]): (row["source"], row["_node"]) for row in rows
    }

    def root(node: Node) -> Node:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def unite(one: dict[str, object], other: dict[str, object]) -> None:
        parent[root(_id(other))] = root(_id(one))

    # A key or a request id is unique to one handshake, so equality is enough.
    for column in ("key", "trace"):
        for group in _groups(rows, column):
            for other in group[1:]:
                if column == "key" or _overlap(group[0], other):
                    unite(group[0], other)
    # An address or a connection id returns: the lives must overlap, and in one way only.
    for column in ("peer", "conn", "user", "token"):
        for group in _groups(rows, column):
            if column == "conn" and not _telling(str(group[0]["conn"])):
                continue
            for one, other in _unambiguous(group, root, begin_together=column in ("user", "token")):
                unite(one, other)
    for one, other in _unambiguous(
        [row for row in rows if row["opened"] and row["ended"]],
        root,
        begin_together=True,
        both=True,
    ):
        unite(one, other)
    order: dict[Node, datetime] = {}
    late = datetime.max
    for row in rows:
        top, first = root(_id(row)), row["first"]
        moment = first.replace(tzinfo=None) if first else late
        order[top] = min(order.get(top, late), moment)
    number = {top: f"s{i}" for i, top in enumerate(sorted(order, key=lambda t: (order[t], t)), 1)}
    return {node: number[root(node)] for node in parent}


def _id(row: dict[str, object]) -> Node:
    return str(row["source"]), str(row["_node"])


def _groups(rows: list[dict[str, object]], column: str) -> Iterator[list[dict[str, object]]]:
    groups: dict[object, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        if row[column] is not None:
            groups[row[column]].append(row)
    yield from (group for group in groups.values() if len(group) > 1)


def _telling(conn: str) -> bool:
    """Whether a connection id could be the same one in two sources: `*37` and `12` could not."""
    return len(conn) >= 4 and not conn.startswith(("*", "~", "bare ", "line "))


def _overlap(one: dict[str, object], other: dict[str, object]) -> bool:
    begin, end = one["first"], one["last"]
    start, stop = other["first"], other["last"]
    if not (
        isinstance(begin, datetime)
        and isinstance(end, datetime)
        and isinstance(start, datetime)
        and isinstance(stop, datetime)
    ):
        return True  # a source without times cannot contradict
    return begin - SAME_MOMENT <= stop and start - SAME_MOMENT <= end


def _unambiguous(
    group: list[dict[str, object]],
    root: object,
    *,
    begin_together: bool,
    both: bool = False,
) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """Pairs across sources where each is the other's only candidate.

    `begin_together` asks that they began at the same moment, `both` that they ended so as well.
    """
    top = root  # type: ignore[assignment]
    candidates: dict[int, list[int]] = defaultdict(list)
    order = sorted(range(len(group)), key=lambda i: str(group[i]["opened"] or group[i]["first"]))
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            one, other = group[i], group[j]
            if begin_together and not _near(one["opened"], other["opened"]):
                if _after(one["opened"], other["opened"]):
                    break
                continue
            if one["source"] == other["source"] or not _overlap(one, other):
                continue
            if both and (not _near(one["ended"], other["ended"]) or _differ(one, other)):
                continue
            if top(_id(one)) == top(_id(other)):  # type: ignore[operator]
                continue
            candidates[i].append(j)
            candidates[j].append(i)
    for i, partners in candidates.items():
        by_source: dict[object, list[int]] = defaultdict(list)
        for j in partners:
            by_source[group[j]["source"]].append(j)
        for found in by_source.values():
            j = found[0]
            back = [k for k in candidates[j] if group[k]["source"] == group[i]["source"]]
            if len(found) == 1 and back == [i] and i < j:
                yield group[i], group[j]


def _near(one: object, other: object) -> bool:
    if not isinstance(one, datetime) or not isinstance(other, datetime):
        return False
    return abs(one - other) <= SAME_MOMENT


def _after(one: object, other: object) -> bool:
    if not isinstance(one, datetime) or not isinstance(other, datetime):
        return False
    return other - one > SAME_MOMENT


def _differ(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether two connections contradict each other in something both know."""
    return any(
        one[column] is not None and other[column] is not None and one[column] != other[column]
        for column in ("key", "user", "token")
    )
