"""Times against a target: one finding over all that are beyond it, or the sentence that none is."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from story import at

from wsdiag.beyond import over_target, within_target
from wsdiag.finding import POINTER, Severity


def latencies(*values: float) -> pl.LazyFrame:
    """One measurement of a session each, with a pointer into its log."""
    return pl.LazyFrame(
        [
            {
                "session": f"s-{number}",
                "started": at(number),
                "ended": at(number + 10),
                "measured": value,
                "pointers": [
                    {"source": f"s-{number}.log", "pos": 1, "ts": at(number), "vantage": "server"}
                ],
            }
            for number, value in enumerate(values)
        ],
        schema={
            "session": pl.String,
            "started": pl.Datetime("us", "UTC"),
            "ended": pl.Datetime("us", "UTC"),
            "measured": pl.Float64,
            "pointers": pl.List(POINTER),
        },
    )


def over(values: pl.LazyFrame, target: float = 50.0, percentile: float = 95.0) -> list[dict]:
    plan = over_target(
        values,
        detector="x",
        severity=Severity.WARNING,
        target=target,
        unit="ms",
        percentile=percentile,
        what="message",
    )
    return plan.collect().to_dicts()


def test_over_target_counts_only_what_is_over() -> None:
    (finding,) = over(latencies(10, 60, 70, 80))
    assert finding["count"] == 3
    assert finding["measured"] == 80
    assert finding["message"] == "3 of 4 messages above 50 ms: p95 80.0 ms, worst 80.0 ms"
    assert finding["sessions"] == ["s-1", "s-2", "s-3"]


def test_exactly_on_target_is_not_over() -> None:
    (finding,) = over(latencies(50, 50, 60, 70))
    assert finding["count"] == 2


@pytest.mark.parametrize(
    ("values", "percentile"),
    [((50.0, 50.0), 95.0), ((1.0,) * 39 + (500.0,), 95.0), ((1.0, 1.0, 90.0), 50.0), ((), 95.0)],
)
def test_within_the_percentile_is_no_finding(values: tuple[float, ...], percentile: float) -> None:
    assert over(latencies(*values), percentile=percentile) == []


def test_within_target_says_so() -> None:
    row = within_target(latencies(10, 20, 30), 50, "ms", 95, "messages").collect().row(0)
    assert row == (3, "p95 30.0 ms of 3 messages, target 50 ms")
    assert within_target(latencies(), 50, "ms", 95, "messages").collect().row(0)[0] == 0


def test_a_longer_wait_never_makes_a_finding_go_away() -> None:
    base = [10.0, 20.0, 60.0]
    assert over(latencies(*base))
    assert over(latencies(*base, 1000.0))
    assert over(latencies(*(value + timedelta(seconds=1).total_seconds() for value in base)))
