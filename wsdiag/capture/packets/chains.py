"""Chains of records, each of which tells where the next one starts: walked on many lanes at once.

A lane starts wherever a record plausibly does, and its steps are taken together with those of all
other lanes. It counts only if the lane before lands exactly on its start; otherwise that lane is
walked on, one record after the other. So a wrong guess costs time, never exactness.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]

STOP = -1
LANE_BYTES = 32 * 1024
WINDOW_BYTES = 2 * 1024
"""A lane's start is looked for within so many bytes: more than a packet on Ethernet."""

_PAUSE = -2  # fills a lane's row after its end


class Chain(Protocol):
    """What the records of a buffer look like."""

    def after(self, at: Offsets) -> Offsets:
        """Where the records behind those at `at` start; `STOP` where one is not whole."""

    def after_one(self, at: int) -> int:
        """The same for one record."""

    def plausible(self, windows: Windows) -> Offsets:
        """Where in the windows a record may start."""


class Windows:
    """The windows in which lanes may start, one each `LANE_BYTES`."""

    def __init__(self, begin: int, end: int) -> None:
        self._first = begin + LANE_BYTES
        self._count = max((end - begin - WINDOW_BYTES) // LANE_BYTES, 0)

    def bytes(self, data: NDArray[np.uint8], behind: int) -> NDArray[np.uint8]:
        """For each place in the windows the byte so far behind it."""
        shape, strides = (self._count, WINDOW_BYTES), (LANE_BYTES, 1)
        return np.ndarray(shape, np.uint8, data, self._first + behind, strides)

    def places(self, where: NDArray[np.bool_]) -> Offsets:
        """The places for which it is true."""
        window, place = np.divmod(np.flatnonzero(where), WINDOW_BYTES)
        found: Offsets = self._first + window * LANE_BYTES + place
        return found

    def firsts(self, at: Offsets) -> Offsets:
        """The first of the places in each window."""
        window = (at - self._first) // LANE_BYTES
        return at[np.flatnonzero(np.diff(window, prepend=-1))]


def walk(chain: Chain, begin: int, end: int) -> tuple[Offsets, int]:
    """The starts of all whole records from `begin` on, and where they stop."""
    lanes = _lanes(chain, begin, end)
    tracks = _walk_together(chain, lanes, np.append(lanes[1:], end))
    numbers = {int(start): number for number, start in enumerate(lanes)}
    parts, number = list[Offsets](), 0
    while True:
        track = tracks[number]
        if track[-1] == STOP:
            parts.append(track[:-2])
            return np.concatenate(parts), int(track[-2])
        parts.append(track[:-1])
        at, alone = int(track[-1]), list[int]()
        while at not in numbers:
            following = chain.after_one(at)
            if following == STOP:
                return np.concatenate([*parts, np.array(alone, np.int64)]), at
            alone.append(at)
            at = following
        parts.append(np.array(alone, np.int64))
        number = numbers[at]


def _lanes(chain: Chain, begin: int, end: int) -> Offsets:
    windows = Windows(begin, end)
    return np.append(begin, windows.firsts(chain.plausible(windows)))


def _walk_together(chain: Chain, lanes: Offsets, limits: Offsets) -> list[Offsets]:
    """For each lane its records up to its limit, then where the next one starts or `STOP`."""
    rows, here = [lanes], lanes
    walking = np.arange(len(lanes))
    while walking.size:
        here = chain.after(here)
        row = np.full(len(lanes), _PAUSE, np.int64)
        row[walking] = here
        rows.append(row)
        on = (here != STOP) & (here < limits[walking])
        walking, here = walking[on], here[on]
    return [track[track != _PAUSE] for track in np.stack(rows, axis=1)]
