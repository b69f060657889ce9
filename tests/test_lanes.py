"""What a page draws: bounded, and of those connections that tell most."""

from __future__ import annotations

import polars as pl
from story import at, chat, judge, life, pings, story

from wsdiag import lanes, roster
from wsdiag.finding import FINDINGS

FLEET = [
    row
    for number in range(60)
    for row in life(f"c{number:02}", number, number + 60.0 + number % 3, how="fin")
]


def test_the_worst_first_and_no_more_than_can_be_shown(monkeypatch) -> None:
    told = story(FLEET)
    frame = FINDINGS.to_frame()
    assert len(roster.worst(told, frame)) == 60
    monkeypatch.setattr(roster, "MAX_WORST", 7)
    (finding,) = judge("abnormal-close", FLEET).findings
    (last,) = told.connections.filter(pl.col("opened") == at(59)).collect()["session"]
    named = pl.DataFrame([finding | {"sessions": [last]}], schema=FINDINGS)
    first, *rest = roster.worst(told, named)
    assert first.session == last
    assert len(rest) == 6


def test_a_lane_is_a_life_with_its_marks() -> None:
    rows = [*life("a", 0, 90, code=1000), *chat("a", range(1, 90)), *pings("a", [20, 40])]
    told = story(rows)
    worst = roster.worst(told, FINDINGS.to_frame())
    (lane,) = lanes.lanes(worst, told.events, [("f1", {worst[0].session})])
    assert lane.findings == ["f1"]
    assert 90 <= (lane.until - lane.since).total_seconds() < 90.1
    seconds = {(marks.kind, marks.dir): marks.at_s for marks in lane.marks}
    assert seconds["ping", "s2c"] == [20.005, 40.005]
    assert len(seconds["message", "c2s"]) == lanes.MAX_MARKS
    assert max(seconds["message", "c2s"]) > 88  # the last ones, where the end is


def test_a_timer_is_one_high_bar() -> None:
    clocks = {told.clock: told for told in lanes.clocks(story(FLEET))}
    age = clocks["age"]
    assert sum(age.counts) == 60
    assert max(age.counts) == 20
    assert len(age.counts) == len(age.edges_s) <= lanes.MAX_BARS
    assert "token" not in clocks


def test_polite_ends_are_on_no_clock() -> None:
    polite = [row for n in range(9) for row in life(f"c{n}", n, n + 60, code=1000, by="c2s")]
    assert lanes.clocks(story(polite)) == []
