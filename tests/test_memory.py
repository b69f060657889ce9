"""Memory against live connections, connections ever made and subscriptions."""

from __future__ import annotations

from typing import Any

import pytest
from story import SERVER, life, row, story

from wsdiag.connections import memory

BASE = 80_000_000


def measured(rows: list[dict[str, object]]) -> dict[str, Any]:
    told = story(rows)
    return memory.cost(told.events, told.connections).collect().row(0, named=True)


def samples(price: float, count: list[int]) -> list[dict[str, object]]:
    return [
        row("memory", 10.0 * n + 5, source=SERVER, bytes=int(BASE + price * k))
        for n, k in enumerate(count)
    ]


def test_the_price_of_a_live_connection() -> None:
    rows = [r for n in range(40) for r in life(f"ab{n:02}", 2.0 * n, stops=900, source=SERVER)]
    found = measured([*rows, *samples(70_000, [3, 8, 13, 18, 23, 28, 33, 38])])
    assert found["per_connection"] == pytest.approx(70_000, rel=0.02)
    assert found["per_connect"] is None


def test_what_each_connect_leaves_behind() -> None:
    rows = [r for n in range(40) for r in life(f"ab{n:02}", 2.0 * n, 2.0 * n + 1, source=SERVER)]
    found = measured([*rows, *samples(70_000, [3, 8, 13, 18, 23, 28, 33, 38])])
    assert found["per_connect"] == pytest.approx(70_000, rel=0.02)
    assert found["per_connection"] is None


def test_the_price_of_a_subscription() -> None:
    rows = [row("subscribe", 2.0 * n, "ab01", SERVER, topic=f"room:{n}") for n in range(40)]
    found = measured(
        [*life("ab01", 0, stops=900, source=SERVER), *rows, *samples(9_000, [3, 8, 13, 18, 23, 28])]
    )
    assert found["per_subscription"] == pytest.approx(9_000, rel=0.02)


@pytest.mark.parametrize("count", [[], [5], [5, 5, 5, 5, 5, 5]])
def test_too_little_shows_nothing(count: list[int]) -> None:
    rows = [r for n in range(9) for r in life(f"ab{n}", n, stops=99, source=SERVER)]
    found = measured([*rows, *samples(70_000, count)])
    assert (found["per_connection"], found["per_connect"]) == (None, None)


def test_no_samples() -> None:
    found = measured(life("ab01", 0, 9, source=SERVER))
    assert found.pop("samples") == 0
    assert set(found.values()) == {None}
