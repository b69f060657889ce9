"""Every root cause once: evidence that looks like it and is not, and what it is instead.

Logs are in `alike.toml`, written as their programs write them; what only a capture shows is told as
events, and what takes more evidence than either holds as the findings that detectors leave.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from story import Row, life

from explain.cases import finding, from_findings, from_rows
from explain.test_named import (
    aged,
    behind,
    blocked_loop,
    closed_window,
    dead_peer,
    delayed_ack,
    each,
    forgotten_flow,
    grid,
    losses,
    queue,
    talk,
    too_large,
)
from wsdiag.config import Config
from wsdiag.explain import explain, load_causes

pipeline = importlib.import_module("wsdiag.pipeline")  # the package shows the function

SAID: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "alike.toml").read_text("utf-8")
)


def judge(named: list[str], cause: str, honest: set[str]) -> None:
    assert cause not in named
    assert named[0] in honest


@pytest.mark.parametrize("name", SAID)
def test_what_a_log_says(name: str, tmp_path: Path) -> None:
    alike = SAID[name]
    (tmp_path / "evidence.log").write_text(alike["log"], "utf-8")
    report = pipeline.diagnose([str(tmp_path / "evidence.log")], Config())
    judge([each.id for each in report.causes], alike.get("cause", name), set(alike["is"]))


def busy_and_well() -> list[Row]:
    """Everyone gets everything, and nobody is late."""
    return each(
        lambda c, n: [
            *life(c, n, 90, code=1000, by="c2s"),
            *talk(c, [(5 + n / 7 + 0.5 * k, 8.0) for k in range(120)]),
        ]
    )


SHOWN: dict[str, tuple[Callable[[], list[Row]], str]] = {
    "nagle-delayed-ack": (grid, "server-batching"),
    "server-batching": (delayed_ack, "nagle-delayed-ack"),
    "head-of-line-blocking": (queue, "queueing"),
    "queueing": (behind, "head-of-line-blocking"),
    "slow-connect": (blocked_loop, "event-loop-blocked"),
    "event-loop-blocked": (losses, "packet-loss"),
    "packet-loss": (closed_window, "zero-window"),
    "zero-window": (losses, "packet-loss"),
    "mtu-black-hole": (forgotten_flow, "silent-flow-expiry"),
    "silent-flow-expiry": (too_large, "mtu-black-hole"),
    "half-open": (forgotten_flow, "silent-flow-expiry"),
    "pong-not-read": (dead_peer, "peer-gone"),
    "token-expired-midstream": (aged, "max-connection-age"),
    "over-subscription": (busy_and_well, "healthy"),
}


@pytest.mark.parametrize("cause", SHOWN)
def test_what_the_wire_shows(cause: str) -> None:
    make, honest = SHOWN[cause]
    judge([each.id for each in explain(from_rows(make()))], cause, {honest})


FOUND: dict[str, tuple[list[tuple[str, ...]], tuple[str, ...], str]] = {
    "cdn-edge-drop": (
        [("idle-cut", "proxy-timer-logged", "repeats", "fits-nginx")],
        ("cloudflare", "nginx"),
        "proxy-idle-timeout",
    ),
    "heartbeat-too-slow": ([("idle-cut", "no-heartbeat", "repeats")], (), "heartbeat-missing"),
    "backpressure-ignored": (
        [("resource-limit", "grows-with-connects")],
        (),
        "subscription-leak",
    ),
    "peer-gone": (
        [("missed-heartbeat", "stated", "acked", "together"), ("server-stall", "together")],
        (),
        "event-loop-blocked",
    ),
    "hidden-shorter-timer": (
        [("idle-cut", "repeats", "behind-proxy", "proxy-ended", "fits-nginx")],
        ("nginx",),
        "proxy-idle-timeout",
    ),
}
"""What detectors leave where a look-alike takes more evidence than an excerpt holds."""


@pytest.mark.parametrize("cause", FOUND)
def test_what_detectors_found(cause: str) -> None:
    found, stacks, honest = FOUND[cause]
    case = from_findings(*(finding(name, *traits) for name, *traits in found))
    case = msgspec.structs.replace(case, stacks=frozenset(stacks))
    judge([each.id for each in explain(case)], cause, {honest})


def test_every_cause_has_a_look_alike() -> None:
    assert set(load_causes()) - set(SAID) - set(SHOWN) - set(FOUND) == set()
