"""What began in any source, in order of time, and for each what could be the same connection.

Beside one beginning of a busy server stand thousands: most are told apart in columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from wsdiag.connections.codes import LOCAL_CODES
from wsdiag.connections.left_apart import SAME_MOMENT
from wsdiag.sessions.sightings import Families, Sighting

MICROSECOND = timedelta(microseconds=1)

_REACH = SAME_MOMENT // MICROSECOND
_EPOCH = datetime.fromtimestamp(0, UTC)
_UNKNOWN = -(1 << 62)

_Numbers = NDArray[np.int64]


class Beginnings:
    """Columns of `order`, sightings that opened, in order of time: microseconds, the number of the
    source, and one for each thing told (0 where it is not), a row for each kind of thing."""

    def __init__(self, order: Sequence[Sighting], families: Families) -> None:
        self._families = [families.family(one) for one in order]
        self._sources = list(dict.fromkeys(one.source for one in order))
        number = {source: at for at, source in enumerate(self._sources)}
        self._source = np.array([number[one.source] for one in order], np.intp)
        strangers = families.acquaintance.are_strangers
        self._comparable = np.array(
            [
                [one != other and not strangers(one, other) for other in self._sources]
                for one in self._sources
            ]
        )
        self._opened = _micros(one.opened for one in order)
        self._ended = _micros(one.ended for one in order)
        self._family_alive = _micros(family.alive for family in self._families)
        self._family_ended = _micros(family.ended for family in self._families)
        self._told = np.array(
            [
                _numbered(one.outcome for one in order),
                _numbered(one.key for one in order),
                _numbered(one.user for one in order),
                _numbered(one.token for one in order),
                _numbered(None if one.code in LOCAL_CODES else one.code for one in order),
            ]
        )
        self._since = self._opened.searchsorted(self._opened - _REACH)
        self._until = self._opened.searchsorted(self._opened + _REACH, side="right")

    def rivals(self, row: int) -> dict[int, list[tuple[int, int]]]:
        """By another source's number, the rows there that could be the same connection as this one,
        the nearest first, each behind its distance: the microseconds between both beginnings and
        both ends.

        They tell nothing else, and neither family is alive well after the other's end; or they are
        known to be one.
        """
        comparable = self._comparable[self._source[row]]
        if not comparable.any():
            return {}
        there = slice(self._since[row], self._until[row])
        told, mine = self._told[:, there], self._told[:, [row]]
        ends = np.abs(_between(self._ended[there], self._ended[[row]]))
        able = comparable[self._source[there]] & (ends <= _REACH)
        able &= ~((told != mine) & (told != 0) & (mine != 0)).any(axis=0)
        able &= _between(self._family_alive[there], self._family_ended[[row]]) <= _REACH
        able &= _between(self._family_alive[[row]], self._family_ended[there]) <= _REACH
        at = np.flatnonzero(able)
        away = np.abs(self._opened[there][at] - self._opened[row]) + ends[at]
        at += there.start
        family, found = self._families[row], dict[int, list[tuple[int, int]]]()
        nearest = np.argsort(away, kind="stable")
        ranked = zip(away[nearest].tolist(), at[nearest].tolist(), strict=True)
        for distance, other in ranked:
            yours = self._families[other]
            if yours is family or family.lives.isdisjoint(yours.lives):
                found.setdefault(int(self._source[other]), []).append((distance, other))
        return found

    def source(self, row: int) -> int:
        """The number of the source in which this began."""
        return int(self._source[row])

    def name(self, source: int) -> str:
        """The source of a number."""
        return self._sources[source]


def _numbered(values: Iterable[object]) -> _Numbers:
    """A number for each value, the same for the same; 0 for none."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(it, len(numbers) + 1) if it else 0 for it in values])


def _micros(moments: Iterable[datetime | None]) -> _Numbers:
    return np.array([(it - _EPOCH) // MICROSECOND if it else _UNKNOWN for it in moments])


def _between(later: _Numbers, earlier: _Numbers) -> _Numbers:
    """Microseconds from one to the other; none where one of them is unknown."""
    known = (later != _UNKNOWN) & (earlier != _UNKNOWN)
    return np.where(known, later - earlier, 0)
