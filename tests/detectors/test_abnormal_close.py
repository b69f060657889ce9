"""abnormal-close: ends nobody meant."""

from __future__ import annotations

import pytest
from story import CLIENT, PROXY, SERVER, Row, chat, judge, life, proxied, row

NAME = "abnormal-close"


def test_an_end_without_a_close_frame() -> None:
    said = judge(NAME, life("a", 0, 30, how="rst"))
    (finding,) = said.findings
    assert said.verdict == "breach"
    assert finding["severity"] == "error"
    assert finding["count"] == 1
    assert finding["message"] == "1 connection ended without a Close frame, ended by: server"
    assert said.traits == {"no-close-frame", "by-server", "reset"}
    assert [proof["source"] for proof in finding["evidence"]] == ["wire.pcap"]


def test_a_fault_code_with_its_reason() -> None:
    said = judge(NAME, life("a", 0, 30, code=1011, reason="keepalive ping timeout"))
    (finding,) = said.findings
    assert '1011 "keepalive ping timeout", closed by: server' in finding["message"]
    assert said.traits == {"code-1011", "by-server"}


def test_one_finding_for_each_code() -> None:
    rows = [
        *life("a", 0, 30, code=1011),
        *life("b", 1, 31, code=1011),
        *life("c", 2, 32, code=1009),
        *life("d", 3, 33),
    ]
    assert sorted(f["count"] for f in judge(NAME, rows).findings) == [1, 1, 2]


@pytest.mark.parametrize(
    ("code", "by"),
    [(1000, "c2s"), (1000, "s2c"), (1001, "c2s"), (1005, "c2s"), (1005, "s2c")],
)
def test_a_polite_close_is_clean(code: int, by: str) -> None:
    said = judge(NAME, life("a", 0, 30, code=code, by=by))
    assert (said.verdict, said.findings) == ("pass", [])


@pytest.mark.parametrize("code", [1001, 1012])
def test_an_announced_restart_is_left_to_mass_close(code: int) -> None:
    rows = [r for n in range(5) for r in life(f"c{n}", n, 30, code=code, by="s2c")]
    assert judge(NAME, rows).verdict == "pass"


def test_the_echo_of_a_close_is_no_second_end() -> None:
    assert judge(NAME, life("a", 0, 30, code=4401)).count == 1


def test_a_1006_beside_a_close_frame_on_the_wire_is_no_fault() -> None:
    """The wire wins: an API that says 1006 missed a frame that was there."""
    rows = [
        *life("wire", 0, 30, code=1000, by="c2s", key="k"),
        *life("c00", 0.001, 30.001, source=CLIENT, key="k"),
    ]
    assert judge(NAME, rows).verdict == "pass"


def test_a_logged_1005_may_be_an_empty_close_frame() -> None:
    assert judge(NAME, life("ab12", 0, 30, source=SERVER, code=1005)).findings == []


def test_a_client_that_says_1006_alone() -> None:
    said = judge(NAME, life("c00", 0, 30, source=CLIENT))
    assert said.traits >= {"no-close-frame"}
    assert said.count == 1


def test_both_legs_of_a_proxied_connection_are_one() -> None:
    said = judge(NAME, proxied("a", 0, 60))
    assert said.count == 1
    assert "by-proxy" in said.traits


def test_a_connection_told_by_four_is_one() -> None:
    rows = [
        *proxied("a", 0, 60, key="k"),
        *life("*1", 0, 60, source=PROXY, key="k"),
        *life("ab12", 0, 60, source=SERVER, key="k"),
        *life("c00", 0, 60, source=CLIENT, key="k"),
    ]
    assert judge(NAME, rows).count == 1


def test_told_twice_by_sources_that_nothing_ties_it_is_counted_once() -> None:
    """Six die together on the wire and in the clients' log; which is which nobody can say."""
    rows = [r for n in range(6) for r in life(f"w{n}", 0.01 * n, 60 + 0.01 * n)]
    for n in range(6):
        start, end = 0.01 * n + 0.005, 60.005 + 0.01 * n
        rows += life(f"c0{n}", start, end, source=CLIENT, user=f"user-{n}")
    assert judge(NAME, rows).count == 6


def test_a_live_connection_has_no_end() -> None:
    assert judge(NAME, life("a", 0, stops=30)).findings == []


def test_a_refused_handshake_is_no_disconnect() -> None:
    """A browser reports 1006 for it all the same."""
    rows = [
        row("attempt", 0, "c00", CLIENT),
        row("rejected", 0.02, "c00", CLIENT, code=401),
        row("close", 0.03, "c00", CLIENT, code=1006),
        row("attempt", 5, "c01", CLIENT),
        row("refused", 5.02, "c01", CLIENT),
        row("close", 5.03, "c01", CLIENT, code=1006),
    ]
    assert judge(NAME, rows).findings == []


def test_an_access_log_does_not_tell_how_connections_end() -> None:
    said = judge(NAME, life("*1", 0, 60, source=PROXY))
    assert (said.verdict, said.findings) == ("not-applicable", [])


def others(count: int) -> list[Row]:
    return [r for n in range(count) for r in life(f"o{n}", n, 90 + n, code=1000, by="c2s")]


def test_one_client_gone_in_the_middle_of_use_while_others_are_well() -> None:
    rows = [*life("a", 0, 30, by="c2s"), *chat("a", range(2, 29, 3)), *others(3)]
    assert {"by-client", "in-use", "others-well"} <= judge(NAME, rows).traits


def test_one_client_gone_after_a_silence() -> None:
    rows = [*life("a", 0, 90, by="c2s"), *chat("a", range(2, 29, 3)), *others(3)]
    assert "in-use" not in judge(NAME, rows).traits


def test_most_clients_gone() -> None:
    rows = [r for n in range(3) for r in life(f"a{n}", n, 30 + 7 * n, by="c2s")]
    assert "others-well" not in judge(NAME, rows + others(3)).traits


def saying(conn: str, at: float, name: str) -> Row:
    return row("message", at, conn, dir="c2s", name=name, bytes=40)


def test_ends_right_after_one_kind_of_message() -> None:
    rows = [
        r
        for n in range(3)
        for r in (
            *life(f"a{n}", 7.0 * n, 7.0 * n + 30, code=1011),
            saying(f"a{n}", 7.0 * n + 10, "chat"),
            saying(f"a{n}", 7.0 * n + 29.9, "export"),
        )
    ]
    rows += [*others(3), *(saying(f"o{n}", 20 + n, "chat") for n in range(3))]
    assert "after-one-message" in judge(NAME, rows).traits


def test_a_frequent_message_is_no_trigger() -> None:
    rows = [
        r
        for n in range(3)
        for r in (
            *life(f"a{n}", 7.0 * n, 7.0 * n + 30, code=1011),
            saying(f"a{n}", 7.0 * n + 29.9, "chat"),
        )
    ]
    rows += [*others(3), *(saying(f"o{n}", 20 + n, "chat") for n in range(3))]
    assert "after-one-message" not in judge(NAME, rows).traits


def test_ended_for_a_newer_one_whatever_the_code() -> None:
    reason = "already connected, closing old connection"
    assert "displaced" in judge(NAME, [row("close", 9, "a", SERVER, reason=reason)]).traits
    assert judge(NAME, [row("close", 9, "a", SERVER, reason="bye")]).findings == []


@pytest.mark.parametrize(
    ("reason", "code", "trait"),
    [
        ("Did not receive auth message within 10 seconds", None, "auth-late"),
        ("Could not find app key k1", None, "application-unknown"),
        ("CloudFlare WebSocket proxy restarting", 1001, "edge-restarts"),
    ],
)
def test_a_reason_that_blames_makes_any_close_abnormal(
    reason: str, code: int | None, trait: str
) -> None:
    said = judge(NAME, [row("close", 9, "a", SERVER, reason=reason, code=code)])
    assert trait in said.traits
    assert judge(NAME, [row("close", 9, "a", SERVER, reason="bye", code=code)]).findings == []


def test_who_ended_them_is_counted() -> None:
    rows = [r for n, by in enumerate(["s2c", "c2s", "c2s"]) for r in life(f"c{n}", n, 30, by=by)]
    (finding,) = judge(NAME, rows).findings
    assert finding["message"].endswith("without a Close frame, ended by: client ×2, server ×1")


@pytest.mark.parametrize(
    ("ages", "first_word", "found"),
    [
        ((5.0, 5.1, 5.02), 2.0, True),
        ((5.0, 9.1, 5.02), 2.0, False),  # at ages of their own
        ((5.0, 5.1, 5.02), None, False),  # nobody spoke, so nobody shows that a word would help
        ((61.0, 61.1, 61.02), 2.0, False),  # as long as an idle timer
    ],
)
def test_who_had_said_nothing_when_the_server_closed(
    ages: tuple[float, ...], first_word: float | None, found: bool
) -> None:
    rows = []
    for n, age in enumerate(ages):
        rows += life(f"q{n}", 20.0 * n, 20.0 * n + age, code=4003, by="s2c")
        rows.append(row("message", 20.0 * n + 0.1, f"q{n}", dir="s2c"))
    for n in range(2):
        lived = 200.0 if first_word else ages[0]
        rows += life(f"t{n}", 7.0 * n, 7.0 * n + lived, code=1000, by="c2s")
        if first_word:
            rows.append(row("message", 7.0 * n + first_word, f"t{n}", dir="c2s"))
    assert ("never-spoke" in judge(NAME, rows).traits) is found


def test_a_reason_without_a_code_says_nothing_of_frames() -> None:
    """A server's log has why it ended a session; whether a Close frame said so is not told."""
    rows = []
    for n, reason in enumerate(["Replaced by new connection (conflict)"] * 3 + ["", ""]):
        rows += [row("open", 5.0 * n, f"c{n}", SERVER)]
        rows += [row("close", 5.0 * n + 30, f"c{n}", SERVER, dir="s2c", reason=reason or None)]
    said = judge(NAME, rows)
    (finding,) = said.findings
    assert finding["count"] == 3
    assert finding["message"] == (
        '3 connections ended on purpose ("Replaced by new connection (conflict)"), '
        "closed by: server"
    )
    assert "displaced" in said.traits
    assert "no-close-frame" not in said.traits
