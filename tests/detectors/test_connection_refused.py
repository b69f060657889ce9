"""connection-refused: nobody took the connection."""

from __future__ import annotations

import pytest
from story import CLIENT, PROXY, SERVER, chat, judge, life, row

NAME = "connection-refused"


def refusals(*times: float, source: str = "wire.pcap", name: str = "r") -> list[dict]:
    return [
        r
        for number, t in enumerate(times)
        for r in (
            row("attempt", t, f"{name}{number}", source),
            row("refused", t + 0.001, f"{name}{number}", source, dir="s2c"),
        )
    ]


def test_nothing_ever_opens() -> None:
    said = judge(NAME, refusals(0, 2, 6))
    assert said.verdict == "breach"
    assert said.count == 3
    assert said.traits == {"direct", "never-open", "lasting"}
    assert "nothing opened before or after" in said.findings[0]["message"]


def test_refused_while_a_server_is_away() -> None:
    rows = [*life("a", 0, 9, code=1012), *refusals(10, 11), *life("b", 13, 20, code=1000, by="c2s")]
    said = judge(NAME, rows)
    assert said.traits == {"direct", "passing"}


@pytest.mark.parametrize(
    ("said_at", "comes_back", "found"), [(9, True, True), (9, False, False), (12, True, False)]
)
def test_refused_after_a_server_said_that_it_stops(
    said_at: float, *, comes_back: bool, found: bool
) -> None:
    stop = row("server_stop", said_at, None, SERVER, reason="SIGTERM")
    rows = [*life("a", 0, 9), *refusals(10, 11), stop]
    rows += life("b", 13, 20, code=1000, by="c2s") if comes_back else []
    assert ("server-stopped" in judge(NAME, rows).traits) is found


@pytest.mark.parametrize(
    ("down", "up", "found"),
    [(9, 14, True), (15, 17, True), (9, 9.5, False), (None, 14, False), (9, None, False)],
    ids=["before", "by the next check", "before it was refused", "not down", "not up"],
)
def test_refused_while_a_proxy_has_its_backend_down(
    down: float | None, up: float | None, *, found: bool
) -> None:
    rows = [*life("a", 0, 9, code=1012), *refusals(10, 11), *life("b", 13, 20, code=1000, by="c2s")]
    for kind, at, reason in (
        ("server_stop", down, "Server be/node1 is DOWN, reason: Layer4 connection problem"),
        ("server_start", up, "Server be/node1 is UP, reason: Layer7 check passed, code: 200"),
    ):
        rows += [row(kind, at, None, PROXY, reason=reason)] if at is not None else []
    assert ("back-again" in judge(NAME, rows).traits) is found


def test_refused_to_the_end_after_it_worked() -> None:
    said = judge(NAME, [*life("a", 0, 9), *refusals(10, 11)])
    assert said.traits == {"direct", "lasting"}


def test_a_proxy_that_cannot_reach_its_backend() -> None:
    rows = [
        row("refused", 0, "*5", PROXY, pos=1, reason="connect() failed (111: Connection refused)"),
        row("rejected", 0.001, "*5", PROXY, pos=2, code=502),
    ]
    said = judge(NAME, rows)
    assert "backend" in said.traits
    assert "direct" not in said.traits
    assert said.count == 1


def test_the_same_refusal_seen_twice_is_one() -> None:
    rows = [*refusals(0, 10, 20), *refusals(0.0, 10.0, 20.0, source=CLIENT, name="c")]
    assert judge(NAME, rows).count == 3


def test_refusals_too_dense_to_tie_are_counted_once() -> None:
    times = [0.02 * n for n in range(12)]
    later = [t + 0.009 for t in times]
    rows = [*refusals(*times), *refusals(*later, source=CLIENT, name="c")]
    assert judge(NAME, rows).count == 12


def test_attempts_that_open_are_clean() -> None:
    said = judge(NAME, [*life("a", 0, 9, code=1000, by="c2s"), *life("b", 1, stops=20)])
    assert (said.verdict, said.why) == ("pass", "2 attempts seen, none refused")


def test_an_http_status_is_no_refusal() -> None:
    rows = [row("attempt", 0, "a"), row("rejected", 0.01, "a", code=503)]
    assert judge(NAME, rows).verdict == "pass"


def test_a_capture_from_the_middle_of_a_connection_shows_no_attempt() -> None:
    assert judge(NAME, chat("a", [1, 2, 3])).verdict == "not-applicable"


def test_a_server_log_of_closes_shows_no_attempt() -> None:
    assert judge(NAME, [row("close", 5, "ab12", SERVER, code=1000)]).verdict == "not-applicable"


def test_without_times_a_refusal_may_have_passed() -> None:
    undated = [row("refused", None, "a", CLIENT), row("open", None, "b", CLIENT)]
    assert "undated" in judge(NAME, undated).traits
    assert "never-open" in judge(NAME, undated[:1]).traits


@pytest.mark.parametrize(("path", "elsewhere"), [("/dead/ws", True), ("/ws", False), (None, False)])
def test_a_route_on_which_none_opens(path: str | None, *, elsewhere: bool) -> None:
    rows = [r for n in range(3) for r in life(f"c{n}", 10.0 * n, 60, source=PROXY, name="/ws")]
    refused = row("refused", 15, "r", PROXY, name=path), row("rejected", 15, "r", PROXY, code=502)
    for told in (refused, refused[:1]):  # HAProxy's one line, and nginx's two
        said = judge(NAME, [*rows, *(r | {"name": path} for r in told)])
        assert ("other-route" in said.traits) is elsewhere
    assert ("passing" in said.traits) is not elsewhere


def test_some_open_between_the_first_refusal_and_the_last() -> None:
    """Not every attempt was refused, though none opened before or after."""
    said = judge(NAME, [*refusals(0, 90), *life("c", 10, 60)])
    assert "never-open" not in said.traits
    assert "all-along" in said.traits
    assert said.findings[0]["message"] == "2 attempts refused, while others opened"


@pytest.mark.parametrize(("others", "found"), [(3, True), (1, False)])
def test_others_that_live_through_it(others: int, *, found: bool) -> None:
    rows = [r for n in range(others) for r in life(f"o{n}", n, 60, source=PROXY)]
    rows += refusals(20, 21, source=PROXY)
    said = judge(NAME, rows)
    assert ("others-lived" in said.traits) is found
    assert ("lasting" in said.traits) is not found
