"""server-stall: everybody waits at the same moment."""

from __future__ import annotations

import pytest
from story import SERVER, chat, judge, life, pings, row

NAME = "server-stall"


def clients(number: int, slow: int, at: float = 30.0, ms: float = 1500.0) -> list[dict]:
    """All of them talk every few seconds; at `at` the first `slow` ones wait."""
    rows = []
    for n in range(number):
        rows += life(f"c{n}", 0.1 * n, 60, code=1000, by="c2s")
        rows += chat(f"c{n}", [5.2 + 0.01 * n, 15.2 + 0.01 * n])
        rows += chat(f"c{n}", [at + 0.01 * n], ms=ms if n < slow else 5.0, first=50)
    return rows


def test_they_wait_together() -> None:
    said = judge(NAME, clients(5, slow=5))
    (finding,) = said.findings
    assert (finding["count"], finding["measured"], finding["unit"]) == (5, 1500.0, "ms")
    assert finding["severity"] == "error"
    assert said.traits == {"together", "long"}


def test_one_that_waits_among_many_is_its_own_trouble() -> None:
    said = judge(NAME, clients(5, slow=1))
    assert (said.verdict, said.findings) == ("pass", [])


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.49, 0.495, 0.75])
def test_the_second_hand_does_not_matter(phase: float) -> None:
    """The same shared wait, wherever its end falls within a second."""
    assert judge(NAME, clients(2, slow=2, at=30.0 + phase, ms=500.0)).count == 2


@pytest.mark.xfail(
    strict=True,
    reason="connections answered during the wait are not counted as busy: the others' answers"
    " end in an earlier second than the slow ones",
)
def test_two_that_wait_while_four_are_served() -> None:
    """A process that answers others meanwhile is not blocked."""
    assert judge(NAME, clients(6, slow=2)).findings == []


def test_half_of_the_busy_ones_are_enough() -> None:
    assert judge(NAME, clients(6, slow=3)).count == 3


def test_two_short_waits_among_six_are_not_everybody() -> None:
    assert judge(NAME, clients(6, slow=2, ms=120.0)).findings == []


def test_waits_at_different_moments_are_no_stall() -> None:
    rows = []
    for n in range(5):
        rows += life(f"c{n}", 0.1 * n, 90, code=1000, by="c2s")
        rows += chat(f"c{n}", [10.0 + 12 * n], ms=800.0)
    assert judge(NAME, rows).findings == []


def test_quick_answers_are_clean() -> None:
    said = judge(NAME, clients(3, slow=0))
    assert said.verdict == "pass"
    assert "none shared" in said.why


def test_exactly_on_target_is_not_slow() -> None:
    assert judge(NAME, clients(4, slow=4, ms=50.0)).verdict == "pass"


def test_retransmissions_at_that_moment_speak_for_the_network() -> None:
    rows = clients(5, slow=5)
    for t in range(28, 34):
        rows += [row("retransmit", t + 0.5, f"c{n}", dir="s2c") for n in range(5)]
    assert judge(NAME, rows).findings == []


def test_retransmissions_of_another_minute_say_nothing() -> None:
    rows = [*clients(5, slow=5), row("retransmit", 50, "c0", dir="s2c")]
    assert judge(NAME, rows).count == 5


def test_handshakes_that_wait_together() -> None:
    rows = [r for n in range(4) for r in life(f"c{n}", 30 + 0.01 * n, 60, code=1000, ms=900.0)]
    assert judge(NAME, rows).count == 4


@pytest.mark.parametrize(
    ("alone", "ms", "found"),
    [(12, 190.0, False), (12, 900.0, True), (6, 190.0, True)],
    ids=["as-long-as-alone", "longer-than-alone", "few-alone"],
)
def test_two_that_meet_where_all_wait_as_long_alone(alone: int, ms: float, *, found: bool) -> None:
    """A slow handshake is slow by itself: that two of them met says nothing."""
    rows = [r for n in range(2) for r in life(f"c{n}", 30 + 0.01 * n, 60, code=1000, ms=ms)]
    for n in range(alone):
        rows += life(f"a{n}", 40 + 3.0 * n, 100, code=1000, ms=185.0)
    assert bool(judge(NAME, rows).findings) == found


def test_pongs_that_the_server_owes() -> None:
    rows = []
    for n in range(3):
        rows += life(f"c{n}", 0.1 * n, 60, code=1000, by="c2s")
        rows += pings(f"c{n}", [20 + 0.01 * n], dir="c2s", pong_ms=2000.0)
    assert judge(NAME, rows).count == 3


def test_pongs_that_the_clients_owe_do_not_accuse_the_server() -> None:
    rows = []
    for n in range(3):
        rows += life(f"c{n}", 0.1 * n, 60, code=1000, by="c2s")
        rows += pings(f"c{n}", [20 + 0.01 * n], dir="s2c", pong_ms=2000.0)
    assert judge(NAME, rows).findings == []


def test_a_stall_for_seconds_and_seconds_is_lasting() -> None:
    rows = []
    for n in range(3):
        rows += life(f"c{n}", 0.1 * n, 60, code=1000, by="c2s")
        rows += chat(f"c{n}", [10.2 + 0.01 * n + t for t in range(8)], ms=200.0)
    assert "lasting" in judge(NAME, rows).traits


def test_a_stall_of_a_few_seconds_is_not_lasting() -> None:
    rows = []
    for n in range(3):
        rows += life(f"c{n}", 0.1 * n, 60, code=1000, by="c2s")
        rows += chat(f"c{n}", [10.2 + 0.01 * n + t for t in range(4)], ms=200.0)
    said = judge(NAME, rows)
    assert said.count == 3
    assert "lasting" not in said.traits


def test_a_process_that_says_so_itself() -> None:
    rows = [
        row("stall", 10, None, SERVER, ms=4000.0, reason="Executing <Task> took 4.000 seconds"),
        row("stall", 40, None, SERVER, ms=3000.0, reason="Executing <Task> took 3.000 seconds"),
    ]
    (finding,) = judge(NAME, rows).findings
    assert (finding["count"], finding["measured"]) == (2, 4000.0)
    assert finding["traits"] == ["stated"]


def test_a_single_connection_cannot_be_compared() -> None:
    rows = [*life("a", 0, 60, code=1000), *chat("a", [5, 10, 20], ms=3000.0)]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_a_retransmission_shortly_before_speaks_for_the_network_too() -> None:
    """Of what was lost before the capture, at the end of what one side says, none is seen."""
    rows = [*clients(5, slow=5), *(row("retransmit", t, "c0", dir="c2s") for t in range(26, 38, 2))]
    assert judge(NAME, rows).findings == []


@pytest.mark.parametrize(("others_ms", "found"), [(700.0, True), (5.0, False)])
def test_waits_that_are_long_all_the_time(others_ms: float, *, found: bool) -> None:
    """One queue for all is slow all along; a call that blocks lets those between pass."""
    rows = []
    for n in range(4):
        rows += life(f"c{n}", 0.1 * n, 90, code=1000, by="c2s")
        rows += chat(f"c{n}", [10 + 0.01 * n, 60 + 0.01 * n], ms=800.0)
        between = [15.0 + 2 * k + 0.01 * n for k in range(20)]
        rows += chat(f"c{n}", between, ms=others_ms, first=50)
    assert ("all-along" in judge(NAME, rows).traits) is found
