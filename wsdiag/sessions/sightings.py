"""What each source knows of a connection, and families of sightings that are one connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import NamedTuple

import msgspec
import polars as pl

from wsdiag.connections.codes import LOCAL_CODES
from wsdiag.connections.left_apart import SAME_MOMENT
from wsdiag.event import BEGIN, NAMELESS
from wsdiag.sessions.lifecycle import LIFECYCLE, apart
from wsdiag.sessions.routine import SLICE, routine_nodes

ALIVE = ("open", "message", "ping", "pong")
"""Kinds that only a living connection shows."""

TELLING = ("key", "peer", "user", "token", "trace", "code", "path", "status")
"""Columns of which the first value of a connection is its own, where its rows have any."""

BEFORE, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

ADJACENT = timedelta(milliseconds=100)
"""What is told twice of one moment stands this close."""

Node = tuple[str, str]
"""A source, and its name for one life of a connection."""


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
    path: str | None
    status: int | None
    first: datetime | None
    last: datetime | None
    opened: datetime | None
    ended: datetime | None
    alive: datetime | None
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

    @property
    def names_a_life(self) -> bool:
        """Whether its source tells its life apart from all others there; a capture may see one on
        both legs of a proxy."""
        return self.vantage != "network" and not self.nameless


class Acquaintance(NamedTuple):
    """Of logs that tell of openings, by vantage, those that tell of the same connections: their
    `pairs`, both ways round. Two of one vantage that are no pair are strangers."""

    vantages: Mapping[str, str]
    pairs: Collection[tuple[str, str]]

    def are_strangers(self, one: str, other: str) -> bool:
        """Whether these sources tell of other connections, though some may coincide."""
        where = self.vantages.get(one)
        return (
            where is not None
            and one != other
            and where == self.vantages.get(other)
            and (one, other) not in self.pairs
        )


NOBODY_ASKED = Acquaintance({}, ())


class Family(msgspec.Struct):
    """What is known of sightings that are one connection: their keys, the sources that name a life
    of their own among them, the captures with the client's address in each, of each source that is
    no capture one sighting, when it was last seen alive and first seen to end."""

    keys: set[str]
    lives: set[str]
    legs: set[tuple[str, str]]
    logs: dict[str, Sighting]
    alive: datetime | None
    ended: datetime | None


class Families:
    """Disjoint sets of sightings that are the same connection (union–find).

    A family holds one life only: two keys, or two named lives in one log, are two connections.
    In a capture both legs of a proxied connection may be seen, whose clients have two addresses:
    two of one address are two connections, as HTTP/2 carries them, which knows no keys.
    """

    def __init__(
        self, sightings: Iterable[Sighting], acquaintance: Acquaintance = NOBODY_ASKED
    ) -> None:
        self.acquaintance = acquaintance
        self._parent: dict[Node, Node] = {}
        self._families: dict[Node, Family] = {}
        for one in sightings:
            self._parent[one.node] = one.node
            keys, lives = (
                {one.key} if one.key else set(),
                {one.source} if one.names_a_life else set(),
            )
            is_wire = one.vantage == "network"
            legs = {(one.source, one.peer)} if is_wire and one.peer and not one.key else set()
            logs = {} if is_wire else {one.source: one}
            self._families[one.node] = Family(keys, lives, legs, logs, one.alive, one.ended)

    def of(self, node: Node) -> Node:
        """The node that stands for the whole family."""
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def family(self, sighting: Sighting) -> Family:
        """The family that a sighting belongs to by now."""
        return self._families[self.of(sighting.node)]

    def are_one(self, sightings: Iterable[Sighting]) -> bool:
        """Whether all belong to one family by now."""
        some = iter(sightings)
        first = next(some, None)
        return first is None or all(self.family(one) is self.family(first) for one in some)

    def may_unite(self, one: Sighting, other: Sighting) -> bool:
        """Whether two families are not one yet, and would still hold one life as one."""
        mine, yours = self.family(one), self.family(other)
        return (
            mine is not yours
            and len(mine.keys | yours.keys) <= 1
            and mine.lives.isdisjoint(yours.lives)
            and mine.legs.isdisjoint(yours.legs)
        )

    def may_coincide(self, one: Sighting, other: Sighting) -> bool:
        """Whether nothing speaks against it that two families are one because of their moments: no
        two of their sources are strangers, and no log tells of both as of two."""
        mine, yours = self.family(one).logs, self.family(other).logs
        return not any(
            self.acquaintance.are_strangers(here, there) for here, there in product(mine, yours)
        ) and not any(
            other_end(mine[log], yours[log])
            or apart(mine[log].opened, yours[log].opened) > ADJACENT
            for log in mine.keys() & yours.keys()
        )

    def unite(self, one: Sighting, other: Sighting) -> None:
        """Make two families one, if they may be."""
        if self.may_unite(one, other):
            kept, given = self.of(one.node), self.of(other.node)
            mine, yours = self._families[kept], self._families.pop(given)
            self._parent[given] = kept
            mine.keys |= yours.keys
            mine.lives |= yours.lives
            mine.legs |= yours.legs
            mine.logs = yours.logs | mine.logs
            mine.alive = _pick(max, mine.alive, yours.alive)
            mine.ended = _pick(min, mine.ended, yours.ended)


def _pick(
    choose: Callable[[datetime, datetime], datetime], one: datetime | None, other: datetime | None
) -> datetime | None:
    return choose(one, other) if one and other else one or other


def nodes(parts: Sequence[pl.LazyFrame], lives: pl.DataFrame) -> pl.DataFrame:
    """Every connection of every source, one row each: the fields of `Sighting`, but source and
    `_node` in place of `node`; and `_rows`, the numbers of its rows in all `parts`.

    `lives`: those that tell more than a name, with `_node` and their number as `_at`.
    """
    told = [name for name in TELLING if lives[name].null_count() < len(lives)]
    slices = [_nodes(part, told) for part in lives.iter_slices(SLICE)] or [_nodes(lives, told)]
    found = pl.concat(slices)
    if routine := [part for part in routine_nodes(parts, lives) if len(part)]:
        found = pl.concat([found, *routine], how="diagonal")
        found = found.sort(pl.col("_rows").list.first(), maintain_order=True)
    if found["_node"].n_unique() < len(found):
        found = found.group_by("source", "_node", maintain_order=True).agg(
            pl.col("vantage", "conn").first(),
            pl.col("first").min(),
            pl.col("last", "opened").max(),
            pl.col("ended").min(),
            pl.col("alive").max(),
            pl.col("open_pos", "end_pos").min(),
            pl.col("outcome", *told).drop_nulls().first(),
            pl.col("_rows").explode(),
        )
    untold = (name for name in TELLING if name not in told)
    return found.with_columns(pl.lit(None, lives.schema[name]).alias(name) for name in untold)


def _nodes(rows: pl.DataFrame, told: Collection[str]) -> pl.DataFrame:
    kind, ts = pl.col("kind"), pl.col("ts")
    lifecycle = kind.is_in(LIFECYCLE)
    stops = (pl.col("reason") == "evidence-stops").fill_null(False)
    ending = kind.is_in(["close", "end"]) & ~stops
    of = {"trace": lifecycle, "code": kind == "close"}
    if rows["_node"].null_count():  # to filter is to copy
        rows = rows.filter(pl.col("_node").is_not_null())
    return rows.group_by("source", "_node", maintain_order=True).agg(
        pl.col("vantage").first(),
        pl.col("conn").first(),
        *(
            (pl.col(name).filter(of[name]) if name in of else pl.col(name)).drop_nulls().first()
            for name in told
        ),
        ts.min().alias("first"),
        ts.max().alias("last"),
        ts.filter(kind.is_in(BEGIN)).max().alias("opened"),
        ts.filter(ending).min().alias("ended"),
        ts.filter(kind.is_in(ALIVE) | stops).max().alias("alive"),
        pl.col("pos").filter(kind.is_in(["open", "rejected"])).min().alias("open_pos"),
        pl.col("pos").filter(ending).min().alias("end_pos"),
        kind.filter(kind.is_in(["open", "rejected", "refused"])).first().alias("outcome"),
        pl.col("_at").alias("_rows"),
    )


def sightings(nodes: pl.DataFrame) -> list[Sighting]:
    """The nodes as sightings."""
    return [
        Sighting(node=(row.pop("source"), row.pop("_node")), **row)
        for row in nodes.drop("_rows").iter_rows(named=True)
    ]


def groups(seen: list[Sighting], column: str) -> Iterator[list[Sighting]]:
    """Sightings that share a value of `column`, where more than one does."""
    found: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in seen:
        if (value := getattr(sighting, column)) is not None:
            found[value].append(sighting)
    yield from (group for group in found.values() if len(group) > 1)


def possible(one: Sighting, other: Sighting, families: Families) -> bool:
    """Whether two sightings can be one connection: they overlap and contradict in nothing."""
    return overlap(one, other) and not contradict(one, other) and families.may_unite(one, other)


def overlap(one: Sighting, other: Sighting) -> bool:
    """Whether two lives share a moment; a source without times cannot contradict."""
    if one.first is None or one.last is None or other.first is None or other.last is None:
        return True
    return one.first - SAME_MOMENT <= other.last and other.first - SAME_MOMENT <= one.last


def near(one: datetime | None, other: datetime | None) -> bool:
    """Whether two moments are known and as good as the same."""
    return one is not None and other is not None and abs(one - other) <= SAME_MOMENT


def contradict(one: Sighting, other: Sighting) -> bool:
    """Whether both know something, and not the same."""
    told = (one.code, other.code)
    pairs = (
        (one.key, other.key),
        (one.user, other.user),
        (one.token, other.token),
        told if LOCAL_CODES.isdisjoint(told) else (None, None),
    )
    return any(mine and yours and mine != yours for mine, yours in pairs)


def other_end(one: Sighting, other: Sighting) -> bool:
    """Whether one log says of two lives that they came from elsewhere or fared differently."""
    pairs = ((one.peer, other.peer), (one.outcome, other.outcome))
    return any(mine and yours and mine != yours for mine, yours in pairs)


def opened(sighting: Sighting) -> datetime:
    """When it opened; never, as far as is known."""
    return sighting.opened or NEVER
