"""The connection table: one row per session, told from all who saw it; and what follows from it.

Where sources disagree the wire wins over any log, and a log that names the sender of a Close wins
over one that does not: 1005 and 1006 are written by local APIs and never cross the wire (RFC 6455
section 7.4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from wsdiag.connections import backoff, by_path, memory
from wsdiag.connections.codes import (
    AUTH_CODES,
    BLAMING_CODES,
    LOCAL_CODES,
    NOT_CUT,
    POLITE_CODES,
    RESTART_CODES,
    SENDERS,
)
from wsdiag.connections.counting import (
    counted,
    may_have_lived,
    number_of,
    was_tried,
    whole,
    with_room,
)
from wsdiag.connections.left_apart import left_apart
from wsdiag.connections.other_requests import other_requests
from wsdiag.connections.reconnecting import reconnects
from wsdiag.connections.replacing import replaced
from wsdiag.connections.table import table
from wsdiag.connections.trips import proofs, round_trips, said_how
from wsdiag.connections.unanswered import backend_silent, unanswered

__all__ = [
    "AUTH_CODES",
    "BLAMING_CODES",
    "LOCAL_CODES",
    "NOT_CUT",
    "POLITE_CODES",
    "RESTART_CODES",
    "SENDERS",
    "Story",
    "backend_silent",
    "backoff",
    "by_path",
    "counted",
    "left_apart",
    "may_have_lived",
    "memory",
    "number_of",
    "proofs",
    "reconnects",
    "replaced",
    "round_trips",
    "said_how",
    "signs",
    "table",
    "told",
    "unanswered",
    "was_tried",
    "whole",
    "with_room",
]


class Story(NamedTuple):
    """All that a detector may look at: the events, and what is drawn from them once for all: those
    that are more than a message, the connection table, the round trips of messages, and all
    messages of the sessions that have any.

    In a capture nearly all rows are messages: who does not ask for them looks at `signs`.
    `clock_errors_s` tells by how much a source's clock may still be off, in seconds; nothing of a
    source that no moment ties to the others.
    """

    events: pl.LazyFrame
    signs: pl.LazyFrame
    connections: pl.LazyFrame
    trips: pl.LazyFrame
    exchanges: pl.LazyFrame
    clock_errors_s: Mapping[str, float] = MappingProxyType({})


def told(
    parts: Sequence[pl.LazyFrame],
    doubtful: Mapping[str, Set[int]] | None = None,
    keep: Callable[[pl.DataFrame], pl.LazyFrame] = pl.DataFrame.lazy,
) -> Story:
    """The story of events in parts, which follow one another in the total order, and have sessions;
    `doubtful` as in `table`. `keep` puts away what there may be as much of as of events.

    Requests that are no WebSocket's are left out. What is drawn is made once: every detector reads
    the table, most the signs, and several the round trips.
    """
    aside = other_requests(signs(pl.concat(parts)))
    if len(aside):
        none_of_those = ~pl.col("session").is_in(aside.implode()).fill_null(value=False)
        parts = [part.filter(none_of_those) for part in parts]
    events = pl.concat(parts)
    known = table(parts, doubtful).lazy()
    if len(parts) > 1:
        trips = round_trips(events).collect(engine="in-memory")
        return Story(events, signs(events), known, keep(trips), exchanges(events, trips))
    drawn, trips = pl.collect_all([signs(events), round_trips(events)], engine="in-memory")
    return Story(events, drawn.lazy(), known, trips.lazy(), exchanges(events, trips))


def signs(events: pl.LazyFrame) -> pl.LazyFrame:
    """The events but messages of which nothing is said."""
    return events.filter((pl.col("kind") != "message") | pl.col("reason").is_not_null())


def exchanges(events: pl.LazyFrame, trips: pl.DataFrame) -> pl.LazyFrame:
    """The messages of the sessions that have `trips`.

    A filter, no join: a join first copies all messages of the capture, also where there are no
    trips at all.
    """
    timed = pl.col("session").is_in(trips["session"].unique().implode())
    return events.filter((pl.col("kind") == "message") & timed.fill_null(value=False))
