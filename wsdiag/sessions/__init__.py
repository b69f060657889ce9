"""One identity for a connection that several sources saw, each under a name of its own.

Three steps. *Name*: a row without `conn` takes the best name it carries, and bare sentences are
paired in file order while that is unambiguous. *Split*: a name used again after the end (a
client's name, a reused port) becomes several connections. *Join*: connections of different sources
become one session by Sec-WebSocket-Key (where it is the nonce that it should be), request id,
client address, a shared connection id, and last by what matches in only one way. What matches in
several ways is left apart, never guessed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from wsdiag.event import ordered
from wsdiag.sessions.joins import join
from wsdiag.sessions.lives import split
from wsdiag.sessions.names import name
from wsdiag.sessions.routine import SLICE, telling
from wsdiag.sessions.sightings import NEVER, Node, Sighting, nodes, sightings
from wsdiag.sessions.ties import tied

DIGITS = 10
"""Hexadecimal digits in a session's name, where that is enough to tell all apart."""


def identify(events: pl.DataFrame) -> pl.DataFrame:
    """Fill `conn` where it is missing and `session` wherever a row belongs to a connection.

    Returns the same rows in the order ts, source, pos. Rows about the server as a whole keep a null
    session.
    """
    return pl.concat(identified([ordered(events).lazy()]))


def identified(parts: Sequence[pl.LazyFrame]) -> Iterator[pl.DataFrame]:
    """The same for events in parts, which follow one another in that order."""
    lives = split(name(telling(parts)))
    seen, lives = nodes(parts, lives), lives.select("_at", "conn")
    names = _names(seen, _leaders(seen)).extend_constant(None, 1)
    # A list of rows for each node, turned round: for each row its node; behind the last one, none.
    size = sum(part.select(pl.len()).collect(engine="in-memory").item() for part in parts)
    node = np.full(size, len(seen), np.uint32)
    counts = seen["_rows"].list.len().to_numpy()
    node[seen["_rows"].explode().to_numpy()] = np.repeat(np.arange(len(seen)), counts)
    before = 0
    for part in parts:
        rows = part.collect(engine="in-memory")
        behind = before + len(rows)
        here = lives.filter(pl.col("_at").is_between(before, behind, closed="left"))
        places = here["_at"] - before
        if not rows["conn"].gather(places).equals(here["conn"], null_equal=True):
            rows = rows.with_columns(conn=rows["conn"].scatter(places, here["conn"]))
        yield rows.with_columns(session=names.gather(node[before:behind]))
        before = behind


def _leaders(seen: pl.DataFrame) -> pl.Series:
    """For each node the row of the one that names its session: the one with the first key, else
    the first that was seen."""
    among = tied(seen)
    candidates = sightings(seen[among])
    families = join(candidates)
    members: dict[Node, list[tuple[int, Sighting]]] = defaultdict(list)
    for row, sighting in zip(among, candidates, strict=True):
        members[families.of(sighting.node)].append((row, sighting))
    leaders: dict[int, int] = {}
    for family in members.values():
        keyed = [(one.key, row) for row, one in family if one.key]
        first = min((one.first or NEVER, one.node, row) for row, one in family)
        leader = min(keyed)[-1] if keyed else first[-1]
        leaders |= dict.fromkeys((row for row, _ in family), leader)
    return pl.int_range(len(seen), eager=True).scatter(list(leaders), list(leaders.values()))


def _names(seen: pl.DataFrame, leaders: pl.Series) -> pl.Series:
    """The name of each node's session: the same on any day, and no two alike."""
    first = pl.col("first").dt.epoch("us").fill_null(0)
    leading = leaders.unique()
    nonce = pl.when(pl.col("key").is_unique()).then("key")
    told = seen.select("key", "first", "source", "_node")[leading].select(
        pl.coalesce(nonce, pl.format("{} {} {}", first, "source", "_node")).alias("told")
    )
    # In slices: as objects of Python texts take many times their room.
    parts = [_digests(part) for part in told["told"].to_frame().iter_slices(SLICE)]
    named = told.with_columns(name=pl.concat([pl.Series(dtype=pl.String), *parts]))
    if not named["name"].is_unique().all():
        clash = named.unique("told").filter(pl.col("name").is_duplicated())["name"]
        longer = pl.col("told").map_elements(_digest, return_dtype=pl.String)
        named = named.with_columns(
            pl.when(pl.col("name").is_in(clash.implode())).then(longer).otherwise("name")
        )
    return named.select(session="s-" + pl.col("name"))["session"].gather(
        leading.search_sorted(leaders)
    )


def _digests(told: pl.DataFrame) -> pl.Series:
    sha256 = hashlib.sha256  # this is done for each connection
    texts = told.to_series().to_list()
    digests = [sha256(text.encode()).hexdigest()[:DIGITS] for text in texts]
    return pl.Series(digests, dtype=pl.String)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
