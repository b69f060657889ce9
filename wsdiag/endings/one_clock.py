"""The ends that agree on one clock: as a spike among others that do not, or as a whole.

Robust figures are used throughout (median, median absolute deviation), and a spike must stand out
from what is beside it, and from what chance would bring.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wsdiag import timers

SPREAD = 0.015
"""A repeated time lies within 1.5 % of the timer's value."""

SURVIVED = 1.05
"""A silence or age so many times the timer's that is survived refutes the timer."""

REPEATED = 3
"""So many equal times make a timer; fewer may be chance."""

SHORTEST_S = 4.0
"""Shorter silences are ordinary gaps between messages."""

OVER_BACKGROUND, NEIGHBOURS = 5.0, 4
"""A spike holds this many times the mean count of its neighbours, so many to each side."""

BY_CHANCE, CROWD = 0.05, 40
"""So often at most may ends that follow no timer bring such a spike anywhere on a clock; more than
so many, of which those beside them are a fifth, they never bring."""

APART_S = 2.0
"""Ends at one moment have another cause: only those further apart speak for a timer."""

MANY, AGREE, ABOUT = 8, 0.05, 0.1
"""So many ends that scatter by less than 5 % agree as a whole, within 10 % of their median: their
owner looks at its clock only now and then."""

MAX_PLACES = 16
"""So many places are tried for a spike."""


class Ends(NamedTuple):
    """Ends on one clock: seconds, how finely these are known, when each came (seconds since 1970),
    whether it is not explained yet, and the longest that any connection survived, if that is known.
    """

    values: np.ndarray
    ticks: np.ndarray
    moments: np.ndarray
    left: np.ndarray
    survived: object


def densest(ends: Ends) -> np.ndarray | None:
    """The ends of the fullest spike on one clock; of equally full ones that at a known default."""
    values, ticks, moments, left, survived = ends
    chosen = np.flatnonzero(left & (values >= SHORTEST_S))
    if len(chosen) < REPEATED:
        return None
    chosen = chosen[np.argsort(values[chosen], kind="stable")]
    ordered = values[chosen]
    tick = float(np.median(ticks[chosen]))
    margin = np.maximum(ordered * SPREAD, tick)
    counts = within(ordered, ordered, margin)
    good = counts >= REPEATED
    if isinstance(survived, (int, float)):
        good &= survived <= ordered * SURVIVED + tick
    full = standing_out(ordered, margin, counts, np.flatnonzero(good))
    known = timers.are_defaults(ordered[full], timers.IDLE + timers.AGE)
    seldom = ~_by_chance(ordered, margin, counts, full, known)
    full, known = full[seldom], known[seldom]
    for place in full[np.lexsort((~known, -counts[full]))][:MAX_PLACES]:
        centre = float(np.median(ordered[np.abs(ordered - ordered[place]) <= margin[place]]))
        members = chosen[np.abs(ordered - centre) <= max(centre * SPREAD, tick)]
        if len(members) >= REPEATED and np.ptp(moments[members]) > APART_S:
            return members
    return None


def standing_out(
    ordered: np.ndarray, margin: np.ndarray, counts: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Of the places those whose count is far above the mean of their neighbours'.

    The nearest are counted first: what does not stand out from these alone never will.
    """
    around = np.zeros(len(places))
    for away in range(1, NEIGHBOURS + 1):
        for shift in (-2 * away, 2 * away):
            wide = margin[places]
            around += within(ordered, ordered[places] + shift * wide, wide)
        stands = counts[places] * 2 * NEIGHBOURS >= OVER_BACKGROUND * around
        places, around = places[stands], around[stands]
    return places


def _by_chance(
    ordered: np.ndarray,
    margin: np.ndarray,
    counts: np.ndarray,
    places: np.ndarray,
    known: np.ndarray,
) -> np.ndarray:
    """Whether as many would stand at each place, or at another like it, without any timer.

    So many are expected as stand on the fuller side beside it, or where these are few as there
    were if all differed by a factor of e at least. `known`: the place is a known timer's.
    """
    centre, wide = ordered[places], margin[places]
    below, above = (
        sum(within(ordered, centre + way * 2 * k * wide, wide) for k in range(1, NEIGHBOURS + 1))
        for way in (-1, 1)
    )
    all_over = len(ordered) * 2 * wide / centre
    expected = np.minimum((np.maximum(below, above) + 0.5) / NEIGHBOURS, all_over)
    many = counts[places]
    at_timers = _chance(many, expected) * len(timers.defaults(timers.IDLE + timers.AGE))
    beside_one = _chance(many - 1, expected) * len(ordered)
    likely = np.where(known, at_timers, beside_one) > BY_CHANCE
    return np.asarray(likely & (many <= CROWD))


def _chance(least: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How often at least so many ends stand where so many are expected (Poisson)."""
    fewer, term = np.zeros(len(least)), np.exp(-expected)
    for many in range(CROWD):
        fewer += np.where(many < least, term, 0.0)
        term = term * expected / (many + 1)
    return 1 - fewer


def agreeing(ends: Ends) -> np.ndarray | None:
    """The ends that agree as a whole on one clock, where one cause made most of them."""
    values, ticks, moments, left, survived = ends
    chosen = np.flatnonzero(left & ~np.isnan(values))
    if len(chosen) < MANY or scatter(values, chosen, ticks) > AGREE:
        return None
    middle = float(np.median(values[chosen]))
    members = chosen[np.abs(values[chosen] - middle) <= middle * ABOUT]
    outlived = isinstance(survived, (int, float)) and survived > values[members].max() * SURVIVED
    if middle < SHORTEST_S or len(members) < MANY or outlived:
        return None
    return members if np.ptp(moments[members]) > APART_S else None


def within(ordered: np.ndarray, centres: np.ndarray, margin: np.ndarray) -> np.ndarray:
    above = np.searchsorted(ordered, centres + margin, "right")
    below = np.searchsorted(ordered, centres - margin, "left")
    return np.asarray(above - below)


def scatter(values: np.ndarray, members: np.ndarray, ticks: np.ndarray) -> float:
    """The robust coefficient of variation, no finer than the clocks tick."""
    chosen = values[members]
    middle = float(np.median(chosen))
    if not np.isfinite(middle) or middle <= 0:
        return float("inf")
    mad = float(np.median(np.abs(chosen - middle)))
    return max(1.4826 * mad, float(np.median(ticks[members])) / 10) / middle
