"""Logs of one vantage: what of them is the same connection, and what only coincides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sightings import seen

from wsdiag import pipeline
from wsdiag.sessions.acquainted import acquainted
from wsdiag.sessions.by_time import beginnings
from wsdiag.sessions.sightings import Families


def stamp(at: float) -> str:
    return f"2026-03-04T10:{int(at // 60):02d}:{at % 60:06.3f}Z"


def write(path: Path, lines: list[tuple[float, str]]) -> None:
    path.write_text("".join(f"{stamp(at)} INFO {text}\n" for at, text in sorted(lines)))


def pod(chance: random.Random, begins: list[float], ends: float) -> Iterator[tuple[float, str]]:
    for at in begins:
        name = f"{chance.getrandbits(48):012x}"
        yield at, f"conn={name} connection open"
        yield ends + chance.uniform(0, 0.4), f"conn={name} connection closed code=1001"


def both(path: Path) -> list[list[str]]:
    return [one.sources for one in pipeline.connections_of([path]) if len(one.sources) > 1]


def test_replicas_that_are_restarted_together_have_no_connection_in_common(tmp_path: Path) -> None:
    chance = random.Random(4)
    for number in range(3):
        begins = [*(chance.uniform(0, 1500) for _ in range(6)), 600 + number * 0.2]
        write(tmp_path / f"pod-{number}.log", list(pod(chance, begins, 1800)))
    assert len(pipeline.connections_of([tmp_path])) == 21
    assert not both(tmp_path)


def test_two_clients_that_come_back_together_are_two(tmp_path: Path) -> None:
    chance = random.Random(5)
    for number in range(2):
        lines, begun = [], 10.0 + 9 * number
        for restart in (300, 700, 1100, 1500):
            lines.append((begun, "WebSocket connected to wss://a.example/ws"))
            lines.append((restart + chance.uniform(0, 0.05), "WebSocket closed code=1012"))
            begun = restart + chance.uniform(0.8, 2)
        write(tmp_path / f"client-{number}.log", lines)
    assert len(pipeline.connections_of([tmp_path])) == 8
    assert not both(tmp_path)


def test_a_log_that_tells_of_no_openings_is_nobody_s_stranger() -> None:
    """nginx's error log has a line for the tunnels that were cut, its access log one for all."""
    access = [seen(("access.log", f"conn-{n}"), 7000 * n, 5000, vantage="proxy") for n in range(4)]
    error = seen(("error.log", "*7"), None, 5000, vantage="proxy", outcome=None)
    other = [seen(("other.log", f"conn-{n}"), 7000 * n + 900, 400, vantage="proxy") for n in (1, 2)]
    order = beginnings([*access, error, *other])
    families = Families([*access, error, *other], acquainted(order))
    assert families.may_coincide(access[0], error)
    assert not families.may_coincide(access[1], other[0])


@pytest.mark.parametrize("logged", [1.0, 0.95])
def test_a_gateway_and_the_server_behind_it_tell_of_the_same(tmp_path: Path, logged: float) -> None:
    chance = random.Random(6)
    gateway, server, seen = list[tuple[float, str]](), list[tuple[float, str]](), 0
    for _ in range(60):
        begun = chance.uniform(0, 1500)
        ended = min(begun + chance.uniform(5, 600), 1800.0)
        for lines, late in ((gateway, 0.0), (server, chance.uniform(0.002, 0.02))):
            if lines is gateway or chance.random() < logged:
                name = f"{chance.getrandbits(48):012x}"
                lines.append((begun + late, f"conn={name} connection open"))
                lines.append((ended - late, f"conn={name} connection closed code=1000"))
                seen += lines is server
    write(tmp_path / "gateway.log", gateway)
    write(tmp_path / "server.log", server)
    assert len(pipeline.connections_of([tmp_path])) == 60
    assert len(both(tmp_path)) == seen
