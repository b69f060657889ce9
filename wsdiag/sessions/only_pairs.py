"""Sightings that can be paired in one way only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from wsdiag.sessions.sightings import (
    BEFORE,
    NEVER,
    Families,
    Node,
    Sighting,
    near,
    overlap,
    possible,
)


def _begun(sighting: Sighting) -> datetime:
    return sighting.opened or sighting.first or NEVER


def _first(sighting: Sighting) -> datetime:
    return sighting.first or BEFORE


def _source(sighting: Sighting) -> str:
    return sighting.source


def only_pairs(
    group: Sequence[Sighting],
    families: Families,
    *,
    together: bool,
    place: Callable[[Sighting], str] = _source,
) -> Iterator[tuple[Sighting, Sighting]]:
    """Pairs across places in which each is the other's only candidate from that place.

    `together` asks that both began at the same moment; a place is a source unless said otherwise.
    """
    if len({place(sighting) for sighting in group}) == 1:
        return
    order = sorted(group, key=_begun if together else _first)
    candidates: dict[Node, dict[str, list[Sighting]]] = defaultdict(lambda: defaultdict(list))
    for at, one in enumerate(order):
        for other in order[at + 1 :]:
            # In order of time: no later one is nearer, or begins while this one lives.
            if together and not near(one.opened, other.opened):
                if one.opened and other.opened:
                    break
                continue
            if not together and not overlap(one, other):
                break
            if place(one) != place(other) and possible(one, other, families):
                candidates[one.node][place(other)].append(other)
                candidates[other.node][place(one)].append(one)
    for one in order:
        for theirs in candidates[one.node].values():
            if families.are_one(theirs):
                for other in theirs:
                    ours = candidates[other.node][place(one)]
                    if one.node < other.node and families.are_one(ours):
                        yield one, other
