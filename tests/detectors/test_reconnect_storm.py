"""reconnect-storm: clients that hammer, told apart from clients that come back."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from story import CLIENT, SERVER, at, judge, life, proxied, row

NAME = "reconnect-storm"

Delay = Callable[[Random, int], float]


def fixed(seconds: float) -> Delay:
    return lambda dice, tried: seconds


def doubling(seconds: float, cap: float = 30.0) -> Delay:
    """Full jitter, as clients do it that know what they do: between nothing and the bound."""
    return lambda dice, tried: 0.05 + dice.random() * min(cap, seconds * 2**tried)


def restart(clients: int, delay: Delay, away: float = 8.0, source: str = CLIENT) -> list[dict]:
    """Every client loses its connection at 60 s and tries until the server is back."""
    dice = Random(7)
    rows = []
    for number in range(clients):
        name = f"c{number:02}"
        rows += life(name, 0.2 * number, 60.0, code=1012, source=source)
        now, tried = 60.0, 0
        while True:
            now += delay(dice, tried)
            tried += 1
            if now >= 60 + away:
                break
            rows.append(row("attempt", now, name, source))
            rows.append(row("refused", now + 0.002, name, source))
        rows += life(name, now + 0.005, stops=120, source=source)
    return rows


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0])
def test_twenty_clients_with_a_fixed_delay(seconds: float) -> None:
    said = judge(NAME, restart(20, fixed(seconds)))
    (finding,) = said.findings
    assert finding["severity"] == "error"
    assert {"no-backoff", "no-jitter", "mostly-failed"} <= said.traits
    assert "from about 20 clients" in said.why


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_twenty_clients_with_backoff_and_jitter(seconds: float) -> None:
    said = judge(NAME, restart(20, doubling(seconds)))
    assert (said.verdict, said.findings) == ("pass", [])


def test_many_quick_tries_that_grow_are_no_hammering() -> None:
    """Doubling from 100 ms makes more than five attempts in ten seconds, and still backs off."""
    rows = restart(20, lambda dice, tried: 0.1 * 2**tried * (0.9 + 0.2 * dice.random()), away=12)
    assert judge(NAME, rows).findings == []


def test_two_hundred_clients_with_backoff_are_many_but_no_storm() -> None:
    assert judge(NAME, restart(200, doubling(1.0))).verdict == "pass"


def test_one_client_in_a_loop_is_no_fleet() -> None:
    rows = restart(1, fixed(0.1), away=20)
    assert judge(NAME, rows).findings == []


def test_one_client_in_a_loop_among_quiet_ones_is_no_fleet() -> None:
    rows = restart(1, fixed(0.1), away=20)
    for number in range(12):
        rows += life(f"d{number:02}", number, stops=120, source=CLIENT)
    assert judge(NAME, rows).findings == []


def test_one_client_in_a_loop_among_ten_that_come_back_is_no_fleet() -> None:
    rows = restart(10, lambda dice, tried: 9.0, away=8)
    rows += life("mad", 1, 60, code=1012, source=CLIENT)
    for n in range(90):
        rows += [row("attempt", 60.1 + 0.1 * n, "mad", CLIENT)]
        rows += [row("refused", 60.102 + 0.1 * n, "mad", CLIENT)]
    assert judge(NAME, rows).findings == []


def test_four_clients_load_no_server() -> None:
    assert judge(NAME, restart(4, fixed(0.1))).findings == []


def test_a_delay_that_gives_five_attempts_in_ten_seconds_is_not_more_than_five() -> None:
    assert judge(NAME, restart(20, fixed(2.1), away=30)).findings == []


def test_users_that_arrive_once_each() -> None:
    """A class begins: many handshakes at once, one of each client, through one address."""
    rows = []
    for number in range(100):
        rows += life(f"c{number}", 0.05 * number, stops=60, peer=f"192.0.2.1:{40000 + number}")
    assert judge(NAME, rows).findings == []


def test_the_same_attempts_on_the_wire_and_in_logs_are_not_more() -> None:
    """Four attempts of each client, told by three sources, are four."""
    rows = []
    for number in range(20):
        for tried in range(4):
            name, t = f"{number:02}-{tried}", 60 + 2 * tried + 0.01 * number
            rows += life(f"w{name}", t, t + 0.5, code=1012, key=f"k{name}")
            rows += life(f"ab{name}", t, t + 0.5, code=1012, source=SERVER, key=f"k{name}")
            rows += [
                row("attempt", t - 0.005, f"c{number:02}", CLIENT, key=f"k{name}"),
                row("open", t, f"c{number:02}", CLIENT, key=f"k{name}"),
                row("close", t + 0.5, f"c{number:02}", CLIENT, key=f"k{name}", code=1012),
            ]
    assert judge(NAME, rows).findings == []


def test_attempts_that_nothing_ties_are_not_counted_twice() -> None:
    """Four tries of each client; the log's times fall between those of the wire."""
    rows = []
    for number in range(20):
        for tried in range(4):
            t = 60 + 2 * tried + 0.02 * number
            wire, name = f"w{number:02}-{tried}", f"c{number:02}"
            rows += [row("attempt", t, wire), row("refused", t + 0.001, wire)]
            rows += [row("attempt", t + 0.009, name, CLIENT)]
            rows += [row("refused", t + 0.01, name, CLIENT)]
    assert judge(NAME, rows).findings == []


def test_both_legs_are_one_attempt() -> None:
    rows = []
    for number in range(20):
        for tried in range(4):
            t = 60 + 2 * tried + 0.01 * number
            rows += proxied(f"{number:02}-{tried}", t, t + 0.5, by="s2c", user=f"user-{number}")
    assert judge(NAME, rows).findings == []


def test_the_clients_log_tells_the_delay_though_the_wire_saw_as_much() -> None:
    """Tries too dense to tie: the wire counts them, but only the log knows whose they are."""
    logged = restart(20, fixed(0.5))
    seen = []
    for number, r in enumerate(r for r in logged if r["kind"] in ("attempt", "refused")):
        moment = (r["ts"] - at(0)).total_seconds() + 0.0004
        if moment > 60:
            seen.append(row(r["kind"], moment, f"w{number // 2}"))
    assert judge(NAME, logged).traits >= {"no-backoff", "no-jitter"}
    assert judge(NAME, [*logged, *seen]).traits >= {"no-backoff", "no-jitter"}


def test_unknown_clients_are_counted_by_what_was_live() -> None:
    """A capture knows no clients: addresses behind a NAT, but twenty connections were open."""
    rows = []
    for number in range(20):
        rows += life(f"a{number}", 0.2 * number, 60, code=1012, peer=f"192.0.2.1:{40000 + number}")
    for number in range(20):
        for tried in range(30):
            t, port = 60.1 + 0.3 * tried + 0.01 * number, 41000 + 100 * number + tried
            conn = f"r{number}-{tried}"
            rows += [
                row("attempt", t, conn, peer=f"192.0.2.1:{port}"),
                row("refused", t + 0.001, conn, peer=f"192.0.2.1:{port}"),
            ]
    said = judge(NAME, rows)
    assert said.verdict == "breach"
    assert "no-backoff" not in said.traits


def test_a_single_connection_is_not_applicable() -> None:
    assert judge(NAME, life("a", 0, 60, code=1000)).verdict == "not-applicable"
