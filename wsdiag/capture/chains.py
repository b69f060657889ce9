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
LANE_BYTES = 256 * 1024
WINDOW_BYTES = 4 * 1024
"""A lane's start is looked for within so many bytes: two packets on Ethernet."""

_PAUSE = -2  # fills a lane's row after its end


class Chain(Protocol):
    """What the records of a buffer look like."""

    def after(self, at: Offsets) -> Offsets:
        """Where the records behind those at `at` start; `STOP` where one is not whole."""

    def after_one(self, at: int) -> int:
        """The same for one record."""

    def plausible(self, begin: int, end: int) -> Offsets:
        """Where from `begin` to `end` a record may start."""


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
    lanes = [begin]
    for at in range(begin + LANE_BYTES, end, LANE_BYTES):
        found = chain.plausible(at, min(at + WINDOW_BYTES, end))
        if found.size:
            lanes.append(int(found[0]))
    return np.array(lanes, np.int64)


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
