"""Measures over time: every moment in one step, few steps, the same steps for all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.series import MAX_STEPS, over_time

START = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")


def at(*seconds: float) -> pl.Series:
    return pl.Series([START + timedelta(seconds=second) for second in seconds], dtype=TIME)


def test_opens_closes_and_the_latency_share_their_steps() -> None:
    slow = pl.DataFrame({"at": at(0, 0, 30), "ms": [5.0, 80.0, 7.0]})
    opens, closes, latency = over_time(
        {"opens": at(0, 0, 30), "closes": at(59)}, {"connect_ms": slow, "message_ms": slow.clear()}
    )
    assert (opens.name, opens.unit, opens.start, opens.step_s) == ("opens", "", START, 2.0)
    assert len(opens.values) == len(closes.values) == len(latency.values) == 30
    assert (opens.values[0], opens.values[15], opens.values[29]) == (2, 1, 0)
    assert closes.values[29] == 1
    assert latency.unit == "ms"
    assert (latency.values[0], latency.values[1], latency.values[15]) == (80.0, None, 7.0)


def test_nothing_dated_has_no_course() -> None:
    assert over_time({"opens": at(), "closes": pl.Series([None], dtype=TIME)}, {}) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 10**9), min_size=1, max_size=20))
def test_every_moment_is_in_one_of_few_steps(seconds: list[float]) -> None:
    (opens,) = over_time({"opens": at(*seconds)}, {})
    assert len(opens.values) <= MAX_STEPS
    assert sum(value for value in opens.values if value) == len(seconds)
    end = opens.start + timedelta(seconds=opens.step_s * len(opens.values))
    moments = at(*seconds)
    assert opens.start <= moments.min()
    assert moments.max() < end
