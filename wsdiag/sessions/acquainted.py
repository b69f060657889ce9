"""Logs of one vantage that tell of the same connections, as two proxies in a row do.

Replicas of a server do not, nor do two clients: after a restart all their connections end and begin
at one moment, and what coincides is chance. Where two logs do tell of the same, nearly all of the
one stand in the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from wsdiag.connections.left_apart import SAME_MOMENT
from wsdiag.sessions.beginnings import MICROSECOND, Beginnings
from wsdiag.sessions.by_time import clearly_nearest
from wsdiag.sessions.sightings import ADJACENT, Acquaintance, Families, Sighting, opened

SAMPLE = 50
"""So many connections of a log show whether it is another's."""

PAIRED = 0.9
"""Of two logs of the same connections, the smaller one's have a counterpart as often as this: the
rest is at the edges of what was recorded, and in what one of them does not log."""

CLEAR = 0.5
"""… and this often only one: in a crowd each connection has others beside it."""


def acquainted(order: Sequence[Sighting]) -> Acquaintance:
    """Which sources of one vantage tell of the same connections. `order`: what opened, in order of
    time. Captures know a connection by its ends or its key, and so are not asked.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    vantages = dict[str, str]()
    for row, one in enumerate(order):
        if one.vantage and one.vantage != "network":
            rows[one.source].append(row)
            vantages[one.source] = one.vantage
    if len(set(vantages.values())) == len(vantages):
        return Acquaintance(vantages, ())
    coinciding = _coinciding(order)
    pairs = set[tuple[str, str]]()
    for part, mine in rows.items():
        told = {row: coinciding(row) for row in mine[:: -(-len(mine) // SAMPLE)]}
        for whole in set[str]().union(*told.values()):
            if vantages.get(whole) == vantages[part] and _is_part(
                told, whole, [order[row] for row in rows[whole]], order
            ):
                pairs |= {(part, whole), (whole, part)}
    return Acquaintance(vantages, pairs)


def _is_part(
    told: dict[int, dict[str, bool]],
    whole: str,
    log: Sequence[Sighting],
    order: Sequence[Sighting],
) -> bool:
    """Whether what one log tells, while the other tells anything, stands in the other."""
    since = min(one.first or opened(one) for one in log) - SAME_MOMENT
    until = max(one.last or opened(one) for one in log) + SAME_MOMENT
    there = [found for row, found in told.items() if since <= opened(order[row]) <= until]
    paired = [found[whole] for found in there if whole in found]
    return len(paired) >= PAIRED * len(there) and sum(paired) >= CLEAR * len(there)


def _coinciding(order: Sequence[Sighting]) -> Callable[[int], dict[str, bool]]:
    """For a row of `order`, the sources in which one coincides with it, and whether only one does.

    What two logs tell of one moment stands close, or within a second where one of them writes only
    seconds.
    """
    families = Families(order)
    begun = Beginnings(order, families)
    coarse = _in_seconds(order)

    def of(row: int) -> dict[str, bool]:
        found = dict[str, bool]()
        for number, rivals in begun.rivals(row).items():
            source = begun.name(number)
            reach = SAME_MOMENT if coarse & {source, order[row].source} else ADJACENT
            near = [rival for rival in rivals if rival[0] <= 2 * reach // MICROSECOND]
            if near:
                found[source] = clearly_nearest(row, near, order, families) is not None
        return found

    return of


def _in_seconds(order: Sequence[Sighting]) -> set[str]:
    """The sources that tell no fraction of a second of any beginning, or of any end."""
    begins = {one.source for one in order if opened(one).microsecond}
    ends = {one.source for one in order if one.ended and one.ended.microsecond}
    return {one.source for one in order} - (begins & ends)
