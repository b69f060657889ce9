"""Worlds of clients, a proxy and servers that are restarted, and which line of their logs tells of
which connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

SPAN = 1800.0
"""Seconds that each world lasts."""

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


class World(NamedTuple):
    """How many there are, how they name connections, and how far the clients' clock is ahead."""

    clients: int
    pods: int
    proxy: bool
    names: str
    ahead_s: float
    restarts: int


class Life(NamedTuple):
    """One connection: whose, where, from when to when, and how it ended."""

    number: int
    client: int
    pod: int
    port: int
    opened: float
    ended: float
    code: int


Line = tuple[float, str, int]
"""When it is written, what it says, and of which connection."""


def a_world(seed: int) -> tuple[World, list[Life]]:
    """A world and all its connections."""
    dice = Random(seed)
    world = World(
        clients=dice.choice([1, 2, 3, 5, 8]),
        pods=dice.choice([1, 2, 3]),
        proxy=dice.random() < 0.7,
        names=dice.choice(["hex", "number", "address"]),
        ahead_s=dice.choice([0.0, 0.0, 0.4]),
        restarts=dice.choice([0, 1, 3]),
    )
    restarts = [dice.uniform(0.2, 0.9) * SPAN for _ in range(world.restarts)]
    lives = []
    for client in range(world.clients):
        begun = dice.uniform(0, SPAN / 4)
        while begun < SPAN * 0.9:
            ended, code = begun + dice.expovariate(4 / SPAN), dice.choice([1000, 1001])
            if over := [moment for moment in restarts if begun < moment < ended]:
                ended, code = min(over) + dice.uniform(0, 0.2), 1012
            pod, port = dice.randrange(world.pods), 20_000 + dice.randrange(40_000)
            lives.append(Life(len(lives), client, pod, port, begun, min(ended, SPAN), code))
            begun = ended + (dice.uniform(0.3, 4) if over else dice.expovariate(15 / SPAN))
    return world, lives


def write(folder: Path, world: World, lives: list[Life]) -> dict[tuple[str, int], int]:
    """Their logs; by file and line, which connection it tells of."""
    logs: dict[str, list[Line]] = defaultdict(list)
    for life in sorted(lives, key=lambda life: life.opened):
        name = f"pod-{life.pod}.log"
        logs[name] += _served(life, world.names, len(logs[name]))
        logs[f"client-{life.client}.log"] += _experienced(life, world.ahead_s)
        if world.proxy:
            logs["haproxy.log"].append(_forwarded(life))
    told = {}
    for name, lines in logs.items():
        lines.sort()
        (folder / name).write_text("".join(f"{text}\n" for _, text, _ in lines))
        told |= {(name, place): number for place, (*_, number) in enumerate(lines, 1)}
    return told


def _served(life: Life, names: str, before: int) -> Iterator[Line]:
    name = {
        "hex": f"conn={Random(life.port).getrandbits(48):012x}",
        "number": f"conn={before + 1}",
        "address": f"10.0.{life.client}.7:{life.port}",
    }[names]
    opened = life.opened + 0.002
    yield opened, f"{_iso(opened)} INFO {name} connection open", life.number
    yield life.ended, f"{_iso(life.ended)} INFO {name} closed code={life.code}", life.number


def _experienced(life: Life, ahead_s: float) -> Iterator[Line]:
    said = {
        life.opened - 0.02: "INFO connecting to wss://a.example/ws",
        life.opened + 0.005: "INFO WebSocket connected",
        life.ended + 0.003: f"WARN WebSocket closed code={life.code}",
    }
    for moment, text in said.items():
        yield moment, f"{_iso(moment + ahead_s)} {text}", life.number


def _forwarded(life: Life) -> Line:
    done, begun = life.ended + 0.001, NOON + timedelta(seconds=life.opened)
    accepted = f"{begun:%d/%b/%Y:%H:%M:%S}.{begun.microsecond // 1000:03d}"
    tells = (
        f"{NOON + timedelta(seconds=done):%b %d %H:%M:%S} lb haproxy[7]: "
        f"10.0.{life.client}.7:{life.port} [{accepted}] front back/pod{life.pod} "
        f"0/0/1/2/{(done - life.opened) * 1000:.0f} 101 734 - - ---- 1/1/1/1/0 0/0 "
        '"GET /ws HTTP/1.1"'
    )
    return done, tells, life.number


def _iso(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
