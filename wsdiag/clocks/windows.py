"""A log whose times carry no zone, and which nothing else ties to the others.

What lies in one folder is about one incident. Where such a log covers nothing of the time of the
others, and all of it after one shift by a time zone and after no other, its times are of that zone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from wsdiag.clocks.fit import FARTHEST_ZONE, ZONE_MS, Clock, zoned

SLACK = timedelta(seconds=60)
"""A log may begin or end a little outside the time of the others."""

MOST = 0.8
"""So much of the shorter of two logs must lie in the time of the other."""

ERROR_MS = 2_000.0
"""How far the clocks of two machines may be apart that nobody compared."""

Span = tuple[datetime, datetime]


def by_window(own: pl.DataFrame, others: pl.DataFrame) -> Clock:
    """The clock of a log without a zone, from the time that it covers and that the `others` do."""
    mine, theirs = _span(own), _span(others)
    if not mine or not theirs:
        return Clock()
    zones = range(-FARTHEST_ZONE, FARTHEST_ZONE + 1)
    fitting = [zone for zone in zones if _common(mine, theirs, zone) > timedelta(0)]
    if len(fitting) != 1 or not fitting[0]:
        return Clock()
    shorter = min(mine[1] - mine[0], theirs[1] - theirs[0])
    if _common(mine, theirs, fitting[0]) < MOST * shorter:
        return Clock()
    return zoned(Clock(offset_ms=fitting[0] * ZONE_MS, error_ms=ERROR_MS))


def _span(events: pl.DataFrame) -> Span | None:
    first, last = events["ts"].min(), events["ts"].max()
    if isinstance(first, datetime) and isinstance(last, datetime):
        return first, last
    return None


def _common(mine: Span, theirs: Span, zone: int) -> timedelta:
    """What both cover once the first is moved back by so many half-hours."""
    shift = timedelta(milliseconds=zone * ZONE_MS)
    first, last = max(mine[0] - shift, theirs[0]), min(mine[1] - shift, theirs[1])
    return last - first + SLACK
