"""How sightings of one connection are found among all."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from wsdiag.connections.left_apart import SAME_MOMENT
from wsdiag.sessions.keys import of_one_key
from wsdiag.sessions.names import NAMELESS, SAME_OPEN, apart
from wsdiag.sessions.only_pairs import only_pairs
from wsdiag.sessions.same_requests import same_requests
from wsdiag.sessions.sightings import (
    NEVER,
    Families,
    Node,
    Sighting,
    contradict,
    groups,
    overlap,
    possible,
)

ADJACENT_LINES, ADJACENT = 2, timedelta(milliseconds=100)
"""A library's sentence and the application's own about the same moment stand this close."""

REACH_LINES = 40
"""A traceback may stand between two sentences about one ending."""

SAME_LINES = 8
"""A server's line on an address and the application's own stand this close."""

CLEARER = 8
"""A match by time alone must be this many times closer than the next candidate."""

ROUNDS = 2
"""What is joined by time alone makes more of it clear, once."""


def join(sightings: list[Sighting]) -> Families:
    """Which of the sightings are one connection."""
    families = Families(sightings)
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
    # An address, an id or a user returns: the lives must overlap, and in one way only.
    begun = _begun(sightings)
    for column in ("peer", "conn", "user", "token"):
        for group in groups(sightings, column):
            if column != "conn" or _telling(group):
                together = column in ("user", "token")
                for one, other in only_pairs(group, families, together=together):
                    if not together or _nobody_nearer(one, other, begun):
                        families.unite(one, other)
    # What meets most closely is joined first: it may tell what meets less closely apart.
    for _ in range(ROUNDS):
        for one, other in _clear_pairs(sightings, families):
            families.unite(one, other)
    for one, other in _clear_endings(sightings, families):
        families.unite(one, other)
    return families


def _begun(sightings: list[Sighting]) -> dict[str, list[Sighting]]:
    """What opened, by source, in order of time."""
    begun: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sorted(sightings, key=_opened):
        if sighting.opened:
            begun[sighting.source].append(sighting)
    return begun


def _nobody_nearer(one: Sighting, other: Sighting, begun: dict[str, list[Sighting]]) -> bool:
    """Whether in neither source another life began much nearer to what began in the other: a user
    may have two devices, and a log may tell of users only sometimes."""
    gap = apart(one.opened, other.opened)
    if gap <= ADJACENT:
        return True
    for mine, yours in ((one, other), (other, one)):
        order = begun[yours.source]
        place = bisect_left(order, _opened(mine), key=_opened)
        beside = (it for it in order[max(place - 1, 0) : place + 1] if it.node != yours.node)
        if any(
            apart(it.opened, mine.opened) * CLEARER < gap and not contradict(it, mine)
            for it in beside
        ):
            return False
    return True


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
                and not _other_end(sighting, other)
            ]
            beside.sort(key=_line)
            if beside and (beside[0][0] <= ADJACENT_LINES or len(beside) == 1):
                taken.add(beside[0][1].node)
                yield beside[0][1], sighting


def _other_end(one: Sighting, other: Sighting) -> bool:
    """Whether one log says of two lives that they came from elsewhere or fared differently."""
    pairs = ((one.peer, other.peer), (one.outcome, other.outcome))
    return any(mine and yours and mine != yours for mine, yours in pairs)


def _line(spot: tuple[int, Sighting]) -> int:
    return spot[0]


def _together(one: Sighting, other: Sighting, *, begins: bool) -> bool:
    moments = (one.opened, other.opened) if begins else (one.ended, other.ended)
    return apart(*moments) <= ADJACENT


def _clear_pairs(
    sightings: list[Sighting], families: Families
) -> Iterator[tuple[Sighting, Sighting]]:
    """Pairs across sources that began, and ended, so nearly together that no other comes close; the
    nearest first."""
    by_source: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        # A proxy's "refused" is about its backend, not about the connection that a client opens.
        about_backend = sighting.vantage == "proxy" and sighting.outcome == "refused"
        if sighting.opened and sighting.outcome and not about_backend:
            by_source[sighting.source].append(sighting)
    found: list[tuple[timedelta, Node, Sighting, Sighting]] = []
    for left, right in _meeting(by_source):
        lefts = sorted(by_source[left], key=_opened)
        rights = sorted(by_source[right], key=_opened)
        best = {one.node: _nearest(one, rights, families) for one in lefts}
        back = {one.node: _nearest(one, lefts, families) for one in rights}
        for one in lefts:
            other = best[one.node]
            mutual = other and back[other.node]
            if other and mutual and families.of(mutual.node) == families.of(one.node):
                near = apart(one.opened, other.opened) + apart(one.ended, other.ended)
                found.append((near, one.node, one, other))
    found.sort(key=lambda pair: pair[:2])
    yield from ((one, other) for _, _, one, other in found)


def _meeting(by_source: dict[str, list[Sighting]]) -> list[tuple[str, str]]:
    """The pairs of sources that tell of beginnings at one moment: of a thousand files few do."""
    moments = sorted((_opened(one), source) for source, seen in by_source.items() for one in seen)
    pairs: set[tuple[str, str]] = set()
    around: Counter[str] = Counter()
    oldest = 0
    for opened, source in moments:
        while opened - moments[oldest][0] > SAME_MOMENT:
            left_behind = moments[oldest][1]
            around[left_behind] -= 1
            if not around[left_behind]:
                del around[left_behind]
            oldest += 1
        pairs.update((min(source, other), max(source, other)) for other in around)
        around[source] += 1
    return sorted((left, right) for left, right in pairs if left != right)


def _clear_endings(
    sightings: list[Sighting], families: Families
) -> Iterator[tuple[Sighting, Sighting]]:
    """What only logs ends, as nginx's error log does, and the only connection that ended then."""
    order = sorted((it for it in sightings if it.ended and it.opened), key=_ended)
    for one in sightings:
        if one.ended and not one.opened and one.vantage == "proxy":
            start = bisect_left(order, one.ended - SAME_OPEN, key=_ended)
            stop = bisect_right(order, one.ended + SAME_OPEN, key=_ended)
            there = [
                other
                for other in order[start:stop]
                if other.source != one.source and possible(one, other, families)
            ]
            if len({families.of(other.node) for other in there}) == 1:
                yield there[0], one


def _nearest(one: Sighting, order: list[Sighting], families: Families) -> Sighting | None:
    """The sighting that is clearly the nearest to `one` in time; None where two come close."""
    start = bisect_left(order, _opened(one) - SAME_MOMENT, key=_opened)
    scored = []
    for other in order[start:]:
        if _opened(other) - _opened(one) > SAME_MOMENT:
            break
        if one.outcome != other.outcome or families.outlive(one, other):
            continue
        if possible(one, other, families):
            ends = apart(one.ended, other.ended)
            if ends <= SAME_MOMENT:
                scored.append((apart(one.opened, other.opened) + ends, other))
    scored.sort(key=lambda pair: pair[0])
    if not scored:
        return None
    closest, found = scored[0]
    rivals = [
        apart for apart, other in scored if families.of(other.node) != families.of(found.node)
    ]
    clear = not rivals or rivals[0] > max(closest * CLEARER, ADJACENT / CLEARER)
    return found if clear else None


def _ended(sighting: Sighting) -> datetime:
    return sighting.ended or NEVER


def _opened(sighting: Sighting) -> datetime:
    return sighting.opened or NEVER
