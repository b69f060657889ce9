"""Which state-sync strategy fits: by users and updates of each topic, and by returns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.review.service import Service

SECONDS = 60


def spoken(*topics: tuple[str, int, float], signals: bool = False) -> Service:
    """`(topic, users, updates a second)`: each update goes to every user of its topic."""
    service = Service()
    for topic, users, often in topics:
        for user in range(users):
            service.client(f"{topic}-{user}", f"user-{user}", 0, SECONDS)
        for n in range(int(often * SECONDS)):
            thing = {"id": n % 3} if signals else {"id": n % 3, "total": n, "city": "Ulm"}
            for user in range(users):
                service.down(
                    1 + n / often % (SECONDS - 2),
                    f"{topic}-{user}",
                    {"topic": topic, "data": thing},
                )
    return service


@pytest.mark.parametrize(
    ("topics", "advised"),
    [
        ([("order:1", 2, 0.2)], "invalidation"),
        ([("order:1", 8, 0.5), ("order:2", 3, 0.1)], "invalidation"),
        ([("price:1", 12, 3)], "direct"),
        ([("price:1", 3, 3)], "hybrid"),
        ([("news:1", 12, 0.2)], "hybrid"),
        ([("price:1", 12, 3), *((f"order:{n}", 2, 0.1) for n in range(4))], "hybrid"),
    ],
    ids=["few", "two topics", "many", "few but often", "many but seldom", "of either sort"],
)
def test_what_fits(topics: list[tuple[str, int, float]], advised: str, tmp_path: Path) -> None:
    told = spoken(*topics).review(tmp_path).sync
    assert (told.in_use, told.advised) == ("direct", advised)
    assert told.verdict == "not-needed"
    assert told.against


def test_signals_to_many_want_to_bring_the_thing(tmp_path: Path) -> None:
    told = spoken(("price:1", 12, 3), signals=True).review(tmp_path)
    assert (told.sync.in_use, told.sync.advised) == ("invalidation", "direct")
    assert told.sync.verdict == "needed"
    assert "Query cache: update it from the message" in [step.title for step in told.steps]


def test_signals_to_few_stay(tmp_path: Path) -> None:
    told = spoken(("order:1", 3, 0.3), signals=True).review(tmp_path)
    assert (told.sync.in_use, told.sync.advised) == ("invalidation", "invalidation")
    assert (told.sync.verdict, told.steps[1:]) == ("not-needed", [])


@pytest.mark.parametrize(("away", "advised"), [(20, "eventual"), (1, "invalidation")])
def test_a_conflict_after_a_return(away: int, advised: str, tmp_path: Path) -> None:
    service = spoken(("order:1", 3, 0.3))
    service.client("later", "ann", 30 + away, SECONDS)
    service.client("before", "ann", 0, 30)
    for conn, at in (("before", 5), ("later", 31 + away)):
        service.up(at, conn, {"type": "save", "topic": "order:1", "data": {"id": 1, "version": 4}})
    service.down(31.2 + away, "later", {"type": "save.conflict", "topic": "order:1", "id": 1})
    told = service.review(tmp_path).sync
    assert told.advised == advised
    assert told.measured["conflicts"] == (advised == "eventual")
