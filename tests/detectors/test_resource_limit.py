"""resource-limit: used-up descriptors, connections, ports, conntrack entries and memory."""

from __future__ import annotations

import pytest
from story import PROXY, SERVER, judge, life, row

NAME = "resource-limit"


@pytest.mark.parametrize(
    ("reason", "mark"),
    [
        ("EMFILE", "descriptors"),
        ("too many open files", "descriptors"),
        ("1024 worker_connections are not enough", "worker-connections"),
        ("nf_conntrack: table full", "conntrack"),
        ("Cannot assign requested address", "ports"),
        ("Out of memory: Killed process 12", "memory"),
    ],
)
def test_each_limit(reason: str, mark: str) -> None:
    said = judge(NAME, [row("error", n, None, SERVER, reason=reason) for n in range(3)])
    assert said.count == 3
    assert said.traits == {mark}


def test_a_log_without_complaints() -> None:
    rows = [*life("ab12", 0, 30, source=PROXY), row("error", 9, "ab12", PROXY, reason="timed out")]
    assert judge(NAME, rows).verdict == "pass"
