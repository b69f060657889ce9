"""missed-heartbeat: pings that nobody answered, and nothing that only looks like it."""

from __future__ import annotations

import pytest
from story import CLIENT, PROXY, SERVER, Row, chat, judge, life, pings, proxied, row

NAME = "missed-heartbeat"


def gone(conn: str = "a", *, ended: float = 80.0, start: float = 0.0) -> list[dict]:
    """Answers pings at 20 and 40 s, not the one at 60 s; the server closes with 1011."""
    return [
        *life(conn, start, start + ended, code=1011, reason="keepalive ping timeout"),
        *pings(conn, [start + 20, start + 40]),
        *pings(conn, [start + 60], pong_ms=None),
    ]


def test_a_ping_without_a_pong() -> None:
    said = judge(NAME, gone())
    (finding,) = said.findings
    assert finding["count"] == 1
    assert finding["severity"] == "error"
    assert finding["measured"] == pytest.approx(20, abs=0.01)
    assert finding["unit"] == "s"
    assert said.traits == {"stated", "acked", "clients-silent", "one-by-one"}
    assert "the application did not answer" in said.why


def test_the_proof_cites_the_ping_and_the_end() -> None:
    (finding,) = judge(NAME, gone()).findings
    pos = {r["pos"] for r in finding["evidence"]}
    assert 7 in pos  # the ping at 60 s, after attempt, open, and two answered pings
    assert len(finding["evidence"]) >= 2


def test_tcp_that_sent_it_again_and_again() -> None:
    rows = [*gone(), *(row("retransmit", 60 + 0.2 * 2**n, "a", dir="s2c") for n in range(5))]
    said = judge(NAME, rows)
    assert "not-acked" in said.traits
    assert "acked" not in said.traits
    assert "TCP never acknowledged it" in said.why


def test_a_retransmission_long_before_the_ping_says_nothing_about_it() -> None:
    rows = [*gone(), *(row("retransmit", 5 + n, "a", dir="s2c") for n in range(3))]
    assert "not-acked" not in judge(NAME, rows).traits


def test_a_log_that_says_so() -> None:
    rows = [
        *life("ab12", 0, 80, source=SERVER),
        row("heartbeat_timeout", 80, "ab12", SERVER, dir="s2c", reason="ping timeout"),
    ]
    said = judge(NAME, rows)
    assert said.traits == {"stated", "one-by-one"}
    assert said.findings[0]["confidence"] < 0.95


@pytest.mark.parametrize(
    ("codes", "reason", "found"),
    [
        ([1000, 1000], "heartbeat timeout", True),
        ([1000, 4000, 4000], "heartbeat timeout", False),  # one of many
        ([1000, 1000], "OK", False),  # a pong was still to come when the client left
    ],
)
def test_closed_with_a_normal_code(codes: list[int], reason: str, *, found: bool) -> None:
    rows = [
        r
        for n, code in enumerate(codes)
        for r in (
            *life(f"ab{n}", 3 * n, 80 + n, source=SERVER, code=code, reason=reason, by=None),
            row("ping", 70, f"ab{n}", SERVER, dir="s2c"),
        )
    ]
    assert ("normal-code" in judge(NAME, rows).traits) is found


def test_1011_with_another_reason_is_another_fault() -> None:
    said = judge(NAME, life("a", 0, 30, code=1011, reason="internal error"))
    assert said.findings == []


def test_answered_pings_are_clean() -> None:
    rows = [*life("a", 0, 100, code=1000, by="c2s"), *pings("a", range(20, 100, 20))]
    said = judge(NAME, rows)
    assert (said.verdict, said.why) == (
        "pass",
        "1 connections with heartbeats, none left unanswered",
    )


@pytest.mark.parametrize("after", [0.2, 5.0, 25.0])
def test_evidence_that_stops_after_a_ping(after: float) -> None:
    """Its answer had no time to come, as far as this evidence goes."""
    rows = [*life("a", 0, stops=60 + after), *pings("a", [20, 40]), *pings("a", [60], pong_ms=None)]
    assert judge(NAME, rows).findings == []


def test_evidence_that_goes_on_for_minutes_after_a_ping() -> None:
    rows = [*life("a", 0, stops=200), *pings("a", [20, 40]), *pings("a", [60], pong_ms=None)]
    assert judge(NAME, rows).count == 1


def test_an_end_right_after_a_ping() -> None:
    rows = [*life("a", 0, 60.4, code=1000, by="c2s"), *pings("a", [20, 40])]
    assert judge(NAME, [*rows, *pings("a", [60], pong_ms=None)]).findings == []


def test_a_ping_seen_from_two_places_does_not_halve_the_gap() -> None:
    """Pings come every 20 s: 25 s after the last one the evidence may still stop."""
    rows = [*life("wire", 0, stops=85, key="k"), *life("c00", 0, stops=85, source=CLIENT, key="k")]
    for conn, source, lag in (("wire", "wire.pcap", 0.0), ("c00", CLIENT, 0.002)):
        rows += pings(conn, [20 + lag, 40 + lag], source=source)
        rows += pings(conn, [60 + lag], source=source, pong_ms=None)
    assert judge(NAME, rows).findings == []


def test_the_two_legs_do_not_halve_the_gap_either() -> None:
    rows = proxied("a", 0, stops=85)
    for leg, lag in (("back", 0.0), ("front", 0.001)):
        rows += pings(f"a-{leg}", [20 + lag, 40 + lag])
        rows += pings(f"a-{leg}", [60 + lag], pong_ms=None)
    assert judge(NAME, rows).findings == []


def test_an_answer_on_one_leg_is_no_answer_on_the_other() -> None:
    """The proxy is not in the evidence as a culprit: the pong arrived, so the heart beat."""
    rows = [*proxied("a", 0, 90, by="c2s", code=1000)]
    for leg, lag in (("back", 0.0), ("front", 0.001)):
        rows += pings(f"a-{leg}", [20 + lag, 40 + lag, 60 + lag])
    assert judge(NAME, rows).findings == []


def test_pings_of_both_directions_are_kept_apart() -> None:
    """The client's pings are answered to the end, the server's are not."""
    rows = [*gone(), *pings("a", range(5, 80, 10), dir="c2s")]
    assert judge(NAME, rows).count == 1


def test_messages_are_no_pongs() -> None:
    assert judge(NAME, [*gone(), *chat("a", [65, 70])]).count == 1


def test_a_late_pong_is_an_answer() -> None:
    rows = [*life("a", 0, 100, code=1000, by="c2s"), *pings("a", [20, 40, 60], pong_ms=8000.0)]
    assert judge(NAME, rows).findings == []


def test_peers_given_up_together_and_one_by_one() -> None:
    together = [r for n in range(4) for r in gone(f"c{n}", start=0.1 * n)]
    apart = [r for n in range(4) for r in gone(f"c{n}", start=30.0 * n)]
    assert "together" in judge(NAME, together).traits
    assert "one-by-one" in judge(NAME, apart).traits


def test_one_peer_told_by_wire_and_server_is_no_togetherness() -> None:
    rows = gone()
    rows[:2] = [r | {"key": "k"} for r in rows[:2]]
    rows += life("ab12", 0, 80, source=SERVER, code=1011, reason="keepalive ping timeout", key="k")
    rows += [row("heartbeat_timeout", 80, "ab12", SERVER, dir="s2c")]
    said = judge(NAME, rows)
    assert said.count == 1
    assert "one-by-one" in said.traits


@pytest.mark.parametrize("source", [PROXY, SERVER, CLIENT])
def test_a_source_without_pings_is_not_judged(source: str) -> None:
    rows = [r for n in range(3) for r in life(f"id0{n}", n, n + 60, source=source)]
    said = judge(NAME, rows)
    assert (said.verdict, said.findings) == ("not-applicable", [])


def test_a_wire_without_pings_is_no_reason_to_collect_another() -> None:
    rows = [r for n in range(3) for r in life(f"c{n}", n, n + 60, code=1000, by="c2s")]
    said = judge(NAME, rows)
    assert said.verdict == "not-applicable"
    assert said.why == "the wire shows 3 connections, and no ping on them to be missed"


def test_a_har_shows_messages_but_no_pings() -> None:
    har = "network.har"
    rows = life("entry 1", 0, stops=120, source=har, vantage="client")
    rows += [r | {"vantage": "client"} for r in chat("entry 1", [5, 10, 90], source=har)]
    assert judge(NAME, rows).verdict == "not-applicable"


def beating(
    conn: str, opened: float, until: float, ended: float, *, answers: bool = True
) -> list[Row]:
    """A page that beats every 8 s until it sleeps; the server gives it up later."""
    times = [opened + 8 * n for n in range(1, int((until - opened) / 8) + 1)]
    rows = life(conn, opened, ended, code=4000, reason="heartbeat timeout")
    if not answers:
        rows = [r for r in rows if not (r["kind"] == "close" and r["dir"] == "c2s")]
    return [*rows, *pings(conn, times, dir="c2s")]


def test_a_page_whose_timers_sleep_still_answers_a_close() -> None:
    said = judge(NAME, [*beating("a", 0, 40, 70), *beating("b", 3, 43, 73)])
    assert said.count == 2
    assert "client-asleep" in said.traits
    assert not {"pong-came", "not-acked", "page-hidden"} & said.traits


def test_a_client_that_is_gone_answers_no_close() -> None:
    assert "client-asleep" not in judge(NAME, beating("a", 0, 40, 70, answers=False)).traits


def test_a_page_that_says_that_it_is_hidden() -> None:
    hidden = row("stall", 20, None, CLIENT, reason="page hidden")
    assert "page-hidden" in judge(NAME, [*beating("a", 0, 40, 70), hidden]).traits
    late = row("stall", 90, None, CLIENT, reason="page hidden")
    assert "page-hidden" not in judge(NAME, [*beating("a", 0, 40, 70), late]).traits


@pytest.mark.parametrize(("others", "alone"), [(4, True), (1, False)])
def test_one_that_is_given_up_while_most_go_on(others: int, *, alone: bool) -> None:
    rows = [
        *life("a1", 0, 80, source=SERVER),
        row("heartbeat_timeout", 80, "a1", SERVER, reason="ping timeout"),
        *(r for n in range(others) for r in life(f"b{n}", n, 200.0 + n, source=SERVER)),
    ]
    assert ("others-went-on" in judge(NAME, rows).traits) is alone


@pytest.mark.parametrize(("code", "told"), [(4000, True), (1006, False), (1011, False)])
def test_who_gives_up_with_a_code_of_its_own_may_have_been_answered(
    code: int, *, told: bool
) -> None:
    rows = [
        *life("a1", 0, 80, source=SERVER, code=code),
        row("heartbeat_timeout", 80, "a1", SERVER, reason="ping timeout"),
    ]
    assert ("application-code" in judge(NAME, rows).traits) is told


def test_all_that_are_given_up_at_once() -> None:
    rows = [
        r
        for n in range(4)
        for r in (
            *life(f"a{n}", 0, 80, source=SERVER),
            row("heartbeat_timeout", 80, f"a{n}", SERVER, reason="ping timeout"),
        )
    ]
    rows += [r for n in range(3) for r in life(f"b{n}", n, 200.0 + n, source=SERVER)]
    assert "others-went-on" not in judge(NAME, rows).traits


def test_a_pong_after_the_close_came_too_late() -> None:
    """A frozen client that wakes answers what it was asked long before."""
    rows = [*gone(), row("pong", 90, "a", dir="c2s", ms=30_000.0)]
    said = judge(NAME, rows)
    assert said.traits >= {"acked", "clients-silent"}
    (finding,) = said.findings
    assert finding["measured"] == pytest.approx(20, abs=0.01)


def test_a_server_that_owes_the_pong_is_no_silent_client() -> None:
    rows = [*life("a", 0, 80, code=1011, by="c2s"), *pings("a", [20, 40], dir="c2s")]
    rows += pings("a", [60], dir="c2s", pong_ms=None)
    assert "clients-silent" not in judge(NAME, rows).traits


def test_clients_that_were_only_busy_speak_again() -> None:
    """Not those whose Close crosses the server's; and who was frozen once does it once."""

    def traits(times: int, dir_: str, late: float) -> set[str]:
        rows = [r for n in range(times) for r in gone(f"a{n}", start=100.0 * n)]
        rows += [row("pong", 100.0 * n + 80 + late, f"a{n}", dir=dir_) for n in range(times)]
        return judge(NAME, rows).traits

    assert "spoke-again" in traits(3, "c2s", 11)
    for other in (traits(2, "c2s", 11), traits(3, "c2s", 0.5), traits(3, "s2c", 11)):
        assert "spoke-again" not in other
