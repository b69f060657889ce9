"""Which sightings of one Sec-WebSocket-Key are one handshake.

A key is a nonce (RFC 6455 §4.1), so equality is enough – where clients keep to that. Load tests and
scripts send one key, often the RFC's own example, with every handshake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from wsdiag.sessions.lifecycle import apart
from wsdiag.sessions.only_pairs import only_pairs
from wsdiag.sessions.sightings import Families, Sighting

TRANSLATED = timedelta(milliseconds=1)
"""Before and after a translation of addresses (NAT) a capture on all interfaces sees a packet this
close together."""


def of_one_key(group: list[Sighting], families: Families) -> Iterator[tuple[Sighting, Sighting]]:
    """Pairs of one connection among the sightings of one key.

    All of them, unless a place saw the key twice: then those that began together and can be paired
    in one way only.
    """
    yield from _translated(group)
    seen = Counter(place for place, _ in {(_place(it), families.of(it.node)) for it in group})
    if max(seen.values()) == 1:
        yield from ((group[0], other) for other in group[1:])
    else:
        yield from only_pairs(group, families, together=True, place=_place)


def _place(sighting: Sighting) -> str:
    """Where one handshake is seen once: a log, or in a capture the way to one server."""
    if sighting.vantage != "network":
        return sighting.source
    return f"{sighting.source} {sighting.conn.partition('#')[0].rpartition('-')[2]}"


def _translated(group: list[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    order = sorted((it for it in group if it.opened), key=lambda it: (it.opened, it.node))
    for one, other in pairwise(order):
        at_once = apart(one.opened, other.opened) <= TRANSLATED
        if at_once and one.vantage == "network" and _place(one) == _place(other):
            yield one, other
