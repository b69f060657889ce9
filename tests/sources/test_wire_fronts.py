"""Legs in TLS and their other legs in clear, told by their moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from wsdiag.event import EVENTS, Dir
from wsdiag.sources.wire import fronts
from wsdiag.sources.wire.fronts import Front

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000


def front(number: int = 1, **other: Any) -> Front:
    """A leg in TLS from 1 s to 46 s, its handshake answered after 1.02 s, ended by its server."""
    as_it_is: dict[str, Any] = {
        "conn": f"10.0.0.{number}:40000-10.0.0.99:443",
        "peer": f"10.0.0.{number}:40000",
        "server": "10.0.0.99:443",
        "syn": (1, SECOND),
        "ready": SECOND + 5_000,
        "answers": [(4, SECOND + 6_000), (9, SECOND + 21_000), (30, 9 * SECOND)],
        "end": (Dir.S2C, "rst", 50, 46 * SECOND + 1_000),
    }
    return Front(**(as_it_is | other))


def back(peer: str = "127.0.0.1:50000", key: str | None = "k" * 24) -> list[dict[str, Any]]:
    """A leg in clear from 1.01 s to 46 s, its handshake answered after 1.02 s."""
    conn = f"{peer}-127.0.0.1:8000"
    told = [("attempt", 6, 1.01, None), ("open", 8, 1.02, "s2c"), ("end", 49, 46.0, "c2s")]
    return [
        {"kind": kind, "pos": pos, "ts": EPOCH + timedelta(seconds=at), "dir": way, "conn": conn}
        | ({} if kind == "end" else {"key": key, "peer": peer, "name": "/feed"})
        for kind, pos, at, way in told
    ]


def told(rows: list[dict[str, Any]], *legs: Front) -> list[dict[str, object]]:
    return fronts.rows(pl.DataFrame(rows, EVENTS), legs)


def test_the_leg_of_the_client_has_the_key_of_the_other() -> None:
    attempt, opened, ended = told(back(), front())
    assert attempt["peer"] == "10.0.0.1:40000"
    assert {row.get("key") for row in (attempt, opened)} == {"k" * 24}
    assert (opened["pos"], opened["ms"], opened["code"]) == (9, 21.0, 101)
    assert (ended["pos"], ended["dir"], ended["reason"]) == (50, "s2c", "rst")
    assert {row["conn"] for row in (attempt, opened, ended)} == {"10.0.0.1:40000-10.0.0.99:443"}


@pytest.mark.parametrize("peer", ["10.0.0.99:50000", "::1:50000"])
def test_a_proxy_that_speaks_from_its_own_address(peer: str) -> None:
    assert len(told(back(peer), front())) == 3


def test_in_a_crowd_of_ends_none_is_taken() -> None:
    legs = [front(1), *(front(2, answers=[]) for _ in range(fronts.CROWD))]
    assert len(told(back(), *legs[:-1])) == 3
    assert told(back(), *legs) == []


@pytest.mark.parametrize(
    ("rows", "legs"),
    [
        pytest.param(back(), [front(1), front(2)], id="two-fit"),
        pytest.param([*back(), *back("127.0.0.1:50001")], [front()], id="two-in-clear-fit"),
        pytest.param(back("10.0.0.7:50000"), [front()], id="another-host"),
        pytest.param(back(key=None), [front()], id="no-handshake"),
        pytest.param(back(), [front(ready=2 * SECOND)], id="before-tls-was-agreed-on"),
        pytest.param(back(), [front(answers=[(30, 9 * SECOND)])], id="nothing-was-handed-on"),
        pytest.param(
            back(), [front(end=(Dir.S2C, "fin", 60, 47 * SECOND))], id="lived-on-for-a-second"
        ),
        pytest.param(back()[:2], [front()], id="no-end"),
    ],
)
def test_what_are_no_two_legs(rows: list[dict[str, Any]], legs: list[Front]) -> None:
    assert told(rows, *legs) == []
