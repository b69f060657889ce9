"""Logs of one vantage that tell of different connections: replicas of a server, two clients.

After a restart all connections end and begin at one moment: what coincides in such logs is chance.
Where two logs of one vantage do tell of the same connections, as two proxies in a row, nearly all
of the one stand in the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import permutations

from wsdiag.connections.left_apart import SAME_MOMENT
from wsdiag.sessions.sightings import NEVER, Sighting

SAMPLE = 50
"""So many connections of a log show whether it is another's."""

PAIRED = 0.9
"""Of two logs of the same connections, the smaller one's have a counterpart as often as this: the
rest is at the edges of what was recorded, and in what one of them does not log."""

CLEAR = 0.5
"""… and this often only one: in a crowd each connection has others beside it."""

Coinciding = Callable[[int], dict[str, bool]]
"""For a row, the sources in which one coincides with it, and whether only one does."""


def strangers(
    order: Sequence[Sighting], coinciding: Callable[[Sequence[Sighting]], Coinciding]
) -> frozenset[tuple[str, str]]:
    """The pairs of sources, both ways round, of which no two connections are one because they
    coincide. `order`: what opened, in order of time; `coinciding` is asked by rows of it.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, one in enumerate(order):
        rows[one.source].append(row)
    logs = {source: [order[row] for row in mine] for source, mine in rows.items()}
    spans = {
        source: (_begins(log) - SAME_MOMENT, _ends(log) + SAME_MOMENT)
        for source, log in logs.items()
    }
    alike = [pair for pair in permutations(logs, 2) if _of_one_vantage(*(logs[it] for it in pair))]
    if not alike:
        return frozenset()
    found = coinciding(order)
    sample = {
        source: {row: found(row) for row in rows[source][:: -(-len(rows[source]) // SAMPLE)]}
        for source in {source for source, _ in alike}
    }

    def is_part(part: str, whole: str) -> bool:
        """Whether what a log tells, while the other tells anything, stands in the other."""
        since, until = spans[whole]
        there = [
            told for row, told in sample[part].items() if since <= _opened(order[row]) <= until
        ]
        paired = [told[whole] for told in there if whole in told]
        return len(paired) >= PAIRED * len(there) and sum(paired) >= CLEAR * len(there)

    return frozenset(
        (one, other) for one, other in alike if not is_part(one, other) and not is_part(other, one)
    )


def _of_one_vantage(one: Sequence[Sighting], other: Sequence[Sighting]) -> bool:
    """Captures know a connection by its ends or its key, and so are not asked."""
    where = one[0].vantage
    return where == other[0].vantage and where not in (None, "network")


def _begins(log: Sequence[Sighting]) -> datetime:
    return min(one.first or _opened(one) for one in log)


def _ends(log: Sequence[Sighting]) -> datetime:
    return max(one.last or _opened(one) for one in log)


def _opened(sighting: Sighting) -> datetime:
    return sighting.opened or NEVER
