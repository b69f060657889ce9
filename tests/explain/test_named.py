"""Every root cause once: the evidence from which it is named, and look-alikes that must not be.

What a log says is written here as its programs write it, shortened; what only a capture shows is
told as events. Each excerpt is the look-alike of all other causes: it must name its own.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from story import Row, life, pings, proxied, row

from explain.cases import finding, from_findings, from_rows
from wsdiag.config import Config
from wsdiag.explain import explain, load_causes

pipeline = importlib.import_module("wsdiag.pipeline")  # the package shows the function

SAID: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "named.toml").read_text("utf-8")
)


def first_of(text: str, folder: Path) -> str:
    (folder / "evidence.log").write_text(text, "utf-8")
    return str(pipeline.diagnose([str(folder / "evidence.log")], Config()).causes[0].id)


@pytest.mark.parametrize("excerpt", SAID)
def test_what_a_log_says(excerpt: str, tmp_path: Path) -> None:
    told = SAID[excerpt]
    cause = told.get("cause", excerpt)
    assert first_of(told["log"], tmp_path) in {cause, *told.get("or", [])}


def talk(conn: str, trips: list[tuple[float, float]], **answer: Any) -> list[Row]:
    """Questions at their times in seconds, each answered after so many milliseconds."""
    rows = []
    for number, (asked, ms) in enumerate(trips):
        said = {"trace": f"{conn}-{number}", "bytes": 80}
        rows.append(row("message", asked, conn, dir="c2s", **said))
        rows.append(row("message", asked + ms / 1000, conn, dir="s2c", **(said | answer)))
    return rows


def resent(conn: str, at: float, times: int, size: int, way: str = "s2c") -> list[Row]:
    """The same segment again and again, each time after twice the wait."""
    return [
        row("retransmit", at + 0.2 * (2**n - 1), conn, dir=way, bytes=size) for n in range(times)
    ]


def each(make: Callable[[str, int], list[Row]], clients: int = 4) -> list[Row]:
    return [r for n in range(clients) for r in make(f"w{n}", n)]


def delayed_ack() -> list[Row]:
    dice = Random(1)
    return each(
        lambda c, n: [
            *life(c, n, 90, code=1000, by="c2s"),
            *talk(
                c,
                [(5 + n / 7 + 2.3 * k + dice.random(), 199 + 6 * dice.random()) for k in range(20)],
            ),
        ],
        2,
    )


def grid() -> list[Row]:
    dice = Random(2)
    asked = [2 + 0.25 * k + 0.24 * dice.random() for k in range(40)]
    return [
        *life("w0", 0, 90, code=1000, by="c2s"),
        *talk("w0", [(t, (0.25 - t % 0.25) * 1000 + 60) for t in asked]),
    ]


def behind() -> list[Row]:
    rows = [*life("w0", 0, 90, code=1000, by="c2s")]
    rows += talk("w0", [(2.0 + k, 400.0 if k % 3 == 0 else 20.0) for k in range(18)])
    return rows + [row("message", 2.3 + k, "w0", dir="s2c", bytes=900_000) for k in range(0, 18, 3)]


def queue() -> list[Row]:
    trips = [(2 + 0.9 * k, 60 + 90.0 * k) for k in range(16)]
    return [*life("w0", 0, 90, code=1000, by="c2s"), *talk("w0", trips)]


def slow_handshakes() -> list[Row]:
    return each(
        lambda c, n: [
            *life(c, 2.0 * n, 90 + n, code=1000, by="c2s", ms=420.0 + 40 * n),
            *talk(c, [(30 + 3 * k + n / 7, 9.0) for k in range(6)]),
        ],
        6,
    )


def losses() -> list[Row]:
    return each(
        lambda c, n: [
            *life(c, n, 120, code=1000, by="c2s"),
            *talk(c, [(5 + n / 7 + 2.1 * k, 260.0 if k % 4 == 0 else 12.0) for k in range(40)]),
            *[r for k in range(8) for r in resent(c, 5.05 + n / 7 + 8.4 * k, 1, 300 + 40 * k)],
        ]
    )


def too_large() -> list[Row]:
    return each(
        lambda c, n: [
            *life(c, n, 60 + 9.0 * n, how="rst"),
            *talk(c, [(3 + k + n / 9, 9.0) for k in range(6)]),
            *resent(c, 20 + n, 6, 1448),
        ],
        3,
    )


def forgotten_flow() -> list[Row]:
    silence = 352.0
    return each(
        lambda c, n: [
            *life(c, n, 60 + silence + 40 + 11.0 * n, how="rst"),
            *talk(c, [(5 + 6 * k + n / 9, 9.0) for k in range(9)]),
            *resent(c, 56 + silence + 7.0 * n, 5, 120 + n),
        ],
        4,
    )


def closed_window() -> list[Row]:
    return each(
        lambda c, n: [
            *life(c, n, stops=200),
            *[row("zero_window", 50 + n + 3 * k, c, dir="c2s") for k in range(48)],
        ],
        2,
    )


def answered_and_yet() -> list[Row]:
    rows = []
    for n in range(3):
        rows += life(
            f"w{n}", n, 100 + 17.0 * n, code=1011, reason="keepalive ping timeout", key=f"k{n}"
        )
        rows += pings(f"w{n}", [20.0 + n, 40 + n, 60 + n, 80 + n])
    return rows


def hidden_tab() -> list[Row]:
    rows = life("w0", 0, 700, code=1000, by="s2c", reason="ping timeout")
    beats = [*(25.0 * k for k in range(1, 13)), 360.0, 420.0, 480.0, 540.0]
    for beat in beats:
        rows.append(row("ping", beat, "w0", dir="c2s"))
        rows.append(row("pong", beat + 0.004, "w0", dir="s2c", ms=4.0))
    return [*rows, row("heartbeat_timeout", 700, "w0")]


def dead_peer() -> list[Row]:
    rows = []
    for n in range(4):
        rows += life(f"w{n}", 0.5 * n, None if n else 80.0, code=1011, stops=None if not n else 200)
        rows += pings(f"w{n}", [t + 0.01 * n for t in range(20, 60 if not n else 200, 20)])
    rows += pings("w0", [60.0], pong_ms=None)
    return rows + [row("retransmit", 60.2 + 0.2 * 2**k, "w0", dir="s2c") for k in range(6)]


def blocked_loop() -> list[Row]:
    return each(
        lambda c, n: [
            *life(c, n, 120, code=1000, by="c2s"),
            *talk(c, [(5.0 + 10 * k, 2300.0 + 7 * n if k % 3 == 0 else 6.0) for k in range(10)]),
        ],
        6,
    )


def idle_proxy() -> list[Row]:
    rows = []
    for n in range(4):
        rows += proxied(f"c{n}", 5.0 * n, 80 + 17.0 * n)
        for leg in ("front", "back"):
            rows += talk(f"c{n}-{leg}", [(5.0 * n + 1, 2.0), (20 + 17.0 * n, 0.0)])
    return rows


def aged() -> list[Row]:
    return each(
        lambda c, n: [
            *life(c, 13.0 * n, 13.0 * n + 300.0),
            *talk(c, [(13.0 * n + 5 + 4.0 * k, 9.0) for k in range(73)]),
        ],
        5,
    )


def full_server() -> list[Row]:
    """Sixty clients behind one address: a few get in, the others give up after six seconds."""
    rows = each(lambda c, n: life(c, 9.0 + 3 * n, stops=70, ms=8000.0), 6)
    for n in range(180):
        start = 1 + n % 60 / 6 + 14.0 * (n // 60)
        rows.append(row("attempt", start, f"t{n}", peer=f"127.0.0.1:{20000 + n}"))
        rows.append(row("end", start + 6, f"t{n}", dir="c2s", reason="fin"))
    return rows


SHOWN: dict[str, tuple[Callable[[], list[Row]], tuple[str, ...]]] = {
    "nagle-delayed-ack": (delayed_ack, ()),
    "server-batching": (grid, ()),
    "head-of-line-blocking": (behind, ()),
    "queueing": (queue, ()),
    "slow-connect": (slow_handshakes, ()),
    "connect-timeout-overload": (full_server, ()),
    "packet-loss": (losses, ()),
    "mtu-black-hole": (too_large, ()),
    "silent-flow-expiry": (forgotten_flow, ()),
    "zero-window": (closed_window, ()),
    "pong-not-read": (answered_and_yet, ()),
    "hidden-tab-throttling": (hidden_tab, ()),
    "peer-gone": (dead_peer, ()),
    "event-loop-blocked": (blocked_loop, ()),
    "proxy-idle-timeout": (idle_proxy, ()),
    "max-connection-age": (aged, ()),
}


@pytest.mark.parametrize("cause", SHOWN)
def test_what_the_wire_shows(cause: str) -> None:
    make, also = SHOWN[cause]
    first = explain(from_rows(make()))[0].id
    assert first in {cause, *also}


FOUND: dict[str, tuple[list[tuple[str, ...]], tuple[str, ...]]] = {
    "heartbeat-missing": ([("idle-cut", "no-heartbeat", "repeats")], ()),
    "heartbeat-too-slow": ([("idle-cut", "pings-too-slow", "repeats", "proxy-ended")], ()),
    "cdn-edge-drop": ([("idle-cut", "repeats")], ("cloudflare",)),
    "hidden-shorter-timer": ([("idle-cut", "repeats", "behind-proxy", "server-ended")], ("nginx",)),
    "backpressure-ignored": (
        [("slow-consumer", "zero-window"), ("mass-close", "kill-logged", "no-close-frame")],
        (),
    ),
    "over-subscription": ([("slow-consumer", "queue-full"), ("message-latency", "ramps")], ()),
    "event-loop-blocked": (
        [("missed-heartbeat", "acked", "clients-silent", "spoke-again", "one-by-one")],
        (),
    ),
    "reconnect-storm": ([("reconnect-storm", "no-backoff", "no-jitter", "mostly-failed")], ()),
}
"""What detectors leave for causes that need more evidence than an excerpt holds."""


@pytest.mark.parametrize("cause", FOUND)
def test_what_detectors_found(cause: str) -> None:
    found, stacks = FOUND[cause]
    case = from_findings(*(finding(name, *traits) for name, *traits in found))
    named = [each.id for each in explain(msgspec.structs.replace(case, stacks=frozenset(stacks)))]
    assert cause in named


def test_every_cause_is_named_somewhere() -> None:
    named = {told.get("cause", name) for name, told in SAID.items()} | set(SHOWN) | set(FOUND)
    assert set(load_causes()) - named == set()
