"""path-loss: errors that name the network."""

from __future__ import annotations

import pytest
from story import CLIENT, judge, life, row

NAME = "path-loss"


@pytest.mark.parametrize(
    ("reason", "mark"),
    [
        ("net::ERR_NETWORK_CHANGED", "network-changed"),
        ("net::ERR_NETWORK_IO_SUSPENDED", "suspended"),
        ("read ETIMEDOUT", "timed-out"),
        ("connect EHOSTUNREACH 10.0.0.9:443", "network-changed"),
    ],
)
def test_the_system_names_the_network(reason: str, mark: str) -> None:
    said = judge(
        NAME, [*life("c1", 0, 9, source=CLIENT), row("error", 9, "c1", CLIENT, reason=reason)]
    )
    assert said.count == 1
    assert said.traits == {mark}


@pytest.mark.parametrize("reason", ["ECONNRESET", "ECONNREFUSED", "ping timeout", "idle timeout"])
def test_other_ends(reason: str) -> None:
    rows = [*life("c1", 0, 9, source=CLIENT), row("error", 9, "c1", CLIENT, reason=reason)]
    assert judge(NAME, rows).findings == []
