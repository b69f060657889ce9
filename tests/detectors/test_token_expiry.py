"""token-expiry: a clock nobody sees."""

from __future__ import annotations

import pytest
from story import CLIENT, SERVER, at, judge, life, proxied, row

NAME = "token-expiry"


def bearer(number: int, expires: float) -> dict[str, object]:
    return {"token": f"token-{number}", "expires": at(expires)}


def test_closed_when_the_token_expires() -> None:
    rows = [
        r
        for n in range(3)
        for r in life(
            f"c{n}",
            5 * n,
            45 + 4 * n,
            code=4401,
            reason="token expired",
            **bearer(n, 45 + 4 * n),
        )
    ]
    said = judge(NAME, rows)
    (finding,) = said.findings
    assert (finding["count"], finding["confidence"], finding["unit"]) == (3, 0.95, "s")
    assert said.traits == {"midstream", "at-exp", "said", "auth-code"}
    assert "3 connections closed when their token expired (4401)" in said.why


@pytest.mark.parametrize("code", [None, 1008, 1000, 4001])
def test_the_moment_alone_tells(code: int | None) -> None:
    """Servers say it with any code, or with none."""
    said = judge(NAME, life("a", 0, 60.4, code=code, **bearer(1, 60)))
    assert said.traits >= {"midstream", "at-exp"}


def test_a_reason_that_calls_it_lapsed() -> None:
    said = judge(NAME, life("a", 0, 20, code=4003, reason="auth lapsed"))
    assert said.traits >= {"midstream", "said"}


@pytest.mark.parametrize("ended", [20.0, 57.5, 66.5, 300.0])
def test_an_end_at_another_time_is_another_fault(ended: float) -> None:
    said = judge(NAME, life("a", 0, ended, code=1011, **bearer(1, 60)))
    assert said.findings == []
    assert said.why == "1 connections with a known token expiry, none ended by it"


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_client_that_leaves_at_that_moment(code: int) -> None:
    assert judge(NAME, life("a", 0, 60, code=code, by="c2s", **bearer(1, 60))).findings == []


@pytest.mark.parametrize("code", [1001, 1012])
def test_a_restart_at_that_moment(code: int) -> None:
    assert judge(NAME, life("a", 0, 60, code=code, **bearer(1, 60))).findings == []


def test_a_proxy_that_cuts_at_that_moment() -> None:
    assert judge(NAME, proxied("a", 0, 60, **bearer(1, 60))).findings == []


def test_the_server_behind_the_proxy() -> None:
    said = judge(NAME, proxied("a", 0, 60, by="s2c", code=4401, **bearer(1, 60)))
    assert said.count == 1
    assert "at-exp" in said.traits


def test_an_opaque_token_and_an_auth_code() -> None:
    said = judge(NAME, life("a", 0, 900, code=4401))
    assert said.traits == {"midstream", "auth-code"}
    assert said.findings[0]["confidence"] == 0.7


def test_the_servers_own_words() -> None:
    rows = [
        *life("ab12", 0, 900, source=SERVER, code=1008),
        row("auth", 900, "ab12", SERVER, reason="TokenExpiredError: jwt expired"),
    ]
    said = judge(NAME, rows)
    assert said.traits == {"midstream", "said"}


@pytest.mark.parametrize(
    "reason",
    [
        "certificate has expired",
        "cache entry expired",
        "The WebSocket session [2] idle timeout expired",
    ],
)
def test_other_things_expire_too(reason: str) -> None:
    rows = [*life("ab12", 0, 900, source=SERVER, code=1011)]
    rows += [row("error", 850, "ab12", SERVER, reason=reason)]
    assert judge(NAME, rows).findings == []


def refused(n: int, token: int, expires: float = -120.0, code: int = 401) -> list[dict]:
    known = bearer(token, expires)
    return [
        row("attempt", 4 * n, f"r{n}", **known),
        row("rejected", 4 * n + 0.01, f"r{n}", code=code, **known),
    ]


@pytest.mark.parametrize("code", [401, 403])
def test_an_expired_token_at_connect(code: int) -> None:
    said = judge(NAME, [r for n in range(4) for r in refused(n, token=1, code=code)])
    assert said.traits == {"at-connect", "past-exp", "same-token-again", "repeated"}
    assert said.count == 4
    assert f"4 handshakes with a token that had already expired ({code})" in said.why


def test_one_expired_token_once_is_not_again() -> None:
    assert judge(NAME, refused(0, token=1)).traits == {"at-connect", "past-exp"}


def test_expired_tokens_of_different_users_are_not_one_again() -> None:
    said = judge(NAME, [r for n in range(4) for r in refused(n, token=n)])
    assert "same-token-again" not in said.traits


def test_a_valid_token_that_is_rejected_did_not_expire() -> None:
    assert judge(NAME, refused(0, token=1, expires=3600.0)).findings == []


def test_an_expired_token_that_a_full_server_rejects() -> None:
    assert judge(NAME, refused(0, token=1, code=503)).findings == []


def test_a_server_that_does_not_mind_an_expired_token() -> None:
    rows = life("a", 0, 600, code=1000, by="c2s", **bearer(1, -120))
    assert judge(NAME, rows).findings == []


def test_accepted_and_then_closed_at_once() -> None:
    said = judge(NAME, life("a", 0, 0.3, code=4401, **bearer(1, -120)))
    assert said.traits >= {"at-connect", "past-exp"}


def test_midstream_and_at_connect_are_two_findings() -> None:
    rows = life("a", -45, 0, code=4401, reason="token expired", **bearer(1, 0))
    rows += [r for n in range(1, 4) for r in refused(n, token=1, expires=0.0)]
    counts = {f["traits"][0]: f["count"] for f in judge(NAME, rows).findings}
    assert counts == {"midstream": 1, "at-connect": 3}


def test_told_by_wire_server_and_client_it_is_one() -> None:
    rows = [
        *life("wire", 0, 60, code=4401, key="k", **bearer(1, 60)),
        *life("ab12", 0, 60, code=4401, source=SERVER, key="k"),
        *life("c00", 0, 60, code=4401, source=CLIENT, key="k"),
    ]
    assert judge(NAME, rows).count == 1


def test_the_applications_line_and_the_servers_about_one_handshake() -> None:
    """uvicorn: the application's own warning names no connection, the access line does."""
    rows = []
    for n in range(4):
        peer, line = f"192.0.2.1:4000{n}", {"expires": at(-120), "token": "token-1"}
        rows += [row("auth", 4 * n, None, SERVER, reason="Signature has expired")]
        rows += [row("rejected", 4 * n + 0.001, None, SERVER, code=403, peer=peer, **line)]
    assert judge(NAME, rows).count == 4


def test_a_long_lived_token_is_clean() -> None:
    said = judge(NAME, life("a", 0, 600, code=1011, **bearer(1, 3600)))
    assert said.verdict == "pass"


def test_no_token_no_code() -> None:
    assert judge(NAME, life("a", 0, 600, code=1011)).verdict == "not-applicable"


def test_a_line_that_alone_tells_of_it_is_the_proof() -> None:
    """Nobody shows the handshake or the connection."""
    said = judge(NAME, [row("auth", 5, "bare 7", CLIENT, reason="token expired")])
    (finding,) = said.findings
    assert [proof["source"] for proof in finding["evidence"]] == [CLIENT]


def test_a_code_alone_of_a_connection_that_nobody_saw_begin() -> None:
    silent = row("close", 9, "a", SERVER, code=4401, reason="Unauthorized")
    assert judge(NAME, [silent]).findings == []
    said = judge(NAME, [row("close", 9, "a", SERVER, code=3005, reason="connection expired")])
    assert "midstream" in said.traits


@pytest.mark.parametrize(
    ("tried", "client", "expected"),
    [
        (61.0, None, True),
        (59.0, None, True),  # clocks are some seconds apart
        (30.0, None, False),  # before it
        (900.0, None, False),  # another visit
        (61.0, "user-1", True),
        (61.0, "user-2", False),  # somebody else
    ],
)
def test_handshakes_that_are_refused_once_the_token_has_expired(
    tried: float, client: str | None, expected: bool
) -> None:
    me = {"user": "user-1"} if client else {}
    rows = life("a", 0, 60, code=4401, source=SERVER, **me)
    rows += [row("rejected", tried, "b", SERVER, code=401, user=client)]
    assert ("refused-after" in judge(NAME, rows).traits) is expected


def test_a_client_that_closes_with_such_a_code_tells_of_no_token() -> None:
    assert judge(NAME, life("a", 0, 20, code=3000, by="c2s")).findings == []


def test_what_is_shut_for_an_expired_token_was_open() -> None:
    """A lone line of which nobody knows when its connection began."""
    shut = row("auth", 9, "c1", reason="shutting down with message: access token has expired")
    refused = row("auth", 9, "c1", reason="access token has expired")
    assert "midstream" in judge(NAME, [shut]).traits
    assert "at-connect" in judge(NAME, [refused]).traits


def test_what_is_closed_right_behind_its_opening_was_refused() -> None:
    rows = [
        row("open", 9, "c1"),
        row("auth", 9.2, "c1", reason="closing: token expired"),
        row("close", 9.3, "c1", code=1008, dir="s2c"),
    ]
    assert "at-connect" in judge(NAME, rows).traits
