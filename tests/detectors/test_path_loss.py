"""path-loss: errors that name the network."""

from __future__ import annotations

import pytest
from story import CLIENT, chat, judge, life, row

NAME = "path-loss"


@pytest.mark.parametrize(
    ("reason", "mark"),
    [
        ("net::ERR_NETWORK_CHANGED", "network-changed"),
        ("net::ERR_NETWORK_IO_SUSPENDED", "suspended"),
        ("read ETIMEDOUT", "timed-out"),
        ("connect EHOSTUNREACH 10.0.0.9:443", "host-unreachable"),
        ("connect ENETUNREACH 10.0.0.9:443", "network-changed"),
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


@pytest.mark.parametrize(
    ("first_wait", "sizes", "full"),
    [
        (0.05, [310, 1448, 1448, 1448, 1448], True),  # the last segment arrived and is acknowledged
        (0.5, [310, 1448, 1448, 1448, 1448], False),  # nobody answered: the timer fired
        (0.05, [310, 310, 1448, 1448, 1448], False),
    ],
)
def test_the_last_segment_is_sent_first(first_wait: float, sizes: list[int], *, full: bool) -> None:
    at = [30.0, *(30.0 + first_wait + 0.2 * (2**n - 1) for n in range(4))]
    again = [
        row("retransmit", t, "c1", dir="s2c", bytes=size) for t, size in zip(at, sizes, strict=True)
    ]
    said = judge(NAME, [*life("c1", 0, 60), *chat("c1", [5.0, 10.0, 20.0]), *again])
    assert ("full-size-only" in said.traits) is full


@pytest.mark.parametrize("closed", [True, False])
def test_a_peer_that_says_its_window_is_closed_is_reached(*, closed: bool) -> None:
    again = [row("retransmit", 30 + 0.2 * 2**n, "c1", dir="s2c", bytes=49_044) for n in range(4)]
    window = [row("zero_window", 40, "c1", dir="c2s")] if closed else []
    said = judge(NAME, [*life("c1", 0, stops=90), *chat("c1", [5.0, 10.0]), *again, *window])
    assert ("in-vain" in said.traits) is not closed
