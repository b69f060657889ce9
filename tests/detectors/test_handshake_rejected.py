"""handshake-rejected: an HTTP status instead of 101."""

from __future__ import annotations

import pytest
from story import CLIENT, PROXY, SERVER, judge, life, row

NAME = "handshake-rejected"


def rejected(
    conn: str, t: float, code: int, source: str = "wire.pcap", **known: object
) -> list[dict]:
    return [
        row("attempt", t, conn, source, **{k: v for k, v in known.items() if k != "reason"}),
        row("rejected", t + 0.01, conn, source, code=code, **known),
    ]


def test_one_finding_for_each_status() -> None:
    rows = [*rejected("a", 0, 401), *rejected("b", 1, 401), *rejected("c", 2, 503)]
    said = judge(NAME, rows)
    assert [(f["count"], f["severity"]) for f in said.findings] == [(2, "error"), (1, "error")]
    assert said.traits == {"status-401", "status-503", "none-opens"}
    assert "2 handshakes answered with HTTP 401" in said.why


def test_all_101_is_clean() -> None:
    said = judge(NAME, life("a", 0, 9, code=1000))
    assert (said.verdict, said.why) == ("pass", "1 handshakes seen, all answered with 101")


def test_a_refused_connection_is_not_a_rejected_handshake() -> None:
    rows = [row("attempt", 0, "a"), row("refused", 0.001, "a")]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_other_handshakes_that_open_are_told() -> None:
    said = judge(NAME, [*rejected("a", 0, 403), *life("b", 1, 9, code=1000)])
    assert "others-open" in said.traits
    assert "none-opens" not in said.traits


@pytest.mark.parametrize(
    ("code", "reason", "trait"),
    [
        (401, "Unauthorized: invalid token", "credentials-said"),
        (403, "Forbidden", "credentials-said"),
        (401, "jwt expired", "expired-said"),
        (426, "Upgrade Required", "upgrade-lost"),
        (400, "websocket: the client is not using the websocket protocol", "upgrade-lost"),
        (400, "Session ID unknown", "sid-unknown"),
        (400, "EIO=3", "old-engine"),
    ],
)
def test_what_the_answer_says(code: int, reason: str, trait: str) -> None:
    assert trait in judge(NAME, rejected("a", 0, code, reason=reason)).traits


@pytest.mark.parametrize("code", [400, 404, 429, 500, 502, 503])
def test_a_bare_status_says_nothing_more(code: int) -> None:
    assert judge(NAME, rejected("a", 0, code)).traits == {f"status-{code}", "none-opens"}


def test_what_the_server_logged_about_the_same_connection() -> None:
    rows = [
        *rejected("a", 0, 400, key="k"),
        row("rejected", 0.01, "ab12", SERVER, code=400, key="k"),
        row("error", 0.011, "ab12", SERVER, reason="Session ID unknown"),
    ]
    assert "sid-unknown" in judge(NAME, rows).traits


def test_what_the_server_logged_about_another_connection() -> None:
    rows = [
        *rejected("a", 0, 503, key="k"),
        *life("ab12", 50, 60, source=SERVER, code=4401, key="other"),
        row("auth", 60, "ab12", SERVER, reason="invalid token"),
    ]
    assert "credentials-said" not in judge(NAME, rows).traits


def test_an_error_of_another_hour_explains_no_rejection() -> None:
    rows = [
        row("error", -3600, None, SERVER, reason="invalid token in the nightly import"),
        *rejected("a", 0, 503),
    ]
    assert "credentials-said" not in judge(NAME, rows).traits


@pytest.mark.parametrize(("times", "again"), [(2, False), (3, True)])
def test_the_same_token_again_and_again(times: int, again: bool) -> None:
    rows = [r for n in range(times) for r in rejected(f"c{n}", 4 * n, 401, token="token-1")]
    assert ("same-token-again" in judge(NAME, rows).traits) is again


def test_many_tokens_are_not_one_token_again() -> None:
    rows = [r for n in range(9) for r in rejected(f"c{n}", 4 * n, 401, token=f"token-{n}")]
    assert "same-token-again" not in judge(NAME, rows).traits


def test_the_same_rejection_told_by_wire_proxy_and_client_is_one() -> None:
    rows = [
        *rejected("wire", 0, 401, key="k"),
        row("rejected", 0.01, "*1", PROXY, code=401, key="k"),
        *rejected("c00", 0, 401, source=CLIENT, key="k"),
    ]
    assert judge(NAME, rows).count == 1


def test_a_path_of_socket_io_is_told() -> None:
    assert "polling" in judge(NAME, rejected("a", 0, 400, name="/socket.io/")).traits


@pytest.mark.parametrize(
    ("status", "said", "source", "told"),
    [
        (503, 'Service "prod/ws" does not have any active Endpoint.', PROXY, True),
        (503, "backend app has no server available!", PROXY, True),
        (429, "backend app has no server available!", PROXY, False),
        (503, "no healthy upstream of the billing service", SERVER, False),
    ],
)
def test_a_proxy_that_says_that_it_has_no_backend(
    status: int, said: str, source: str, told: bool
) -> None:
    rows = [row("error", -40, None, source, reason=said), *rejected("a", 0, status)]
    assert ("no-backend" in judge(NAME, rows).traits) is told


def unanswered(conn: str, t: float, wait: float) -> list[dict]:
    return [row("attempt", t, conn), row("end", t + wait, conn, reason="fin", dir="c2s")]


def test_attempts_that_end_without_an_answer() -> None:
    rows = [*unanswered("a", 0, 5), *unanswered("b", 3, 10), *life("c", 1, 9, code=1000)]
    said = judge(NAME, rows)
    assert said.traits == {"unanswered"}
    assert said.why == "2 handshakes left without an answer, given up after 7.5 s"


def test_who_leaves_at_once_waited_for_nothing() -> None:
    assert judge(NAME, unanswered("a", 0, 0.4)).verdict == "not-applicable"


def test_a_log_of_attempts_and_ends_alone_tells_of_lives() -> None:
    rows = [*unanswered("a", 0, 5), *unanswered("b", 3, 400)]
    assert judge(NAME, rows).findings == []


def test_what_was_lost_had_been_open() -> None:
    """A log that never tells of an opening says of its ends whether there had been one."""
    lost = [row("attempt", 0, "a"), row("end", 15, "a", reason="eof")]
    assert judge(NAME, lost).findings == []
    assert judge(NAME, [*lost, *life("b", 1, 9, code=1000)]).traits == {"unanswered"}


def test_what_spoke_was_open() -> None:
    rows = [*unanswered("a", 0, 5), row("message", 2, "a", dir="s2c")]
    assert judge(NAME, rows).findings == []


def test_what_an_error_explains_is_no_silence() -> None:
    rows = [*unanswered("a", 0, 5), row("error", 1, "a", reason="something broke")]
    assert judge(NAME, rows).findings == []


SILENT = "upstream timed out while reading response header"


@pytest.mark.parametrize(("path", "found"), [("/ws", 1), ("/api/report", 0)])
def test_a_backend_that_a_proxy_waited_for(path: str, found: int) -> None:
    """An error log tells of any request: only the paths of WebSockets count."""
    rows = [
        *life("*1", 0, 60, source=PROXY, name="/ws"),
        row("timeout", 62, "*2", PROXY, name=path, reason=SILENT),
    ]
    assert len(judge(NAME, rows).findings) == found


@pytest.mark.parametrize(("path", "found"), [("/room/7/ws", 1), ("/api/news", 0)])
def test_a_backend_that_hung_up(path: str, found: int) -> None:
    """Where nothing opens, the path's own name tells that it is a WebSocket's."""
    gone = "upstream prematurely closed connection while reading response header"
    rows = [row("error", t, f"*{t}", PROXY, name=path, reason=gone) for t in (1, 2)]
    said = judge(NAME, rows)
    assert len(said.findings) == found
    assert not found or said.why == "2 handshakes left without an answer"


@pytest.mark.parametrize(
    ("path", "found"), [("/live/ws", 1), ("/ws/feed", 1), ("/api/news", 0), ("/sockjs/info", 0)]
)
@pytest.mark.parametrize("kind", ["timeout", "error"])
def test_a_backend_that_apache_waited_for(kind: str, path: str, found: int) -> None:
    """One line says so, and the next names the path."""
    rows = [
        row(kind, 2, "10.0.0.7:4100", PROXY, reason="AH01102: error reading status line from a"),
        row("error", 2, "10.0.0.7:4100", PROXY, name=path, reason="AH00898: Error reading"),
    ]
    assert len(judge(NAME, rows).findings) == found


def test_what_two_logs_of_a_proxy_tell_counts_once() -> None:
    """Nothing ties an access line to the error line, but the path."""
    rows = [
        row("timeout", 62, "*2", PROXY, name="/live/ws", reason=SILENT),
        row("rejected", 60, "bare 7", "access.log", vantage="proxy", name="/live/ws", code=504),
    ]
    said = judge(NAME, rows)
    assert [f["count"] for f in said.findings] == [1]
    assert said.traits == {"status-504", "none-opens", "backend-silent"}


def test_a_gateway_timeout_that_is_shown_counts_once() -> None:
    rows = [
        *life("*1", 0, 60, source=PROXY, name="/ws"),
        row("timeout", 62, "*2", PROXY, name="/ws", reason=SILENT),
        row("rejected", 62, "*2", PROXY, name="/ws", code=504),
    ]
    said = judge(NAME, rows)
    assert [f["count"] for f in said.findings] == [1]
    assert "status-504" in said.traits


@pytest.mark.parametrize(("said", "refused", "found"), [(None, None, True), (90.0, 0.0, False)])
def test_without_times_what_is_said_belongs_to_what_is_refused(
    said: float | None, refused: float | None, *, found: bool
) -> None:
    rows = [
        row("error", said, None, SERVER, reason="Session ID unknown"),
        row("rejected", refused, "a", SERVER, code=400),
    ]
    assert ("sid-unknown" in judge(NAME, rows).traits) is found


@pytest.mark.parametrize(("path", "limited"), [("/live", True), ("/orders", False), (None, True)])
def test_a_limit_that_names_its_path_is_about_that_path(path: str | None, *, limited: bool) -> None:
    told = row("error", 3, None, PROXY, name=path, reason='limiting connections by zone "perip"')
    rows = [*life("a", 0, 9, code=1000, name="/live"), *rejected("b", 3, 503, name="/live"), told]
    assert ("rate-limit-said" in judge(NAME, rows).traits) is limited


def test_a_limit_on_requests_of_another_path_alone_is_no_refused_handshake() -> None:
    told = row("error", 3, None, PROXY, name="/orders", reason="limiting requests, excess: 5.1")
    assert judge(NAME, [*life("a", 0, 9, code=1000, name="/live"), told]).findings == []
