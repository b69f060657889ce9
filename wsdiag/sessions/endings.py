"""Endings told twice in one log: a line of the server names the connection, a line of the
application beside it says how it closed, and names none.

Both are written at the same moment, always in the same order. So the order is learned from the log,
and a nameless ending takes the name of the only one that it can mean: of the same code, or of none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

ENDINGS = ("close", "end", "heartbeat_timeout", "timeout")
"""Kinds by which a line may say that a connection is over."""

LINES_APART = 4
LINES_IN_TURN = 20
ONE_MOMENT = timedelta(milliseconds=50)
ONE_SECOND = timedelta(seconds=1)
"""Logs that write whole seconds differ by up to one from those that do not."""


class Ending(NamedTuple):
    """One line that tells an ending: `conn` is empty where it names no connection.

    `code` is what must be the same in two lines about one ending: the close code, or the user.
    """

    rows: tuple[int, ...]
    pos: int
    ts: datetime | None
    conn: str
    code: int | str | None


def beside(endings: Sequence[Ending]) -> Iterator[tuple[int, str]]:
    """(row, name) of the nameless endings of one source that stand beside a named one.

    `endings` in the order of the file.
    """
    groups = list(_grouped(endings))
    before, after = 0, 0
    for place, group in enumerate(groups):
        if not group.conn:
            back, forth = _only(groups, place, -1), _only(groups, place, 1)
            before += back is not None
            after += forth is not None
    if before == after:
        return
    towards = groups if after > before else groups[::-1]
    taken: set[str] = set()
    for place, group in enumerate(towards):
        if group.conn:
            continue
        named = _only(towards, place, 1) or _in_turn(towards, place)
        if named and named.conn not in taken:
            taken.add(named.conn)
            yield from ((row, named.conn) for row in group.rows)


def _in_turn(groups: Sequence[Ending], place: int) -> Ending | None:
    """Where several nameless endings of one code stand before as many named ones of that code, the
    one whose turn it is."""
    told = groups[place]
    first, last = place, place
    while first and _alike(groups[first - 1], told) and not groups[first - 1].conn:
        first -= 1
    while last + 1 < len(groups) and _alike(groups[last + 1], told) and not groups[last + 1].conn:
        last += 1
    end = last + 1
    while end < len(groups) and _alike(groups[end], told) and groups[end].conn:
        end += 1
    names = list({one.conn: one for one in groups[last + 1 : end]}.values())
    return names[place - first] if len(names) == last + 1 - first else None


def _alike(one: Ending, other: Ending) -> bool:
    near = abs(one.pos - other.pos) <= LINES_IN_TURN and _apart(one.ts, other.ts) <= ONE_SECOND
    return near and one.code is not None and one.code == other.code


def _grouped(endings: Sequence[Ending]) -> Iterator[Ending]:
    """Sentences of one ending as one: nameless lines that follow each other at once."""
    last: Ending | None = None
    for ending in endings:
        if last and not last.conn and not ending.conn and ending.pos - last.pos <= 1:
            code = last.code or ending.code
            last = last._replace(rows=last.rows + ending.rows, pos=ending.pos, code=code)
            continue
        if last:
            yield last
        last = ending
    if last:
        yield last


def _only(groups: Sequence[Ending], place: int, step: int) -> Ending | None:
    """The only named ending on one side, before the next nameless one: at the same moment, else
    within a second."""
    nameless = groups[place]
    near: list[Ending] = []
    at = place + step
    while 0 <= at < len(groups) and groups[at].conn:
        if abs(groups[at].pos - nameless.pos) > LINES_APART:
            break
        if groups[at].code is None or groups[at].code == nameless.code:
            near.append(groups[at])
        at += step
    for reach in (ONE_MOMENT, ONE_SECOND):
        found = {one.conn: one for one in near if _apart(one.ts, nameless.ts) <= reach}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            return None
    return None


def _apart(one: datetime | None, other: datetime | None) -> timedelta:
    return abs(one - other) if one and other else timedelta()
