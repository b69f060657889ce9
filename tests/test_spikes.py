"""Ends that stand out from their neighbours, counted one after the other and all at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.endings import one_clock


def stand_out(ordered: np.ndarray, margin: np.ndarray, counts: np.ndarray) -> list[int]:
    """By the mean of all neighbours at each place."""

    def around(centre: float, reach: float) -> int:
        return int(np.sum((ordered >= centre - reach) & (ordered <= centre + reach)))

    steps = [k * 2 for k in range(-one_clock.NEIGHBOURS, one_clock.NEIGHBOURS + 1) if k]
    return [
        place
        for place, (centre, reach) in enumerate(zip(ordered, margin, strict=True))
        if counts[place]
        >= one_clock.OVER_BACKGROUND
        * np.mean([around(centre + step * reach, reach) for step in steps])
    ]


@settings(deadline=None)
@given(
    st.lists(st.integers(4_000, 40_000), max_size=40),
    st.lists(st.sampled_from([10.0, 15.0, 30.0]), max_size=40),
    st.sampled_from([0.001, 0.5]),
)
def test_what_stands_out(alone: list[int], together: list[float], tick: float) -> None:
    ordered = np.sort(np.array([*(one / 1000 for one in alone), *together]))
    margin = np.maximum(ordered * one_clock.SPREAD, tick)
    counts = one_clock.within(ordered, ordered, margin)
    found = one_clock.standing_out(ordered, margin, counts, np.arange(len(ordered)))
    assert found.tolist() == stand_out(ordered, margin, counts)


def test_a_spike_among_scattered_ends_stands_out() -> None:
    ordered = np.sort(np.array([*np.linspace(5, 50, 40), *[30.0] * 20]))
    margin = ordered * one_clock.SPREAD
    counts = one_clock.within(ordered, ordered, margin)
    repeated = np.flatnonzero(counts >= one_clock.REPEATED)
    found = one_clock.standing_out(ordered, margin, counts, repeated)
    assert np.allclose(ordered[found], 30.0, rtol=one_clock.SPREAD)
    assert 20 <= len(found) < len(ordered)
