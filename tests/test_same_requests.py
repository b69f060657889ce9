"""A request in nginx's access log and in its error log, where no number names it in both."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from wsdiag.pipeline import read_events

AFTER = "client: 10.4.1.2, server: , request: "
CUT = "upstream timed out (110: Connection timed out) while proxying upgraded connection"
SILENT = (
    "upstream timed out (110: Connection timed out) while reading response header from upstream"
)
LEFT = "client timed out (110: Connection timed out) while proxying upgraded connection"
DOWN = "connect() failed (111: Connection refused) while connecting to upstream"

Line = tuple[str, str, object]


def access(at: str, target: str, status: object) -> str:
    return (
        f'10.4.1.2 - - [22/Nov/2026:{at} +0000] "GET {target} HTTP/1.1" {status} 26 "-" "Mozilla"'
    )


def error(number: int, at: str, target: str, what: object) -> str:
    asked = f'{AFTER}"GET {target} HTTP/1.1", upstream: "http://10.9.0.20:9000{target}"'
    return f"2026/11/22 {at} [error] 27790#27790: *{number} {what}, {asked}"


def joined(tmp_path: Path, answers: list[Line], trouble: list[Line]) -> set[tuple[int, int]]:
    """The lines of the access log and of the error log that are one connection."""
    (tmp_path / "access.log").write_text("".join(f"{access(*line)}\n" for line in answers))
    lines = [error(n, *line) for n, line in enumerate(trouble, 1)]
    (tmp_path / "error.log").write_text("".join(f"{line}\n" for line in lines))
    seen: dict[str, dict[str, int]] = defaultdict(dict)
    rows = read_events([str(tmp_path)]).select("session", "source", "pos").unique()
    for session, source, pos in rows.iter_rows():
        assert source not in seen[session]
        seen[session][source] = pos
    return {(one["access.log"], one["error.log"]) for one in seen.values() if len(one) == 2}


@pytest.mark.parametrize(
    ("status", "what"), [(101, CUT), (101, LEFT), (502, DOWN), (504, SILENT)], ids=str
)
@pytest.mark.parametrize("at", ["23:45:36", "23:45:37"])
def test_what_went_wrong_is_of_the_only_request_it_can_be(
    tmp_path: Path, status: int, what: str, at: str
) -> None:
    answers = [("23:45:10", "/ws?room=1", 101), (at, "/ws?room=2", status), (at, "/feed", status)]
    assert joined(tmp_path, answers, [("23:45:36", "/ws?room=2", what)]) == {(2, 1)}


@pytest.mark.parametrize(
    "answers",
    [
        [("23:45:36", "/ws", 101), ("23:45:37", "/ws", 101)],
        [("23:45:36", "/feed", 101)],
        [("23:45:38", "/ws", 101)],
        [("23:45:36", "/ws", 504)],
        [("23:45:36", "/ws?token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJlLW9m", 101)],
    ],
    ids=["two may be it", "another path", "later", "never opened", "another credential"],
)
def test_a_tunnel_that_was_cut_is_not_guessed(tmp_path: Path, answers: list[Line]) -> None:
    assert joined(tmp_path, answers, [("23:45:36", "/ws", CUT)]) == set()


@pytest.mark.parametrize("what", [DOWN, SILENT])
def test_a_backend_without_an_answer_makes_no_answer_of_a_backend(
    tmp_path: Path, what: str
) -> None:
    """The next backend served the one request; the other was refused by it, or left."""
    answers = [("23:45:36", "/ws", 401), ("23:45:36", "/ws", 101), ("23:59:59", "/ws", 101)]
    assert joined(tmp_path, answers, [("23:45:36", "/ws", what)]) == set()


def test_two_lines_of_trouble_for_one_answer(tmp_path: Path) -> None:
    trouble = [("23:45:36", "/ws", DOWN), ("23:45:36", "/ws", DOWN)]
    assert joined(tmp_path, [("23:45:36", "/ws", 502)], trouble) == set()


def test_users_in_the_query_tell_requests_apart(tmp_path: Path) -> None:
    answers = [("23:45:36", f"/ws?user={who}", 101) for who in ("ana", "bob", "eve")]
    trouble = [("23:45:36", f"/ws?user={who}", CUT) for who in ("eve", "ana")]
    assert joined(tmp_path, answers, trouble) == {(3, 1), (1, 2)}


def test_the_log_of_another_server_tells_of_other_requests(tmp_path: Path) -> None:
    answers = [("23:45:10", "/ws", 101), ("23:45:36", "/ws", 101), ("23:59:10", "/ws", 101)]
    trouble = [(at, "/ws", CUT) for at in ("23:45:36", "23:47:10", "23:48:11", "23:49:12")]
    assert joined(tmp_path, answers, trouble) == set()
