"""One identity for a connection that several sources saw, each under a name of its own.

Three steps. *Name*: a row without `conn` takes the best name it carries, and bare sentences are
paired in file order while that is unambiguous. *Split*: a name used again after the end (a
client's name, a reused port) becomes several connections. *Join*: connections of different sources
become one session by Sec-WebSocket-Key, request id, client address, a shared connection id, and
last by what matches in only one way. What matches in several ways is left apart, never guessed.
"""

from __future__ import annotations

import polars as pl

from wsdiag.event import ORDER
from wsdiag.sessions.joins import join
from wsdiag.sessions.names import name, split
from wsdiag.sessions.sightings import sightings


def identify(events: pl.DataFrame) -> pl.DataFrame:
    """Fill `conn` where it is missing and `session` wherever a row belongs to a connection.

    Returns the same rows in the order ts, source, pos. Rows about the server as a whole keep a null
    session.
    """
    named = name(events.sort(*ORDER, nulls_last=True, maintain_order=True))
    lives = split(named)
    sessions = join(sightings(lives))
    names = pl.DataFrame(
        {
            "source": [node[0] for node in sessions],
            "_node": [node[1] for node in sessions],
            "_session": list(sessions.values()),
        },
        schema={"source": pl.String, "_node": pl.String, "_session": pl.String},
    )
    return (
        lives.join(names, on=["source", "_node"], how="left", maintain_order="left")
        .with_columns(session=pl.col("_session"))
        .select(events.columns)
    )
