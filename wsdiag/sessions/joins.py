"""How sightings of one connection are found among all."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from wsdiag.event import NAMELESS
from wsdiag.sessions.acquainted import acquainted
from wsdiag.sessions.by_time import (
    beginnings,
    begun_in_order,
    clear_endings,
    clear_pairs,
    nobody_nearer,
)
from wsdiag.sessions.keys import of_one_key
from wsdiag.sessions.lifecycle import apart
from wsdiag.sessions.only_pairs import only_pairs
from wsdiag.sessions.same_requests import same_requests
from wsdiag.sessions.sightings import (
    ADJACENT,
    Families,
    Node,
    Sighting,
    contradict,
    groups,
    other_end,
    overlap,
)

ADJACENT_LINES = 2
"""A library's sentence and the application's own about the same moment stand this close."""

REACH_LINES = 40
"""A traceback may stand between two sentences about one ending."""

SAME_LINES = 8
"""A server's line on an address and the application's own stand this close."""

ROUNDS = 2
"""What is joined by time alone makes more of it clear, once; before, what asks for one path."""


def join(sightings: list[Sighting]) -> Families:
    """Which of the sightings are one connection."""
    order = beginnings(sightings)
    families = Families(sightings, acquainted(order))
    for one, other in (*_same_log(sightings), *_neighbours(sightings)):
        families.unite(one, other)
    for group in groups(sightings, "key"):
        for one, other in of_one_key(group, families):
            families.unite(one, other)
    # A request id belongs to one handshake, so equality is nearly enough.
    for group in groups(sightings, "trace"):
        for other in group[1:]:
            if overlap(group[0], other):
                families.unite(group[0], other)
    for one, other in same_requests(sightings, families):
        families.unite(one, other)
    # Over HTTP/2 several come from one address at once: those for one path, in one way only.
    for group in groups(sightings, "peer"):
        for alike in groups(group, "path"):
            for one, other in only_pairs(alike, families, together=False):
                families.unite(one, other)
    # An address, an id or a user returns: the lives must overlap, and in one way only.
    begun = begun_in_order(sightings)
    for column in ("peer", "conn", "user", "token"):
        for group in groups(sightings, column):
            if column != "conn" or _telling(group):
                together = column in ("user", "token")
                for one, other in only_pairs(group, families, together=together):
                    if not together or (
                        families.may_coincide(one, other) and nobody_nearer(one, other, begun)
                    ):
                        families.unite(one, other)
    # What meets most closely is joined first: it may tell what meets less closely apart.
    for some in (*groups(order, "path"), *ROUNDS * [order]):
        for one, other in clear_pairs(some, families):
            if families.may_coincide(one, other):
                families.unite(one, other)
    for one, other in clear_endings(sightings, families):
        if families.may_coincide(one, other):
            families.unite(one, other)
    return families


def _telling(group: list[Sighting]) -> bool:
    """Whether one id in several sources is one connection: `12` need not be, and `*37` is only
    between the access and the error log of one nginx."""
    conn = group[0].conn
    if conn.startswith("*"):
        return all(sighting.vantage == "proxy" for sighting in group)
    return len(conn) >= 4 and not conn.startswith(NAMELESS)


def _same_log(sightings: list[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    """In one log, a server's line that names the address and the application's that names an id."""
    for group in groups(sightings, "peer"):
        for named in group:
            beside = [
                other
                for other in group
                if other.source == named.source
                and other.nameless
                and not named.nameless
                and abs((named.open_pos or 0) - (other.open_pos or 0)) <= SAME_LINES
            ]
            if len(beside) == 1:
                yield named, beside[0]


def _neighbours(sightings: list[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    """In one log, a library's nameless sentence and the application's own about the same moment.

    The nearest line wins; where none is beside it, the only one of that moment.
    """
    for begins in (True, False):
        named: dict[str, list[tuple[int, Sighting]]] = defaultdict(list)
        nameless: list[tuple[int, Sighting]] = []
        for sighting in sightings:
            pos = sighting.open_pos if begins else sighting.end_pos
            if pos is None:
                continue
            if not sighting.nameless:
                named[sighting.source].append((pos, sighting))
            elif begins or not sighting.open_pos:
                nameless.append((pos, sighting))
        for spots in named.values():
            spots.sort(key=_line)
        taken: set[Node] = set()
        for pos, sighting in nameless:
            spots = named[sighting.source]
            since = bisect_left(spots, pos - REACH_LINES, key=_line)
            until = bisect_left(spots, pos + REACH_LINES + 1, key=_line)
            beside = [
                (abs(line - pos), other)
                for line, other in spots[since:until]
                if other.node not in taken
                and _together(sighting, other, begins=begins)
                and not contradict(sighting, other)
                and not other_end(sighting, other)
            ]
            beside.sort(key=_line)
            if beside and (beside[0][0] <= ADJACENT_LINES or len(beside) == 1):
                taken.add(beside[0][1].node)
                yield beside[0][1], sighting


def _line(spot: tuple[int, Sighting]) -> int:
    return spot[0]


def _together(one: Sighting, other: Sighting, *, begins: bool) -> bool:
    moments = (one.opened, other.opened) if begins else (one.ended, other.ended)
    return apart(*moments) <= ADJACENT
