"""delivery-gap: a lost broker and missing numbers, in the words of those who notice."""

from __future__ import annotations

import pytest
from story import SERVER, judge, life, row

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
