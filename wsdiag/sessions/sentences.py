"""Bare sentences of one log, which name no connection: whose each is, as far as that is plain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import polars as pl

from wsdiag.event import BEGIN
from wsdiag.sessions.lifecycle import ENDS, GIVEN_UP, SAME_OPEN, apart

NEAR, NEAR_UNTIMED = 4, 2
"""Two sentences of one ending are at most so many lines apart; so many where they have no times."""

LONELY, MANY_LONELY = 0.5, 4
"""A log of which more than this share of the closings, and so many, have no other beside them
writes one sentence about each."""


def paired(rows: pl.DataFrame) -> Iterator[tuple[int, str]]:
    """`_row` and name of one source's bare sentences, in its order: an end belongs to the only
    connection that is open. `rows` also has pos, ts, kind, code and dir.

    While several are open nobody can tell whose end it is: it stays a fragment of its own, named
    with a leading `~`.
    """
    columns = ("_row", "pos", "ts", "kind", "code", "dir")
    return _paired(rows.select(columns).iter_rows(), one_by_one=_are_told_once(rows))


def _are_told_once(rows: pl.DataFrame) -> bool:
    """Whether each closing is one sentence here: most of them have no other beside them."""
    lines = pl.when(pl.col("ts").is_null() & pl.col("ts").shift(1).is_null()).then(NEAR_UNTIMED)
    together = (pl.col("ts").diff().abs() <= SAME_OPEN).fill_null(value=True)
    near = ((pl.col("pos").diff() <= lines.otherwise(NEAR)) & together).fill_null(value=False)
    alone = ~near & ~near.shift(-1, fill_value=False)
    closes = rows.filter(kind="close")
    lonely = int(closes.select(alone.sum()).item())
    return lonely >= MANY_LONELY and lonely > len(closes) * LONELY


_Bare = tuple[int, int, datetime | None, str, int | None, str | None]
"""A nameless row: its number, pos, ts, kind, code and dir."""


def _paired(rows: Iterable[_Bare], *, one_by_one: bool) -> Iterator[tuple[int, str]]:
    """The same; `one_by_one`: a closing is told by one sentence alone."""
    live: list[str] = []
    pending = last = last_kind = ""
    last_pos, last_ts, last_code = -10, None, None
    frames: list[_Frames] = []
    for row, pos, ts, kind, code, way in rows:
        lines = NEAR_UNTIMED if ts is None and last_ts is None else NEAR
        near = pos - last_pos <= lines and apart(ts, last_ts) <= SAME_OPEN
        frames = frames if near else []
        first = next((one for one in frames if one.lacks(kind, way, code)), None)
        if kind in ("attempt", "open"):
            if not (kind == "open" and pending):
                live.append(f"bare {pos}")
            name = live[-1]
            pending = name if kind == "attempt" else ""
        elif kind in ("rejected", "refused"):
            name = pending or f"bare {pos}"
            live = [open_ for open_ in live if open_ != name]
            pending = ""
        elif first:
            name = first.name
        elif (
            near
            and last
            and not (way and frames)
            and not (one_by_one and kind == last_kind == "close")
            and (code is None or last_code is None or code == last_code)
        ):
            name = last  # a second sentence about the same ending
        elif len(live) == 1:
            name = live[0]
        elif live:
            name = f"~{pos}"
        else:
            name = f"bare {pos}"
        if kind in (*ENDS, *GIVEN_UP):
            live = [open_ for open_ in live if open_ != name]
            last, last_pos, last_ts, last_code = name, pos, ts, code or last_code
            last_kind = kind
            if first:
                first.told.add((kind, way))
            elif kind == "close" and way:
                frames.append(_Frames(name, code, {(kind, way)}))
        elif kind in BEGIN:
            last, last_code = "", None
        yield row, name


class _Frames(NamedTuple):
    """A close handshake of which single frames are told: each side sends one, then it ends."""

    name: str
    code: int | None
    told: set[tuple[str, str | None]]

    def lacks(self, kind: str, way: str | None, code: int | None) -> bool:
        """Whether this sentence is still to come: several at once go on in their order."""
        if (kind, way) in self.told or not (way or kind == "end"):
            return False
        return code is None or self.code is None or code == self.code
