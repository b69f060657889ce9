"""One identity for a connection that several sources saw, each under a name of its own.

Three steps. *Name*: a row without `conn` takes the best name it carries, and bare sentences are
paired in file order while that is unambiguous. *Split*: a name used again after the end (a client's
name, a reused port) becomes several connections. *Join*: connections of different sources become one
session by Sec-WebSocket-Key, request id, client address, a shared connection id, and last by what
matches in only one way. What matches in several ways is left apart, never guessed.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
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

LOCAL = frozenset({1005, 1006, 1015})
"""Codes that a local API makes up: they contradict nothing."""

NEVER = datetime.max.replace(tzinfo=UTC)

Node = tuple[str, str]
"""A source, and its name for one life of a connection."""


NAMELESS = ("@", "~", "bare ", "line ")
"""How names begin that no program wrote."""

ADJACENT_LINES, ADJACENT = 2, timedelta(milliseconds=100)
"""A library's sentence and the application's own about the same moment stand this close."""

SAME_LINES = 8
"""A server's line on an address and the application's own stand this close, whatever their times."""

CLEARER = 8
"""A match by time alone must be this many times closer than the next candidate."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One connection as one source knows it, with everything that could tie it to another's."""

    node: Node
    vantage: str | None
    conn: str
    key: str | None
    peer: str | None
    trace: str | None
    user: str | None
    token: str | None
    first: datetime | None
    last: datetime | None
    opened: datetime | None
    ended: datetime | None
    open_pos: int | None
    end_pos: int | None
    outcome: str | None
    code: int | None

    @property
    def source(self) -> str:
        """The input that saw it."""
        return self.node[0]

    @property
    def nameless(self) -> bool:
        """Whether the name was only given here or by the reader, not by whoever wrote the line."""
        return self.conn.startswith(NAMELESS) or self.conn in (self.key, self.peer, self.trace)


class Families:
    """Disjoint sets of sightings that are the same connection (union–find).

    A family holds one life only: two keys, or two named lives in one log, are two connections.
    Captures are the exception, because both legs of a proxied connection are in them.
    """

    def __init__(self, sightings: Iterable[Sighting]) -> None:
        self._parent = {sighting.node: sighting.node for sighting in sightings}
        self._keys = {s.node: {s.key} - {None} for s in sightings}
        self._lives = {
            s.node: {s.source} if s.vantage != "network" and not s.nameless else set()
            for s in sightings
        }

    def of(self, node: Node) -> Node:
        """The node that stands for the whole family."""
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def may_unite(self, one: Sighting, other: Sighting) -> bool:
        """Whether two families are not one yet, and would still hold one life as one."""
        mine, yours = self.of(one.node), self.of(other.node)
        return (
            mine != yours
            and len(self._keys[mine] | self._keys[yours]) <= 1
            and self._lives[mine].isdisjoint(self._lives[yours])
        )

    def unite(self, one: Sighting, other: Sighting) -> None:
        """Make two families one, if they may be."""
        if self.may_unite(one, other):
            mine, yours = self.of(one.node), self.of(other.node)
            self._parent[yours] = mine
            self._keys[mine] |= self._keys[yours]
            self._lives[mine] |= self._lives[yours]


def identify(events: pl.DataFrame) -> pl.DataFrame:
    """Fill `conn` where it is missing and `session` wherever a row belongs to a connection.

    Returns the same rows in the order ts, source, pos. Rows about the server as a whole keep a null
    session.
    """
    named = _name(events.sort(*ORDER, nulls_last=True, maintain_order=True))
    split = _split(named)
    sessions = _join(_sightings(split))
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


def _sightings(events: pl.DataFrame) -> list[Sighting]:
    kind, ts = pl.col("kind"), pl.col("ts")
    lifecycle = kind.is_in(LIFECYCLE)
    rows = (
        events.filter(pl.col("_node").is_not_null())
        .group_by("source", "_node", maintain_order=True)
        .agg(
            pl.col("vantage").cast(pl.String).first(),
            pl.col("conn").first(),
            *(pl.col(name).drop_nulls().first() for name in ("key", "peer", "user", "token")),
            pl.col("trace").filter(lifecycle).drop_nulls().first(),
            ts.min().alias("first"),
            ts.max().alias("last"),
            ts.filter(kind.is_in(BEGIN)).max().alias("opened"),
            ts.filter(kind.is_in(["close", "end"])).min().alias("ended"),
            pl.col("pos").filter(kind.is_in(["open", "rejected"])).min().alias("open_pos"),
            pl.col("pos").filter(kind.is_in(["close", "end"])).min().alias("end_pos"),
            kind.filter(kind.is_in(["open", "rejected", "refused"]))
            .cast(pl.String)
            .first()
            .alias("outcome"),
            pl.col("code").filter(kind == "close").drop_nulls().first(),
        )
    )
    return [
        Sighting(node=(row.pop("source"), row.pop("_node")), **row)
        for row in rows.iter_rows(named=True)
    ]


def _join(sightings: list[Sighting]) -> dict[Node, str]:
    """The session of every sighting."""
    families = Families(sightings)
    for one, other in (*_same_log(sightings), *_neighbours(sightings)):
        families.unite(one, other)
    # A key or a request id belongs to one handshake, so equality is enough.
    for group in _groups(sightings, "key"):
        for other in group[1:]:
            families.unite(group[0], other)
    for group in _groups(sightings, "trace"):
        for other in group[1:]:
            if _overlap(group[0], other):
                families.unite(group[0], other)
    # An address, an id or a user returns: the lives must overlap, and in one way only.
    for column in ("peer", "conn", "user", "token"):
        for group in _groups(sightings, column):
            if column != "conn" or _telling(group):
                together = column in ("user", "token")
                for one, other in _only_pairs(group, families, together=together):
                    families.unite(one, other)
    for one, other in (*_clear_pairs(sightings, families), *_clear_endings(sightings, families)):
        families.unite(one, other)
    members: dict[Node, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        members[families.of(sighting.node)].append(sighting)
    names = {family: _session(of) for family, of in members.items()}
    return {sighting.node: names[families.of(sighting.node)] for sighting in sightings}


def _session(sightings: list[Sighting]) -> str:
    """A name that is the same on any day: from the key, else from the first sighting's own name."""
    keys = sorted(sighting.key for sighting in sightings if sighting.key)
    first = min((sighting.first or NEVER, sighting.node) for sighting in sightings)
    digest = hashlib.sha256((keys[0] if keys else repr(first)).encode()).hexdigest()
    return f"s-{digest[:10]}"


def _groups(sightings: list[Sighting], column: str) -> Iterator[list[Sighting]]:
    groups: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        if (value := getattr(sighting, column)) is not None:
            groups[value].append(sighting)
    yield from (group for group in groups.values() if len(group) > 1)


def _telling(group: list[Sighting]) -> bool:
    """Whether one id in several sources is one connection: `12` need not be, and `*37` is only
    between the access and the error log of one nginx."""
    conn = group[0].conn
    if conn.startswith("*"):
        return all(sighting.vantage == "proxy" for sighting in group)
    return len(conn) >= 4 and not conn.startswith(NAMELESS)


def _only_pairs(
    group: list[Sighting], families: Families, *, together: bool
) -> Iterator[tuple[Sighting, Sighting]]:
    """Pairs across sources in which each is the other's only candidate from that source.

    `together` asks that both began at the same moment.
    """
    order = sorted(group, key=lambda sighting: sighting.opened or sighting.first or NEVER)
    candidates: dict[Node, list[Sighting]] = defaultdict(list)
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            if together and not _near(one.opened, other.opened):
                if one.opened and other.opened:
                    break  # in order of time: no later one is nearer
                continue
            if one.source != other.source and _possible(one, other, families):
                candidates[one.node].append(other)
                candidates[other.node].append(one)
    for one in order:
        for other in candidates[one.node]:
            theirs = {families.of(c.node) for c in candidates[one.node] if c.source == other.source}
            ours = {families.of(c.node) for c in candidates[other.node] if c.source == one.source}
            if len(theirs) == len(ours) == 1 and one.node < other.node:
                yield one, other


def _same_log(sightings: list[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    """In one log, a server's line that names the address and the application's that names an id."""
    for group in _groups(sightings, "peer"):
        for named in group:
            beside = [
                other
                for other in group
                if other.source == named.source
                and other.nameless
                and not named.nameless
                and abs((named.open_pos or 0) - (other.open_pos or 0)) <= SAME_LINES
            ]
            if len(beside) == 1:
                yield named, beside[0]


def _neighbours(sightings: list[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    """In one log, a library's nameless sentence and the application's own about the same moment.

    The nearest line wins; where none is beside it, the only one at that moment.
    """
    for begins in (True, False):
        named: dict[str, list[Sighting]] = defaultdict(list)
        for sighting in sightings:
            if _moment(sighting, begins=begins) and not sighting.nameless:
                named[sighting.source].append(sighting)
        taken: set[Node] = set()
        for sighting in sightings:
            moment = _moment(sighting, begins=begins)
            if not moment or not sighting.nameless or (not begins and sighting.open_pos):
                continue
            beside = []
            for other in named[sighting.source]:
                theirs = _moment(other, begins=begins)
                if (
                    theirs
                    and other.node not in taken
                    and _apart(moment[1], theirs[1]) <= ADJACENT
                    and not _contradict(sighting, other)
                ):
                    beside.append((abs(moment[0] - theirs[0]), other))
            beside.sort(key=lambda pair: pair[0])
            if beside and (beside[0][0] <= ADJACENT_LINES or len(beside) == 1):
                taken.add(beside[0][1].node)
                yield beside[0][1], sighting


def _moment(sighting: Sighting, *, begins: bool) -> tuple[int, datetime | None] | None:
    """The line and time of a sighting's beginning or end."""
    pos = sighting.open_pos if begins else sighting.end_pos
    return None if pos is None else (pos, sighting.opened if begins else sighting.ended)


def _clear_pairs(
    sightings: list[Sighting], families: Families
) -> Iterator[tuple[Sighting, Sighting]]:
    """Pairs across sources that began, and ended, so nearly together that no other comes close."""
    by_source: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        if sighting.opened and sighting.outcome:
            by_source[sighting.source].append(sighting)
    names = sorted(by_source)
    for place, left in enumerate(names):
        for right in names[place + 1 :]:
            lefts = sorted(by_source[left], key=_opened)
            rights = sorted(by_source[right], key=_opened)
            best = {one.node: _nearest(one, rights, families) for one in lefts}
            back = {one.node: _nearest(one, lefts, families) for one in rights}
            for one in lefts:
                other = best[one.node]
                mutual = other and back[other.node]
                if other and mutual and families.of(mutual.node) == families.of(one.node):
                    yield one, other


def _clear_endings(
    sightings: list[Sighting], families: Families
) -> Iterator[tuple[Sighting, Sighting]]:
    """What only logs ends, as nginx's error log does, and the only connection that ended then."""
    ended = [sighting for sighting in sightings if sighting.ended and sighting.opened]
    for one in sightings:
        if one.ended and not one.opened and one.vantage == "proxy":
            there = [
                other
                for other in ended
                if other.source != one.source
                and _apart(one.ended, other.ended) <= SAME_OPEN
                and _possible(one, other, families)
            ]
            if len({families.of(other.node) for other in there}) == 1:
                yield there[0], one


def _nearest(one: Sighting, order: list[Sighting], families: Families) -> Sighting | None:
    """The sighting that is clearly the nearest to `one` in time; None where two come close."""
    start = bisect_left(order, _opened(one) - SAME_MOMENT, key=_opened)
    scored = []
    for other in order[start:]:
        if _opened(other) - _opened(one) > SAME_MOMENT:
            break
        if one.outcome == other.outcome and _possible(one, other, families):
            ends = _apart(one.ended, other.ended)
            if ends <= SAME_MOMENT:
                scored.append((_apart(one.opened, other.opened) + ends, other))
    scored.sort(key=lambda pair: pair[0])
    if not scored:
        return None
    closest, found = scored[0]
    rivals = [
        apart for apart, other in scored if families.of(other.node) != families.of(found.node)
    ]
    clear = not rivals or rivals[0] > max(closest * CLEARER, ADJACENT / CLEARER)
    return found if clear else None


def _opened(sighting: Sighting) -> datetime:
    return sighting.opened or NEVER


def _possible(one: Sighting, other: Sighting, families: Families) -> bool:
    return _overlap(one, other) and not _contradict(one, other) and families.may_unite(one, other)


def _overlap(one: Sighting, other: Sighting) -> bool:
    """Whether two lives share a moment; a source without times cannot contradict."""
    if one.first is None or one.last is None or other.first is None or other.last is None:
        return True
    return one.first - SAME_MOMENT <= other.last and other.first - SAME_MOMENT <= one.last


def _near(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= SAME_MOMENT


def _contradict(one: Sighting, other: Sighting) -> bool:
    """Whether both know something, and not the same."""
    told = (one.code, other.code)
    pairs = (
        (one.key, other.key),
        (one.user, other.user),
        (one.token, other.token),
        told if not LOCAL.intersection(told) else (None, None),
    )
    return any(mine and yours and mine != yours for mine, yours in pairs)
