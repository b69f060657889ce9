"""slow-consumer: windows that stay closed, and memory that grows meanwhile."""

from __future__ import annotations

from itertools import accumulate

import pytest
from story import SERVER, Row, chat, judge, life, row

NAME = "slow-consumer"


def shut(conn: str, since: float, gaps: list[float]) -> list[Row]:
    """A receiver that says again and again, after these waits, that its window is closed."""
    return [row("zero_window", t, conn, dir="c2s") for t in accumulate([since, *gaps])]


DOUBLING = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2]
LIVES = [*life("c1", 0, stops=180), *chat("c1", [1.0, 5.0, 9.0])]


@pytest.mark.parametrize(
    ("gaps", "found"),
    [
        (DOUBLING, True),  # 102 s: the next probe is due after another 102 s
        ([*DOUBLING[:7], 60.0], False),  # the timer was started anew: it had opened in between
        ([0.2, 0.4], False),  # ordinary flow control
    ],
)
def test_a_sender_that_waits_twice_as_long_each_time(gaps: list[float], *, found: bool) -> None:
    said = judge(NAME, [*LIVES, *shut("c1", 10, gaps)])
    assert (said.count == 1) is found


@pytest.mark.parametrize(
    ("sizes", "grew"),
    [
        ([60, 90, 150, 300, 500, 700], True),
        ([60, 300, 700, 300, 100, 80], False),  # it came back by itself
        ([60, 61, 62, 63, 64, 65], False),
        ([1, 2, 3, 4, 5, 6], False),  # doubled, of nothing
    ],
)
def test_memory_that_grows_meanwhile(sizes: list[int], *, grew: bool) -> None:
    told = [
        row("memory", 15 + 20 * n, None, SERVER, bytes=size * 1_000_000)
        for n, size in enumerate(sizes)
    ]
    said = judge(NAME, [*LIVES, *shut("c1", 10, DOUBLING), *told])
    assert ("memory-grew" in said.traits) is grew
