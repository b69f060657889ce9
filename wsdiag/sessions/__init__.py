"""One identity for a connection that several sources saw, each under a name of its own.

Three steps. *Name*: a row without `conn` takes the best name it carries, and bare sentences are
paired in file order while that is unambiguous. *Split*: a name used again after the end (a
client's name, a reused port) becomes several connections. *Join*: connections of different sources
become one session by Sec-WebSocket-Key, request id, client address, a shared connection id, and
last by what matches in only one way. What matches in several ways is left apart, never guessed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import datetime

import polars as pl

from wsdiag.event import ordered
from wsdiag.sessions.joins import join
from wsdiag.sessions.names import name, split
from wsdiag.sessions.sightings import NEVER, Node, nodes, sightings
from wsdiag.sessions.ties import tied


def identify(events: pl.DataFrame) -> pl.DataFrame:
    """Fill `conn` where it is missing and `session` wherever a row belongs to a connection.

    Returns the same rows in the order ts, source, pos. Rows about the server as a whole keep a null
    session.
    """
    lives = split(name(ordered(events)))
    seen = nodes(lives)
    told = pl.concat(
        [
            seen.select("_rows", session=_names(seen)).explode("_rows"),
            lives.select(
                _rows=pl.int_range(pl.len(), dtype=pl.get_index_type()).filter(
                    pl.col("_node").is_null()
                ),
                session=pl.lit(None, dtype=pl.String),
            ),
        ]
    )
    return lives.with_columns(told.sort("_rows")["session"]).select(events.columns)


def _names(seen: pl.DataFrame) -> pl.Series:
    """The session of each node, named the same on any day: from the key, else from the first
    sighting's own name."""
    known = list(seen.select("key", "first", "source", "_node").iter_rows())
    sessions = [_named(key, first, (source, node)) for key, first, source, node in known]
    among = tied(seen)
    candidates = sightings(seen[among])
    families = join(candidates)
    members: dict[Node, list[int]] = defaultdict(list)
    for place, sighting in zip(among, candidates, strict=True):
        members[families.of(sighting.node)].append(place)
    for places in members.values():
        keys = sorted(key for key in (known[place][0] for place in places) if key)
        first = min((known[place][1] or NEVER, known[place][2:]) for place in places)
        session = _named(keys[0] if keys else None, *first)
        for place in places:
            sessions[place] = session
    return pl.Series("session", sessions, dtype=pl.String)


def _named(key: str | None, first: datetime | None, node: Node) -> str:
    told = key or repr((first or NEVER, node))
    return f"s-{hashlib.sha256(told.encode()).hexdigest()[:10]}"
