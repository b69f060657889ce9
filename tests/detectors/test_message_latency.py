"""message-latency: p95 of until answered against the target."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from story import CLIENT, SERVER, Row, chat, judge, life, proxied, row

NAME = "message-latency"


def test_slow_answers() -> None:
    rows = [*life("a", 0, 60, code=1000), *chat("a", range(1, 11), ms=120.0)]
    (finding,) = judge(NAME, rows).findings
    assert finding["severity"] == "warning"
    assert (finding["count"], finding["measured"], finding["target"]) == (10, 120.0, 50.0)
    assert finding["unit"] == "ms"
    assert {p["source"] for p in finding["evidence"]} == {"wire.pcap"}


def test_exactly_on_target_is_clean() -> None:
    said = judge(NAME, [*life("a", 0, 60), *chat("a", range(1, 11), ms=50.0)])
    assert said.verdict == "pass"
    assert said.why == "p95 50.0 ms of 10 messages (until answered), target 50 ms"


def test_few_stragglers_are_within_the_percentile() -> None:
    rows = [
        *life("a", 0, 60),
        *chat("a", range(1, 40), ms=5.0),
        *chat("a", [50], ms=400.0, first=99),
    ]
    assert judge(NAME, rows).verdict == "pass"
    assert judge(NAME, rows, percentile=100.0).verdict == "breach"


def test_a_target_of_ones_own() -> None:
    rows = [*life("a", 0, 60), *chat("a", range(1, 11), ms=120.0)]
    assert judge(NAME, rows, message_ms=120.0).verdict == "pass"


def test_a_latency_that_a_log_states() -> None:
    rows = [row("message", t, "c00", CLIENT, ms=80.0) for t in range(1, 6)]
    assert judge(NAME, rows).findings[0]["measured"] == 80.0


def test_messages_without_ids_are_not_applicable() -> None:
    rows = [row("message", t, "a", dir=d) for t in range(1, 9) for d in ("c2s", "s2c")]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_no_difference_is_taken_between_two_vantages() -> None:
    """Request in the client's log, answer in the server's, whose clock is off by a second."""
    rows = [
        *life("c00", 0, 60, source=CLIENT, key="k"),
        *life("ab12", 1, 61, source=SERVER, key="k"),
        *(row("message", t, "c00", CLIENT, dir="c2s", trace=f"m{t}") for t in range(5, 9)),
        *(row("message", t + 1, "ab12", SERVER, dir="s2c", trace=f"m{t}") for t in range(5, 9)),
    ]
    said = judge(NAME, rows)
    assert (said.verdict, said.findings) == ("not-applicable", [])


def test_both_legs_are_one_message() -> None:
    rows = proxied("a", 0, 60)
    rows += chat("a-front", [1, 2, 3], ms=80.0)
    rows += chat("a-back", [1.001, 2.001, 3.001], ms=78.0)
    assert judge(NAME, rows).count == 3


def test_ids_of_different_connections_do_not_meet() -> None:
    rows = [*life("a", 0, 60), *life("b", 0.5, 60)]
    rows += [
        row("message", 1, "a", dir="c2s", trace="1"),
        row("message", 9, "b", dir="s2c", trace="1"),
    ]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_an_answer_before_its_request_is_none() -> None:
    rows = [*life("a", 0, 60), row("message", 2, "a", dir="s2c", trace="1")]
    rows += [row("message", 5, "a", dir="c2s", trace="1")]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_an_id_used_again_measures_the_next_answer() -> None:
    """Counters that start again after a reconnect must not measure minutes."""
    rows = [*life("a", 0, 10), *chat("a", [1, 2], ms=5.0)]
    rows += [*life("b", 300, 320), *chat("b", [301, 302], ms=5.0)]
    said = judge(NAME, rows)
    assert said.why == "p95 5.0 ms of 4 messages (until answered), target 50 ms"


@pytest.mark.parametrize("number", [2, 3])
def test_a_broadcast_with_the_id_counts_its_first_answer(number: int) -> None:
    rows = life("a", 0, 60)
    rows += [row("message", 1, "a", dir="c2s", trace="1")]
    rows += [row("message", 1 + 0.01 * n, "a", dir="s2c", trace="1") for n in range(1, number + 1)]
    assert judge(NAME, rows).why == "p95 10.0 ms of 1 messages (until answered), target 50 ms"


def answered(conn: str, trips: list[tuple[float, float]], **answer: Any) -> list[Row]:
    """Questions at their times (s), each answered after so many ms, with the same id."""
    rows = list(life(conn, 0, 900, code=1000))
    for number, (asked, ms) in enumerate(trips):
        said = {"trace": f"{conn}-{number}", "bytes": 80}
        rows.append(row("message", asked, conn, dir="c2s", **said))
        rows.append(row("message", asked + ms / 1000, conn, dir="s2c", **(said | answer)))
    return rows


def test_waits_of_a_delayed_acknowledgement() -> None:
    dice = Random(1)
    trips = [(1 + 1.7 * n + dice.random(), 200 + 8 * dice.random()) for n in range(12)]
    assert "delayed-ack" in judge(NAME, answered("a", trips)).traits


def test_a_queue_that_fills() -> None:
    trips = [(1 + 0.9 * n, 60 + 90 * n) for n in range(14)]
    assert "ramps" in judge(NAME, answered("a", trips)).traits


def test_answers_on_a_grid() -> None:
    dice = Random(2)
    asked = [1 + 0.25 * n + 0.24 * dice.random() for n in range(24)]
    trips = [(t, (0.25 - t % 0.25) * 1000 + 60) for t in asked]
    said = judge(NAME, answered("a", trips))
    assert "grid" in said.traits
    assert not said.traits & {"delayed-ack", "ramps"}


def test_behind_a_large_message() -> None:
    trips = [(1.0 + n, 400.0 if n % 3 == 0 else 20.0) for n in range(15)]
    rows = answered("a", trips)
    rows += [row("message", 1.3 + n, "a", dir="s2c", bytes=900_000) for n in range(0, 15, 3)]
    assert "behind-big-messages" in judge(NAME, rows).traits


def test_plain_slowness_has_no_shape() -> None:
    dice = Random(3)
    trips = [(1 + 2.3 * n + dice.random(), 80 + 60 * dice.random()) for n in range(30)]
    assert judge(NAME, answered("a", trips)).traits == set()


def published(ids: list[str], after: float = 0.02, **late: float) -> list[Row]:
    """One client publishes, two others receive, of whom `late` opens later."""
    rows = [*life("a", 0, 60), *life("b", 0.5, 60), *life("c", late.get("c", 0.7), 60)]
    for number, name in enumerate(ids):
        rows.append(row("message", 10 + number, "a", dir="c2s", trace=name))
        rows += [
            row("message", 10 + number + after, to, dir="s2c", trace=name) for to in ("b", "c")
        ]
    return rows


TRACES = [f"4bf92f3577b34da{n}" for n in range(3)]


def test_publish_to_delivery() -> None:
    said = judge(NAME, published(TRACES))
    assert said.why == "p95 20.0 ms of 6 messages (until delivered), target 50 ms"
    (finding,) = judge(NAME, published(TRACES, after=0.3)).findings
    assert "6 of 6 messages (until delivered) above 50 ms" in finding["message"]


def test_what_is_kept_for_those_who_come_later_is_no_delivery() -> None:
    assert "of 3 messages" in judge(NAME, published(TRACES, after=5, c=16)).findings[0]["message"]
    assert judge(NAME, published(TRACES, after=11)).verdict == "not-applicable"


@pytest.mark.parametrize("ids", [["1", "2", "3"], ["m1", "m2"], ["100000001", "100000002"]])
def test_what_may_be_the_own_count_of_each_is_no_delivery(ids: list[str]) -> None:
    assert judge(NAME, published(ids)).verdict == "not-applicable"


def test_an_id_that_several_publish_is_no_delivery() -> None:
    rows = published(TRACES)
    rows += [row("message", 9, "c", dir="c2s", trace=name) for name in TRACES]
    assert "delivered" not in judge(NAME, rows).why


def test_both_ways_are_told_apart() -> None:
    rows = [*published(TRACES), *chat("a", [30, 31, 32, 33, 34, 35, 36])]
    said = judge(NAME, rows)
    assert "of 13 messages (until answered, until delivered)" in said.why


def test_sides_that_number_their_own_messages_answer_nothing() -> None:
    """Of a price feed the third message is no answer to the client's third."""
    rows = life("a", 0, 60)
    rows += [row("message", 1 + 0.5 * n, "a", dir="s2c", trace=str(n)) for n in range(40)]
    rows += [row("message", 1.2 + 2.1 * n, "a", dir="c2s", trace=str(n)) for n in range(10)]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_an_answer_is_known_among_others_own_numbers() -> None:
    """In a room each numbers what he says; the server acknowledges with the number."""
    rows = [*life("a", 0, 60), *life("b", 0.5, 60)]
    for n in range(10):
        for who, other, since in (("a", "b", 1.0), ("b", "a", 1.5)):
            said = {"name": "chat.message", "trace": str(n)}
            rows.append(row("message", since + n, who, dir="c2s", **said))
            rows.append(row("message", since + n + 0.004, other, dir="s2c", **said))
            rows.append(row("message", since + n + 0.02, who, dir="s2c", name="ack", trace=str(n)))
    rows += [row("message", 1.6 + n, "a", dir="s2c", name="x", trace=str(n + 1)) for n in range(9)]
    said = judge(NAME, rows)
    assert "p95 20.0 ms of 20 messages" in said.why
