"""The checklist: decided from evidence alone, absence is never a pass."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from story import CLIENT, PROXY, SERVER, at, chat, life, pings, row

from explain.cases import finding, from_findings, from_rows
from wsdiag.explain import Case, checklist

TOKEN = "auth token valid at connect"
HEARTBEAT = "heartbeat implemented"
RECONNECTION = "reconnection with exponential backoff and jitter"

ASKED = ("token-expiry", "missed-heartbeat", "reconnect-storm", "handshake-rejected")


def items(case: Case) -> dict[str, tuple[str, str]]:
    return {item.item: (item.verdict, item.why) for item in checklist(case.frame, case.story)}


def verdict(rows: list[dict], item: str) -> str:
    return items(from_rows(rows, only=ASKED))[item][0]


def test_five_items_each_with_a_reason() -> None:
    said = items(from_rows([]))
    assert len(said) == 5
    assert {decided for decided, _ in said.values()} == {"NOT DECIDABLE"}
    assert all(why for _, why in said.values())


def test_the_token() -> None:
    expires = {"token": "token-1", "expires": at(60)}
    assert verdict(life("a", 0, 30, code=1000, **expires), TOKEN) == "PASS"
    assert verdict(life("a", 0, 60, code=4401, **expires), TOKEN) == "PARTIAL"
    late = [row("attempt", 70, "a", **expires), row("rejected", 70.1, "a", code=401, **expires)]
    assert verdict(late, TOKEN) == "FAIL"
    assert verdict(life("a", 0, 60, code=1000), TOKEN) == "NOT DECIDABLE"


@pytest.mark.parametrize(
    ("status", "expected"), [(401, "FAIL"), (403, "FAIL"), (503, "NOT DECIDABLE")]
)
def test_a_rejected_handshake(status: int, expected: str) -> None:
    rows = [row("attempt", 0, "a"), row("rejected", 0.1, "a", code=status)]
    assert verdict(rows, TOKEN) == expected


def test_the_heartbeat() -> None:
    assert verdict([*life("a", 0, 100, code=1000), *pings("a", [20, 40])], HEARTBEAT) == "PASS"
    given_up = [
        *life("ab12", 0, 100, source=SERVER),
        row("heartbeat_timeout", 100, "ab12", SERVER, dir="s2c"),
    ]
    assert verdict(given_up, HEARTBEAT) == "PASS"


def test_a_wire_without_pings_through_a_long_silence() -> None:
    assert verdict([*life("a", 0, 200, code=1000), *chat("a", [5, 190])], HEARTBEAT) == "FAIL"
    busy = [*life("a", 0, 200, code=1000), *chat("a", range(1, 200, 10))]
    assert verdict(busy, HEARTBEAT) == "NOT DECIDABLE"


@pytest.mark.parametrize("source", [SERVER, PROXY, CLIENT])
def test_a_source_that_cannot_show_pings_decides_nothing(source: str) -> None:
    assert verdict(life("ab12", 0, 900, source=source), HEARTBEAT) == "NOT DECIDABLE"


def test_reconnection() -> None:
    storm = from_findings(finding("reconnect-storm", "no-backoff", "no-jitter"))
    assert items(storm)[RECONNECTION][0] == "FAIL"
    assert verdict(life("a", 0, 60, code=1000), RECONNECTION) != "PASS"


def test_what_no_log_shows_is_not_decided() -> None:
    said = items(from_rows([*life("a", 0, 100, code=1000), *pings("a", [20, 40])]))
    assert said["connection status indicator in the UI"][0] == "NOT DECIDABLE"
    assert said["fallback polling if WebSocket fails"][0] == "NOT DECIDABLE"


def waiting(waits: Callable[[Random, int], float], clients: int = 6) -> list[dict]:
    """Clients that lose their connection at 60 s and try five times in vain."""
    dice = Random(3)
    rows = []
    for number in range(clients):
        name, now = f"c{number}", 60.0
        rows += life(name, 0.3 * number, 60.0, code=1012, source=CLIENT)
        for tried in range(5):
            now += waits(dice, tried)
            rows.append(row("attempt", now, name, CLIENT))
            rows.append(row("refused", now + 0.002, name, CLIENT))
    return rows


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        (lambda dice, n: 2.0**n * (0.5 + dice.random()), "PASS"),
        (lambda dice, n: 2.0**n, "PARTIAL"),
        (lambda dice, n: 4.0**n * (0.7 + 0.6 * dice.random()), "PARTIAL"),
        (lambda dice, n: 3 * (0.7 + 0.6 * dice.random()), "PARTIAL"),
        (lambda dice, n: 1.0, "FAIL"),
        (lambda dice, n: 0.03, "FAIL"),
    ],
    ids=[
        "growing with jitter",
        "growing alike",
        "growing beyond the target",
        "jitter only",
        "fixed",
        "at once",
    ],
)
def test_the_law_of_the_waits(waits: Callable[[Random, int], float], expected: str) -> None:
    assert verdict(waiting(waits), RECONNECTION) == expected


def test_pings_slower_than_a_timer_in_the_path_are_half_a_heartbeat() -> None:
    case = from_findings(finding("idle-cut", "pings-too-slow"))
    assert items(case)[HEARTBEAT][0] == "PARTIAL"


def test_polling_after_a_failed_upgrade() -> None:
    failed = [row("attempt", 0, "a"), row("rejected", 0.1, "a", code=400)]
    polls = [
        row(kind, 1 + n, f"p{n}", code=code, name="/socket.io/?EIO=4&transport=polling")
        for n in range(3)
        for kind, code in (("request", None), ("response", 200))
    ]
    item = "fallback polling if WebSocket fails"
    assert verdict([*failed, *polls], item) == "PASS"
    assert verdict(failed, item) == "NOT DECIDABLE"
    assert verdict(life("a", 0, 9, code=1000), item) == "NOT DECIDABLE"


@pytest.mark.parametrize(("status", "expected"), [(400, "FAIL"), (401, "NOT DECIDABLE")])
def test_upgrades_fail_and_nothing_takes_their_place(status: int, expected: str) -> None:
    rows = [
        r
        for n in range(3)
        for r in (row("attempt", n, f"a{n}"), row("rejected", n + 0.1, f"a{n}", code=status))
    ]
    assert verdict(rows, "fallback polling if WebSocket fails") == expected


def test_a_client_that_notices_its_ends() -> None:
    rows = life("a", 0, 60, source=CLIENT)
    assert verdict(rows, "connection status indicator in the UI") == "PARTIAL"
