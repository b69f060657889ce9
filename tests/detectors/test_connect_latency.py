"""connect-latency: p95 of the handshake against the target."""

from __future__ import annotations

import pytest
from story import CLIENT, SERVER, judge, life, proxied, row

NAME = "connect-latency"


def handshakes(*each: float) -> list[dict]:
    return [
        r
        for number, ms in enumerate(each)
        for r in life(f"c{number}", number, number + 60, code=1000, by="c2s", ms=ms)
    ]


def test_slow_handshakes() -> None:
    said = judge(NAME, handshakes(*[20.0] * 18, 250.0, 300.0))
    (finding,) = said.findings
    assert finding["severity"] == "warning"
    assert (finding["count"], finding["measured"], finding["target"]) == (2, 250.0, 100.0)
    assert finding["unit"] == "ms"
    assert "p95 250.0 ms, worst 300.0 ms" in finding["message"]


def test_one_straggler_in_forty_is_within_the_percentile() -> None:
    said = judge(NAME, handshakes(*[20.0] * 39, 900.0))
    assert said.verdict == "pass"
    assert said.why == "p95 20.0 ms of 40 handshakes, target 100 ms"


def test_exactly_on_target_is_clean() -> None:
    assert judge(NAME, handshakes(100.0, 100.0, 100.0)).verdict == "pass"


@pytest.mark.parametrize(
    ("targets", "verdict"),
    [
        ({"connect_ms": 150.0}, "pass"),
        ({"connect_ms": 149.0}, "breach"),
        ({"percentile": 50.0}, "pass"),
        ({"percentile": 100.0}, "breach"),
    ],
)
def test_targets_are_taken(targets: dict[str, float], verdict: str) -> None:
    assert judge(NAME, handshakes(20.0, 20.0, 20.0, 150.0), **targets).verdict == verdict


def test_no_timing_is_not_applicable() -> None:
    rows = [row("open", 0, "ab12", SERVER), row("open", 1, "cd34", SERVER)]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_what_the_client_felt_counts() -> None:
    """The wire's 101 came fast, but the client waited for name and TLS before."""
    rows = [
        *life("wire", 0, 9, code=1000, by="c2s", ms=5.0, key="k"),
        *life("c00", 0, 9, code=1000, by="c2s", ms=240.0, source=CLIENT, key="k"),
    ]
    assert judge(NAME, rows).findings[0]["measured"] == 240.0


def test_a_client_log_without_figures_still_has_two_moments() -> None:
    rows = [row("attempt", 0, "c00", CLIENT), row("open", 0.4, "c00", CLIENT)]
    assert judge(NAME, rows).findings[0]["measured"] == pytest.approx(400)


@pytest.mark.parametrize(("tried", "opened", "measured"), [(0, 1, None), (3, 5, 2000.0)])
def test_neighbouring_whole_seconds_are_no_measure(
    tried: int, opened: int, measured: float | None
) -> None:
    """A log of whole seconds: from one to the next may be a millisecond."""
    rows = [row("attempt", tried, "c00", CLIENT), row("open", opened, "c00", CLIENT)]
    assert [one["measured"] for one in judge(NAME, rows).findings] == (
        [measured] if measured else []
    )


def test_a_second_and_its_parts_are_a_measure() -> None:
    rows = [row("attempt", 0.25, "c00", CLIENT), row("open", 1.25, "c00", CLIENT)]
    assert judge(NAME, rows).findings[0]["measured"] == 1000.0


def test_both_legs_are_one_handshake() -> None:
    said = judge(NAME, proxied("a", 0, 9, ms=130.0))
    assert said.count == 1


def test_a_handshake_that_failed_is_not_measured() -> None:
    rows = [
        *handshakes(20.0),
        row("attempt", 5, "x"),
        row("rejected", 9, "x", code=503, ms=4000.0),
    ]
    said = judge(NAME, rows)
    assert said.verdict == "pass"
    assert "of 1 handshakes" in said.why


def test_an_attempt_and_its_open_at_one_time_measure_nothing() -> None:
    rows = [row("attempt", 0, "a", CLIENT), row("open", 0, "a", CLIENT)]
    assert judge(NAME, rows).verdict == "not-applicable"
