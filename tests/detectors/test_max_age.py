"""max-age: ends at one age, whatever crossed the connection."""

from __future__ import annotations

from typing import Any

import pytest
from story import CLIENT, PROXY, SERVER, WIRE, Row, chat, judge, life, row

NAME = "max-age"


def busy(conn: str, opened: float, age: float, source: str = WIRE, **how: Any) -> list[Row]:
    """A connection in use until it ends at this age; each conversation has gaps of its own."""
    step = 1.1 + 0.3 * (int(opened) % 5)
    times = [opened + 1 + step * n for n in range(int((age - 1.5) / step))]
    talk = chat(conn, times) if source == WIRE else []
    return [*life(conn, opened, opened + age, source=source, **how), *talk]


def fleet(ages: list[float], **how: Any) -> list[Row]:
    return [r for n, age in enumerate(ages) for r in busy(f"c{n}", 7.0 * n, age, **how)]


def returning(ages: list[float], back: float, source: str = WIRE) -> list[Row]:
    """Each client is closed politely at an age and comes back after `back` seconds."""
    rows = fleet(ages, code=1000, source=source)
    for n, age in enumerate(ages):
        known = {"user": f"u{n}"}
        again = 7.0 * n + age + back
        rows += life(f"c{n}-next", again, stops=again + 15, source=source, **known)
        rows = [r | known if r["conn"] == f"c{n}" else r for r in rows]
    return rows


def test_one_age_in_the_middle_of_traffic() -> None:
    said = judge(NAME, fleet([30.0, 30.1, 30.0, 30.2, 29.9]))
    assert said.count == 5
    assert {"repeats", "in-use"} <= said.traits
    assert said.findings[0]["measured"] == pytest.approx(30.0, abs=0.2)


def test_ages_of_every_kind() -> None:
    assert judge(NAME, fleet([11, 17, 30, 46, 71, 95])).verdict == "pass"


def test_one_that_grew_older_refutes_it() -> None:
    rows = fleet([30.0, 30.1, 30.0, 30.2, 29.9]) + busy("old", 3, 90, code=1000, by="c2s")
    assert judge(NAME, rows).verdict == "pass"


def test_a_restart_at_one_moment_is_no_age() -> None:
    rows = [r for n in range(5) for r in busy(f"c{n}", n * 0.2, 40 - n * 0.2)]
    assert judge(NAME, rows).verdict == "pass"


def test_the_proxy_says_so() -> None:
    rows = [
        *life("a", 0, 15, source=PROXY),
        row("timeout", 15, "a", PROXY, reason="UT upstream_response_timeout", ms=15_000),
    ]
    assert "limit-logged" in judge(NAME, rows).traits


COARSE = [20.1, 21.9, 20.7, 21.3, 20.4, 21.6, 20.9, 21.1, 20.2, 21.8]
"""A limit of 20 s whose owner looks every 2 s."""


def test_closed_politely_by_a_server_that_looks_now_and_then() -> None:
    said = judge(NAME, returning(COARSE, back=0.5))
    assert said.count == len(COARSE)
    assert {"repeats", "in-use", "with-close-frame"} <= said.traits


def test_who_wanted_to_leave_does_not_come_back() -> None:
    assert judge(NAME, fleet(COARSE, code=1000)).verdict == "pass"


def test_who_comes_back_much_later_wanted_to_leave() -> None:
    assert judge(NAME, returning(COARSE, back=60)).verdict == "pass"


def test_clients_that_leave_at_one_age() -> None:
    rows = [
        r for n, age in enumerate(COARSE) for r in busy(f"c{n}", 7 * n, age, code=1000, by="c2s")
    ]
    assert judge(NAME, rows).verdict == "pass"


def test_a_client_s_log_alone_cannot_tell_age_from_silence() -> None:
    said = judge(NAME, returning(COARSE, back=0.5, source=CLIENT))
    assert "idle-equals-age" in said.traits


def test_a_server_s_log_that_names_nobody_is_not_enough() -> None:
    rows = [
        r
        for n, age in enumerate(COARSE)
        for r in life(f"c{n}", 7 * n, 7 * n + age, source=SERVER, code=1000, by=None)
    ]
    assert judge(NAME, rows).verdict == "pass"


@pytest.mark.parametrize(
    ("back", "extra", "found"), [(0.6, 0, True), (6.0, 0, False), (0.6, 9, False)]
)
def test_nameless_clients_in_whose_place_another_opens(
    back: float, extra: int, *, found: bool
) -> None:
    """The server closes at an age; what opens from that address tells if they were sent away."""
    here = {"peer": "198.51.100.7:4000", "name": "/live"}
    rows = [r | here for n in range(6) for r in busy(f"c{n}", 7.0 * n, 40.0, code=1000)]
    for n in range(6):
        again = 7.0 * n + 40 + back
        rows += [r | here for r in life(f"n{n}", again, stops=again + 20)]
    for n in range(extra * 6):  # connections open there all the time
        rows += [r | here for r in life(f"x{n}", n * 1.4, n * 1.4 + 1, code=1000, by="c2s")]
    assert (judge(NAME, rows).verdict == "breach") is found
