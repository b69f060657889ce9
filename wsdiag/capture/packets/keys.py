"""Which two ends each segment runs between, as a number for each pair of ends.

Pairs are looked up by a hash, and compared in full: where two share a hash, one of them is looked
up by itself.
"""

from __future__ import annotations

import numpy as np

from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.packets.headers import Mask, Segments, address
from wsdiag.capture.packets.segments import Endpoint

_PARTS = 5  # columns of a key: two addresses of two words, version and ports
_LEAST_SLOTS, _MOST_SLOTS = 1 << 16, 1 << 22
_ROOM = 16  # slots for each pair
_SPREAD = (  # odd numbers without a pattern
    *(0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9),
    *(0xD6E8FEB86659FD93, 0xA0761D6478BD642F),
)


class Keys:
    """The pairs of ends seen so far, numbered from 0 as they appeared."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, ...], int] = {}
        self._known = np.zeros((_PARTS, 1024), np.int64)
        self._slots = np.full(_LEAST_SLOTS, -1, np.int32)

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, segments: Segments) -> tuple[Ints, Mask]:
        """Each segment's pair, and whether it goes from the lower end of the pair to the higher."""
        parts, up = _sorted(segments)
        slot = self._slot(parts)
        number = self._look_up(parts, slot)
        new = np.flatnonzero(number < 0)
        if new.size:
            order = np.argsort(slot[new], kind="stable")
            firsts = order[np.flatnonzero(np.diff(slot[new][order], prepend=-1))]
            for row in new[firsts].tolist():
                self._learn(tuple(parts[:, row].tolist()), int(slot[row]))
            number[new] = self._look_up(parts[:, new], slot[new])
            for row in np.flatnonzero(number < 0).tolist():
                key = tuple(parts[:, row].tolist())
                self._learn(key, int(slot[row]))
                number[row] = self._numbers[key]
            self._grow()
        return number, up

    def ends(self, number: int) -> tuple[Endpoint, Endpoint]:
        """The lower and the higher end of a pair."""
        a_high, a_low, b_high, b_low, ports = self._known[:, number].tolist()
        size = 4 if ports >> 32 == 4 else 16
        return (
            Endpoint(address(a_high, a_low, size), ports >> 16 & 0xFFFF),
            Endpoint(address(b_high, b_low, size), ports & 0xFFFF),
        )

    def _look_up(self, parts: Ints, slot: Ints) -> Ints:
        number = self._slots[slot].astype(np.int64)
        fits = number >= 0
        for known, part in zip(self._known, parts, strict=True):
            fits &= known[number] == part
        return np.where(fits, number, -1)

    def _slot(self, parts: Ints) -> Ints:
        mixed = np.zeros(parts.shape[1], np.uint64)
        for part, factor in zip(parts.view(np.uint64), _SPREAD, strict=True):
            mixed ^= part ^ part >> np.uint64(29)
            mixed *= np.uint64(factor)
        return (mixed >> np.uint64(20) & np.uint64(self._slots.size - 1)).view(np.int64)

    def _learn(self, key: tuple[int, ...], slot: int) -> None:
        """Number a pair, unless it is known."""
        number = self._numbers.setdefault(key, len(self._numbers))
        if number == self._known.shape[1]:
            self._known = np.concatenate((self._known, np.zeros_like(self._known)), axis=1)
        self._known[:, number] = key
        if self._slots[slot] < 0:
            self._slots[slot] = number

    def _grow(self) -> None:
        """More slots, where pairs begin to share them."""
        while len(self) * _ROOM > self._slots.size < _MOST_SLOTS:
            self._slots = np.full(self._slots.size * 4, -1, np.int32)
            slot = self._slot(self._known[:, : len(self)])
            self._slots[slot[::-1]] = np.arange(len(self), dtype=np.int32)[::-1]


def _sorted(segments: Segments) -> tuple[Ints, Mask]:
    """Keys that read the same both ways, and whether a segment comes from the lower end."""
    version, sport, dport = (segments.ports >> by & 0xFFFF for by in (32, 16, 0))
    up = sport <= dport
    for one, other in (
        (segments.source, segments.target),
        (segments.source_high, segments.target_high),
    ):
        up = np.where(one == other, up, one < other)
    lower = (segments.source_high, segments.source, sport)
    higher = (segments.target_high, segments.target, dport)
    a, b = (
        [np.where(up, x, y) for x, y in zip(*pair, strict=True)]
        for pair in ((lower, higher), (higher, lower))
    )
    return np.stack((a[0], a[1], b[0], b[1], version << 32 | a[2] << 16 | b[2])), up
