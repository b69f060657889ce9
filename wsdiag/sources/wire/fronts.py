"""Connections in TLS that stay encrypted, but whose other side is a proxy that speaks in clear to
the server in the same capture: the two are legs of one connection, as behind nginx without TLS.

Nothing in them names the other, so it is told by their moments: the leg in clear begins once TLS is
agreed on, from the host where TLS ends (or within it), its handshake's answer goes on to the client
at once, and both legs end at once. Where two fit, none is taken.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from wsdiag.event import Dir, Kind

AT_ONCE_US = 50_000
"""A proxy hands on what came, and an end, within so long."""

MOST = 20_000
"""Beyond so many encrypted connections no legs are looked for."""

CROWD = 100
"""Where more of them end at one moment, it tells nothing: to try each with each would take long."""

_LOOPBACK = ("127.", "::1:")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Front(NamedTuple):
    """A leg in TLS: its name and both addresses, its SYN, when TLS was agreed on (µs), the packets
    and times of the server's records since, and its first end: direction, name, packet, time."""

    conn: str
    peer: str
    server: str
    syn: tuple[int, int]
    ready: int
    answers: Sequence[tuple[int, int]]
    end: tuple[Dir, str, int, int]


class _Back(NamedTuple):
    """A leg in clear: name, key, who asked, and the times (µs) of its SYN, its 101 and its end."""

    conn: str
    key: str
    peer: str
    name: str | None
    begun: int
    opened: int
    ended: int


def rows(events: pl.DataFrame, fronts: Sequence[Front]) -> list[dict[str, object]]:
    """Rows of the legs in TLS whose other leg is among the `events`, with the key of that."""
    if not fronts or len(fronts) > MOST:
        return []
    ended = sorted(fronts, key=lambda front: front.end[3])
    times = [front.end[3] for front in ended]
    fitting = list[tuple[_Back, Front]]()
    for back in _backs(events):
        since = bisect_left(times, back.ended - AT_ONCE_US)
        until = bisect_right(times, back.ended + AT_ONCE_US)
        if until - since <= CROWD:
            fitting += ((back, front) for front in ended[since:until] if _fits(back, front))
    of_back, of_front = defaultdict[str, int](int), defaultdict[str, int](int)
    for back, front in fitting:
        of_back[back.conn] += 1
        of_front[front.conn] += 1
    sure = (it for it in fitting if of_back[it[0].conn] == of_front[it[1].conn] == 1)
    return [row for back, front in sure for row in _told(back, front)]


def _fits(back: _Back, front: Front) -> bool:
    same_host = _host(back.peer) == _host(front.server) or back.peer.startswith(_LOOPBACK)
    return same_host and front.ready <= back.begun and _answer(back, front) is not None


def _answer(back: _Back, front: Front) -> tuple[int, int] | None:
    """The record that brings the client the answer to its handshake."""
    at = bisect_left(front.answers, back.opened, key=lambda answer: answer[1])
    here = front.answers[at] if at < len(front.answers) else None
    return here if here and here[1] <= back.opened + AT_ONCE_US else None


def _told(back: _Back, front: Front) -> list[dict[str, object]]:
    pos, ts = _answer(back, front) or front.syn
    asks = {"conn": front.conn, "key": back.key, "peer": front.peer, "name": back.name}
    way, how, last_pos, last_ts = front.end
    begun = {"kind": Kind.ATTEMPT, "pos": front.syn[0], "ts": _moment(front.syn[1])}
    opened = {"kind": Kind.OPEN, "pos": pos, "ts": _moment(ts), "dir": Dir.S2C, "code": 101}
    ended = {"kind": Kind.END, "pos": last_pos, "ts": _moment(last_ts), "dir": way, "reason": how}
    return [
        begun | asks,
        opened | asks | {"ms": (ts - front.syn[1]) / 1000},
        ended | {"conn": front.conn},
    ]


def _backs(events: pl.DataFrame) -> list[_Back]:
    """The legs in clear whose begin, handshake and end are all in the capture."""
    kind, us = pl.col("kind"), pl.col("ts").dt.epoch("us")
    opened = kind == Kind.OPEN
    over = (kind == Kind.END) & pl.col("dir").is_not_null()
    told = (
        events.filter(kind.is_in([Kind.ATTEMPT, Kind.OPEN, Kind.END]))
        .group_by("conn", maintain_order=True)
        .agg(
            pl.col("key").drop_nulls().first(),
            pl.col("peer").drop_nulls().first(),
            pl.col("name").drop_nulls().first(),
            begun=us.filter(kind == Kind.ATTEMPT).first(),
            opened=us.filter(opened).first(),
            ended=us.filter(over).first(),
        )
        .drop_nulls(["conn", "key", "peer", "begun", "opened", "ended"])
    )
    return [_Back(*row) for row in told.iter_rows()]


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _host(address: str) -> str:
    return address.rpartition(":")[0]
