"""reconnect-time: from an end the client did not choose to its next 101."""

from __future__ import annotations

import pytest
from story import CLIENT, SERVER, judge, life, proxied, row

NAME = "reconnect-time"


def returns(*gaps: float, code: int | None = 1012, by: str = "s2c", **known: object) -> list[dict]:
    """Each user's connection ends at 60 s and is followed by another after the gap."""
    rows = []
    for number, gap in enumerate(gaps):
        who = {"user": f"user-{number}"} | known
        rows += life(f"a{number}", number, 60, code=code, by=by, **who)
        rows += life(f"b{number}", 60 + gap, stops=300, **who)
    return rows


def test_clients_that_stay_away() -> None:
    (finding,) = judge(NAME, returns(40.0, 45.0, 50.0)).findings
    assert finding["severity"] == "warning"
    assert (finding["count"], finding["target"], finding["unit"]) == (3, 30.0, "s")
    assert finding["measured"] == pytest.approx(50, abs=0.1)
    assert finding["traits"] == ["no-failed-tries"]
    assert len(finding["evidence"]) >= 2


def test_back_in_time() -> None:
    said = judge(NAME, returns(1.0, 2.0, 29.9))
    assert said.verdict == "pass"
    assert "of 3 reconnects, target 30 s" in said.why


def test_a_target_of_ones_own() -> None:
    assert judge(NAME, returns(9.0), reconnect_s=5.0).verdict == "breach"
    assert judge(NAME, returns(9.0), reconnect_s=9.5).verdict == "pass"


@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_client_that_left_on_purpose_is_not_reconnecting(code: int) -> None:
    said = judge(NAME, returns(3600.0, 7200.0, code=code, by="c2s"))
    assert (said.verdict, said.findings) == ("not-applicable", [])


def test_a_1000_of_the_server_is_not_the_clients_plan() -> None:
    assert judge(NAME, returns(40.0, code=1000, by="s2c")).verdict == "breach"


def test_who_may_have_left_by_plan_and_comes_again_later_is_on_another_visit() -> None:
    """A log that says 1001 and not whose: a page that was left, or a server that went away."""

    def left(number: int, *, together: bool) -> list[dict]:
        over = 60.0 if together else 60.0 + 100 * number
        who = {"user": f"user-{number}", "source": SERVER}
        return [
            *life(f"a{number}", number, over, code=1001, by=None, **who),
            *life(f"b{number}", over + 120, stops=900, **who),
        ]

    apart = [r for n in range(4) for r in left(n, together=False)]
    assert judge(NAME, apart).findings == []
    at_once = [r for n in range(4) for r in left(n, together=True)]
    assert judge(NAME, at_once).findings[0]["count"] == 4
    tried = [row("rejected", 80, "t", SERVER, code=503, user="user-0")]
    assert judge(NAME, [*left(0, together=True), *tried]).findings[0]["count"] == 1


def test_a_dead_connection_is_followed() -> None:
    assert judge(NAME, returns(40.0, code=None)).verdict == "breach"


def test_an_address_is_no_identity() -> None:
    """Two users behind one NAT: the second came an hour after the first was gone."""
    rows = [
        *life("a", 0, 60, code=1011, peer="192.0.2.1:40000"),
        *life("b", 3660, 3700, code=1000, by="c2s", peer="192.0.2.1:40001"),
    ]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_two_users_do_not_reconnect_for_each_other() -> None:
    rows = [*life("a", 0, 60, code=1011, user="user-1"), *life("b", 200, stops=300, user="user-2")]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_a_client_logs_own_name_is_an_identity() -> None:
    rows = [
        *life("c00", 0, 60, code=1012, source=CLIENT),
        *life("c00", 110, stops=300, source=CLIENT),
    ]
    assert judge(NAME, rows).count == 1


def test_names_of_two_client_logs_are_two_clients() -> None:
    one, other = "client-1.log", "client-2.log"
    rows = [
        *life("conn", 0, 60, code=1012, source=one, vantage="client"),
        *life("conn", 150, stops=300, source=other, vantage="client"),
    ]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_tries_that_failed_on_the_way() -> None:
    rows = returns(40.0)
    rows += [row("attempt", 70, "x", user="user-0"), row("refused", 70.01, "x", user="user-0")]
    assert judge(NAME, rows).traits == {"failed-tries"}


def test_failures_of_others_are_not_its_own() -> None:
    rows = returns(40.0)
    rows += [row("attempt", 70, "x", user="user-9"), row("refused", 70.01, "x", user="user-9")]
    assert judge(NAME, rows).traits == {"no-failed-tries"}


def test_the_next_connection_counts_not_a_later_one() -> None:
    rows = returns(2.0)
    rows += life("z", 500, stops=600, user="user-0")
    assert judge(NAME, rows).verdict == "pass"


def test_a_second_tab_that_was_open_all_the_time_is_no_reconnect() -> None:
    rows = [*life("a", 0, 60, code=1011, user="user-1"), *life("b", 5, stops=300, user="user-1")]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_one_return_told_by_three_sources_is_one() -> None:
    rows = [
        *proxied("a", 0, 60, by="s2c", code=1012, user="user-1"),
        *proxied("b", 62, stops=300, user="user-1"),
        *life("ab12", 0, 60, source=SERVER, code=1012, key="key-a"),
        *life("cd34", 62, source=SERVER, key="key-b"),
    ]
    assert "of 1 reconnects" in judge(NAME, rows).why


def away(seconds: float, *tries: float) -> list[dict]:
    """One user is cut off at 30 s, tries in vain, and is back so many seconds later."""
    rows = [
        *life("a", 0, 30, user="u1"),
        *life("b", 30 + seconds, 60 + seconds, code=1000, by="c2s", user="u1"),
    ]
    for n, at in enumerate(tries):
        rows += [
            row("attempt", at, f"t{n}", user="u1"),
            row("refused", at + 0.01, f"t{n}", user="u1"),
        ]
    return rows


def test_who_comes_back_much_later_is_on_another_visit() -> None:
    assert judge(NAME, away(900)).verdict == "not-applicable"


def test_who_tries_all_the_while_is_away_for_all_of_it() -> None:
    said = judge(NAME, away(900, 300, 600))
    assert said.findings[0]["measured"] == pytest.approx(900, abs=1)


@pytest.mark.parametrize(
    ("until", "opens", "found"), [(100, False, True), (20, False, False), (100, True, False)]
)
def test_a_page_that_no_longer_tries(until: float, *, opens: bool, found: bool) -> None:
    """Its server answers other requests, for much longer than it had ever waited."""
    rows = life("e0", 0, stops=50, source=CLIENT)
    for n, start in enumerate((60.0, 61.0, 63.0, 67.0)):
        rows += [row(kind, start, f"e{n + 1}", CLIENT) for kind in ("attempt", "refused")]
    rows.append(row("page", 67.0 + until, None, CLIENT, reason="page served"))
    if opens:
        rows += life("e9", 70, stops=90, source=CLIENT)
    assert ("though-served" in judge(NAME, rows).traits) is found
