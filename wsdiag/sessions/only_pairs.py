"""Sightings that can be paired in one way only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from wsdiag.sessions.sightings import NEVER, Families, Node, Sighting, near, possible


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
    order = sorted(group, key=lambda sighting: sighting.opened or sighting.first or NEVER)
    candidates: dict[Node, list[Sighting]] = defaultdict(list)
    for at, one in enumerate(order):
        for other in order[at + 1 :]:
            if together and not near(one.opened, other.opened):
                if one.opened and other.opened:
                    break  # in order of time: no later one is nearer
                continue
            if place(one) != place(other) and possible(one, other, families):
                candidates[one.node].append(other)
                candidates[other.node].append(one)
    for one in order:
        for other in candidates[one.node]:
            theirs = {families.of(c.node) for c in candidates[one.node] if place(c) == place(other)}
            ours = {families.of(c.node) for c in candidates[other.node] if place(c) == place(one)}
            if len(theirs) == len(ours) == 1 and one.node < other.node:
                yield one, other
