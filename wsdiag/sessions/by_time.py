"""Connections of two sources that nothing but their moments ties: what began, and ended, so nearly
together that no other comes close."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from wsdiag.sessions.beginnings import MICROSECOND, Beginnings
from wsdiag.sessions.lifecycle import SAME_OPEN, apart
from wsdiag.sessions.sightings import (
    ADJACENT,
    NEVER,
    Families,
    Node,
    Sighting,
    contradict,
    opened,
    possible,
)

CLEARER = 8
"""A match by time alone must be this many times closer than the next candidate."""


def beginnings(sightings: Sequence[Sighting]) -> list[Sighting]:
    """What opened and may be told by another source too, in order of time."""
    # A proxy's "refused" is about its backend, not about the connection that a client opens.
    return [
        one
        for one in sorted(sightings, key=opened)
        if one.opened and one.outcome and (one.vantage, one.outcome) != ("proxy", "refused")
    ]


def clear_pairs(
    order: Sequence[Sighting], families: Families
) -> Iterator[tuple[Sighting, Sighting]]:
    """Pairs across sources that began, and ended, so nearly together that no other comes close; the
    nearest first. `order` as `beginnings`.
    """
    begun = Beginnings(order, families)
    nearest: dict[tuple[int, int], int] = {}
    for row in range(len(order)):
        for source, rivals in begun.rivals(row).items():
            rival = clearly_nearest(row, rivals, order, families)
            if rival is not None:
                nearest[row, source] = rival
    found: list[tuple[timedelta, Node, Node, Sighting, Sighting]] = []
    for (row, _), at in nearest.items():
        mutual = nearest.get((at, begun.source(row)))
        if mutual is None or not families.are_one([order[row], order[mutual]]):
            continue
        one, other = order[row], order[at]
        if one.source < other.source:
            near = apart(one.opened, other.opened) + apart(one.ended, other.ended)
            found.append((near, one.node, other.node, one, other))
    found.sort(key=lambda pair: pair[:3])
    yield from ((one, other) for *_, one, other in found)


def clear_endings(
    sightings: Sequence[Sighting], families: Families
) -> Iterator[tuple[Sighting, Sighting]]:
    """What only logs ends, as nginx's error log does, and the only connection that ended then."""
    order = sorted((it for it in sightings if it.ended and it.opened), key=_ended)
    for one in sightings:
        if one.ended and not one.opened and one.vantage == "proxy":
            start = bisect_left(order, one.ended - SAME_OPEN, key=_ended)
            stop = bisect_right(order, one.ended + SAME_OPEN, key=_ended)
            there = (
                other
                for other in order[start:stop]
                if other.source != one.source and _may_be_one(one, other, families)
            )
            first = next(there, None)
            if first and all(families.family(it) is families.family(first) for it in there):
                yield first, one


def begun_in_order(sightings: Sequence[Sighting]) -> dict[str, list[Sighting]]:
    """What opened, by source, in order of time."""
    begun: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sorted(sightings, key=opened):
        if sighting.opened:
            begun[sighting.source].append(sighting)
    return begun


def nobody_nearer(one: Sighting, other: Sighting, begun: Mapping[str, Sequence[Sighting]]) -> bool:
    """Whether in neither source another life began much nearer to what began in the other: a user
    may have two devices, and a log may tell of users only sometimes."""
    gap = apart(one.opened, other.opened)
    if gap <= ADJACENT:
        return True
    for mine, yours in ((one, other), (other, one)):
        order = begun[yours.source]
        place = bisect_left(order, opened(mine), key=opened)
        beside = (it for it in order[max(place - 1, 0) : place + 1] if it.node != yours.node)
        if any(
            apart(it.opened, mine.opened) * CLEARER < gap and not contradict(it, mine)
            for it in beside
        ):
            return False
    return True


def clearly_nearest(
    row: int, rivals: Sequence[tuple[int, int]], order: Sequence[Sighting], families: Families
) -> int | None:
    """The first of the rivals, each behind its distance, that can be the connection of this row;
    None where another connection comes close, or one so near is known to be it."""
    found, close = None, 0.0
    for distance, rival in rivals:
        if found is not None and distance > close:
            break
        one, other = order[row], order[rival]
        if families.are_one([one, other]):
            return None
        # Two captures know a connection by its ends or its key.
        if one.vantage == other.vantage == "network" or not _may_be_one(one, other, families):
            continue
        if found is None:
            found, close = rival, max(distance * CLEARER, ADJACENT / CLEARER / MICROSECOND)
        elif not families.are_one([order[found], order[rival]]):
            return None
    return found


def _may_be_one(one: Sighting, other: Sighting, families: Families) -> bool:
    return possible(one, other, families) and families.may_coincide(one, other)


def _ended(sighting: Sighting) -> datetime:
    return sighting.ended or NEVER
