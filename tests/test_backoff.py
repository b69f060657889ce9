"""The law of the waits: libraries' own defaults, simulated, are told for what they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import polars as pl
import pytest
from story import at

from wsdiag.connections import backoff

Wait = Callable[[Random, int], float]

SOCKET_IO: Wait = lambda dice, n: min(5.0, 2.0**n * (0.5 + dice.random()))  # noqa: E731
FULL_JITTER: Wait = lambda dice, n: dice.random() * min(30.0, 2.0**n)  # noqa: E731
PHOENIX: Wait = lambda dice, n: [0.01, 0.05, 0.1, 0.15, 0.2, 0.25][n]  # noqa: E731
SIGNALR: Wait = lambda dice, n: [0, 2, 10, 30, 30, 30][n]  # noqa: E731


def table(waits: list[list[float]], life: float = 0.01, opens: bool = False) -> pl.DataFrame:
    """Clients that lose a connection at 60 s and then try after each of their waits."""
    rows = []
    for number, mine in enumerate(waits):
        moment = 60.0 + 0.01 * number
        rows.append(_row(number, 1.0, moment, opened=True))
        for wait in mine:
            begun = moment + wait
            moment = begun + life
            rows.append(_row(number, begun, moment, opened=opens))
    return pl.DataFrame(rows)


def _row(number: int, begun: float, over: float, opened: bool) -> dict[str, object]:
    return {
        "client": f"c{number:03}",
        "fragment": False,
        "attempted": at(begun),
        "opened": at(begun) + timedelta(milliseconds=2) if opened else None,
        "first": at(begun),
        "ended": at(over),
        "closed": None,
        "last_seen": at(over),
        "rejected": False,
        "refused": not opened,
        "was_open": opened,
        "close_dir": "s2c",
        "code": 1012,
    }


def simulated(wait: Wait, clients: int, seed: int = 1) -> backoff.Law:
    dice = Random(seed)
    waits = [[wait(dice, n) for n in range(6)] for _ in range(clients)]
    return backoff.pooled(backoff.client_laws(table(waits)))


@pytest.mark.parametrize(
    ("wait", "law", "jitter", "library"),
    [
        (lambda dice, n: 0.5, "fixed", "none", ""),
        (lambda dice, n: 3.0 * (0.75 + 0.5 * dice.random()), "jittered", "present", ""),
        (lambda dice, n: 0.02, "immediate", "", ""),
        (lambda dice, n: 2.0**n, "growing", "none", ""),
        (SOCKET_IO, "growing", "present", "socket.io"),
        (FULL_JITTER, "growing", "present", ""),
        (PHOENIX, "growing", "none", "Phoenix"),
        (SIGNALR, "growing", "none", "SignalR"),
    ],
)
@pytest.mark.parametrize("clients", [10, 40])
def test_a_fleet(wait: Wait, law: str, jitter: str, library: str, clients: int) -> None:
    found = simulated(wait, clients)
    assert (found.law, found.jitter, found.clients) == (law, jitter, clients)
    if library:
        assert found.library == library


@pytest.mark.parametrize("seed", range(40))
def test_full_jitter_is_never_taken_for_a_fixed_delay(seed: int) -> None:
    assert simulated(FULL_JITTER, 5, seed).law in ("growing", "")
    assert simulated(SOCKET_IO, 5, seed).law in ("growing", "")


@pytest.mark.parametrize("seed", range(40))
def test_one_client_alone(seed: int) -> None:
    assert simulated(lambda dice, n: 1.0 + 0.01 * dice.random(), 1, seed).law == "fixed"
    assert simulated(lambda dice, n: 2.0**n, 1, seed).law == "growing"
    assert simulated(FULL_JITTER, 1, seed).law in ("growing", "")


def test_a_cap_above_the_target_is_told() -> None:
    assert simulated(lambda dice, n: min(90.0, 4.0**n), 5).longest_s == pytest.approx(90, abs=0.1)


def test_a_backoff_that_is_reset_by_each_short_success() -> None:
    laws = backoff.client_laws(table([[1.0] * 6], life=2.0, opens=True))
    assert laws["resets"].to_list() == [True]


@pytest.mark.parametrize("waits", [[], [[1.0]], [[0.5, 0.5]]])
def test_too_little_is_no_law(waits: list[list[float]]) -> None:
    known = backoff.pooled(backoff.client_laws(table([[9.0], *waits])))
    assert known.law == ""
