"""delivery-gap: a lost broker and missing numbers, in the words of those who notice."""

from __future__ import annotations

import pytest
from story import SERVER, Row, judge, life, pings, row

NAME = "delivery-gap"


@pytest.mark.parametrize(
    ("reason", "mark"),
    [
        ("redis adapter connection lost", "backend-lost"),
        ("pub/sub client error: connection refused", "backend-lost"),
        ("channel layer unavailable", "backend-lost"),
        ("publish to room failed: Connection is closed", "backend-lost"),
        ("sequence gap: expected seq 41", "sequence-gap"),
    ],
)
def test_what_is_reported(reason: str, mark: str) -> None:
    rows = [*life("ab12", 0, 90, source=SERVER), row("error", 9, None, SERVER, reason=reason)]
    said = judge(NAME, rows)
    assert said.count == 1
    assert {mark, "sockets-open"} <= said.traits


@pytest.mark.parametrize("reason", ["redis cache miss", "connection closed", "database error"])
def test_other_trouble(reason: str) -> None:
    rows = [*life("ab12", 0, 90, source=SERVER), row("error", 9, None, SERVER, reason=reason)]
    assert judge(NAME, rows).verdict == "pass"


def room(*, lost_at: float = 60, silent: bool = False, left_at: float = 120) -> list[Row]:
    """Four clients in one room; each writes every 8 s, all get it, until the broker is lost.

    The server goes on pinging unless it is `silent`; the listeners leave at `left_at`.
    """
    rows: list[Row] = []
    for n in range(4):
        rows += life(f"c{n}", n, left_at if n else 120, code=1000, by="c2s")
        until = lost_at if silent else left_at
        rows += pings(f"c{n}", [t + n for t in range(5, int(until) - 4, 10)])
    for number, at in enumerate(range(6, 118, 2)):
        sender = f"c{number % 4}"
        if at < left_at or sender == "c0":
            said = {"topic": "room:1", "bytes": 30, "trace": f"{number}"}
            rows.append(row("message", at, sender, dir="c2s", **said))
            if at < lost_at:
                rows += [row("message", at + 0.01, f"c{n}", dir="s2c", **said) for n in range(4)]
    return rows


def test_messages_that_reach_nobody_any_more() -> None:
    said = judge(NAME, room())
    assert "published-in-vain" in said.traits
    assert said.count >= 20


def test_messages_that_arrive_to_the_end() -> None:
    assert judge(NAME, room(lost_at=200)).verdict == "pass"


def test_the_last_one_in_a_room_reaches_nobody() -> None:
    assert judge(NAME, room(lost_at=60, left_at=60)).verdict == "pass"


def test_a_server_that_answers_nothing_is_not_deaf_but_blocked() -> None:
    assert judge(NAME, room(silent=True)).verdict == "pass"
