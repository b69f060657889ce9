"""One clock for all sources."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import CLIENT, PROXY, SERVER, WIRE, at, frame, life, row

from wsdiag.clocks import Clock, align, contradictions


def incident(*, slow: float = 0.0, source: str = SERVER, number: int = 5) -> list[dict[str, Any]]:
    """Handshakes that the wire and a log with a clock of its own both saw."""
    rows = []
    for n in range(number):
        rows += life(f"w{n}", 10.0 * n, 10 * n + 5, code=1000, key=f"k{n}")
        start = 10.0 * n + 0.004 - slow
        rows += life(f"ab{n}", start, start + 5, code=1000, source=source, key=f"k{n}")
    return rows


def times(events: pl.DataFrame, source: str) -> list:
    return events.filter(pl.col("source") == source)["ts"].to_list()


def test_a_log_that_is_seven_seconds_slow() -> None:
    before = frame(incident(slow=7.0))
    after, clocks = align(before, {WIRE: 0.001, SERVER: 1.0})
    assert clocks[WIRE].offset_ms == 0.0
    assert clocks[SERVER].offset_ms == pytest.approx(-7000, abs=10)
    assert clocks[SERVER].error_ms is not None
    assert clocks[SERVER].error_ms < 100
    assert times(after, WIRE) == times(before, WIRE)
    opens = after.filter(pl.col("kind") == "open").sort("ts")
    apart = opens["ts"].diff().dt.total_milliseconds()[1::2]
    assert apart.max() <= 30


def test_what_is_within_the_error_is_left_alone() -> None:
    before = frame(incident(slow=0.5))
    after, clocks = align(before, {SERVER: 1000.0})
    assert after.equals(before)
    # Stamps that are cut to whole seconds stand half a second early.
    assert clocks[SERVER].offset_ms == pytest.approx(-496 + 500, abs=5)


def test_the_servers_share_of_the_handshake_is_no_offset() -> None:
    before = frame(incident(slow=0.0))
    after, _ = align(before, {WIRE: 0.001, SERVER: 1.0})
    assert after.equals(before)


@settings(max_examples=20, deadline=None)
@given(st.floats(-86_400, 86_400).filter(lambda s: abs(s) > 0.2))
def test_any_offset_is_found_and_taken_away(slow: float) -> None:
    after, clocks = align(frame(incident(slow=slow)), {})
    assert clocks[SERVER].offset_ms == pytest.approx(-slow * 1000 + 4, abs=1)
    straight = frame(incident()).filter(pl.col("source") == SERVER)["ts"].sort()
    moved = after.filter(pl.col("source") == SERVER)["ts"].sort()
    assert (moved - straight).abs().max().total_seconds() <= 0.006


def test_one_outlier_does_not_move_a_clock() -> None:
    rows = incident(slow=7.0, number=9)
    rows += [*life("wx", 200, 205, key="kx"), *life("abx", 500, 505, source=SERVER, key="kx")]
    _, clocks = align(frame(rows), {})
    assert clocks[SERVER].offset_ms == pytest.approx(-7000, abs=20)


def test_a_source_that_shares_nothing_keeps_its_time() -> None:
    rows = [*incident(slow=7.0), *life("c00", 900, 990, source=CLIENT)]
    before = frame(rows)
    after, clocks = align(before, {})
    assert clocks[CLIENT] == Clock()
    assert times(after, CLIENT) == times(before, CLIENT)


@pytest.mark.parametrize("column", ["key", "trace", "peer"])
def test_what_recognises_a_handshake(column: str) -> None:
    rows = []
    for n in range(3):
        name = {column: f"192.0.2.1:4000{n}"}
        rows += life(f"w{n}", 10 * n, 10 * n + 5, **name)
        rows += life(f"ab{n}", 10 * n - 7, 10 * n - 2, source=SERVER, **name)
    _, clocks = align(frame(rows), {})
    assert clocks[SERVER].offset_ms == pytest.approx(-7000, abs=1)


def test_an_address_that_returns_is_no_anchor() -> None:
    """Which of the two lives the other log means, nobody can say."""
    peer = "192.0.2.1:40000"
    rows = [
        *life("ab1", 0, 5, source=SERVER, peer=peer),
        *life("ab2", 600, 605, source=SERVER, peer=peer),
        *life("c1", 600, 605, source=CLIENT, peer=peer),
    ]
    _, clocks = align(frame(rows), {})
    assert Clock() in (clocks[SERVER], clocks[CLIENT])


def test_without_a_capture_the_best_connected_log_is_the_reference() -> None:
    rows = []
    for n in range(4):
        rows += life(f"*{n}", 10 * n, 10 * n + 5, source=PROXY, key=f"k{n}")
        if n < 3:
            rows += life(f"ab{n}", 10 * n - 7, 10 * n - 2, source=SERVER, key=f"k{n}")
        if n > 1:
            rows += life(f"c0{n}", 10 * n + 3, 10 * n + 8, source=CLIENT, key=f"k{n}")
    _, clocks = align(frame(rows), {})
    assert clocks[PROXY].offset_ms == 0.0
    assert clocks[SERVER].offset_ms == pytest.approx(-7000, abs=1)
    assert clocks[CLIENT].offset_ms == pytest.approx(3000, abs=1)


def test_a_rejection_is_a_handshake_too() -> None:
    rows = [
        r
        for n in range(3)
        for r in (
            row("rejected", 10 * n, f"w{n}", code=401, key=f"k{n}"),
            row("rejected", 10 * n - 7, f"ab{n}", SERVER, code=401, key=f"k{n}"),
        )
    ]
    _, clocks = align(frame(rows), {})
    assert clocks[SERVER].offset_ms == pytest.approx(-7000, abs=1)


def test_rows_without_a_time_stay_without() -> None:
    rows = [*incident(slow=7.0), row("open", None, "zz", SERVER)]
    after, _ = align(frame(rows), {})
    assert times(after, SERVER).count(None) == 1


def test_a_coarse_log_has_a_coarse_error() -> None:
    _, fine = align(frame(incident(slow=7.0)), {SERVER: 1.0})
    _, coarse = align(frame(incident(slow=7.0)), {SERVER: 1000.0})
    assert fine[SERVER].error_ms is not None
    assert coarse[SERVER].error_ms is not None
    assert coarse[SERVER].error_ms >= fine[SERVER].error_ms + 450


def test_expiry_is_told_by_its_own_clock() -> None:
    """A token's expiry is absolute: a log's offset does not move it."""
    rows = incident(slow=7.0)
    rows += life("zz", 50, 60, source=SERVER, expires=at(60), key="kz")
    after, _ = align(frame(rows), {})
    assert set(after["expires"].drop_nulls()) == {at(60)}


def test_no_events_no_clocks() -> None:
    after, clocks = align(frame([]), {})
    assert len(after) == 0
    assert clocks == {}


UNEVEN = [0.0, 1.3, 4.1, 4.9, 9.7, 11.2, 17.8, 18.1, 26.4, 29.0]
"""Moments at which people come."""


def by_moments(
    wire: list[float], log: list[float], *, source: str = CLIENT, **told: Any
) -> pl.DataFrame:
    """Connections that the wire and a log saw, of which the log gives no name."""
    rows = [r for n, t in enumerate(wire) for r in life(f"w{n}", t, t + 40, code=1000)]
    rows += [row("open", t, f"c{n}", source, **told) for n, t in enumerate(log)]
    return frame(rows)


def test_a_log_without_names_is_known_by_its_rhythm() -> None:
    _, clocks = align(by_moments(UNEVEN, [t - 7 for t in UNEVEN]), {})
    assert clocks[CLIENT].offset_ms == pytest.approx(-7000, abs=10)


def test_whole_seconds_elsewhere_in_a_log_do_not_blur_its_rhythm() -> None:
    """Those of syslog among a proxy's own lines, where people come close together."""
    dice = Random(3)
    busy = sorted(dice.uniform(0.1, 60) for _ in range(70))
    told = by_moments(busy, [t - 18_000 for t in busy[10:50]])
    _, clocks = align(told, {CLIENT: 1000.0})
    assert clocks[CLIENT].offset_ms == pytest.approx(-18_000_000, abs=30)
    coarse = by_moments(busy, [round(t - 18_000) for t in busy[10:50]])
    assert align(coarse, {CLIENT: 1000.0})[1][CLIENT] == Clock()


def test_a_log_that_saw_some_of_them() -> None:
    _, clocks = align(by_moments(UNEVEN, [t + 3600 for t in UNEVEN[2:9]]), {})
    assert clocks[CLIENT].offset_ms == pytest.approx(3_600_000, abs=10)


def test_the_reference_may_be_the_one_that_saw_some_of_them() -> None:
    _, clocks = align(by_moments(UNEVEN[2:9], [t + 95 for t in UNEVEN]), {})
    assert clocks[CLIENT].offset_ms == pytest.approx(95_000, abs=10)


def test_a_rhythm_is_known_by_way_of_another() -> None:
    both = by_moments(UNEVEN[:6], [t - 7 for t in UNEVEN], source=SERVER)
    client = by_moments([], [t + 90 for t in UNEVEN[4:]])
    _, clocks = align(pl.concat([both, client]), {})
    assert clocks[SERVER].offset_ms == pytest.approx(-7000, abs=10)
    assert clocks[CLIENT].offset_ms == pytest.approx(90_000, abs=20)


def test_clients_that_follow_one_script_are_not_one() -> None:
    first = by_moments([], UNEVEN)
    second = by_moments([], [t + 95 for t in UNEVEN], source="client-2.log", vantage="client")
    _, clocks = align(pl.concat([first, second]), {})
    assert Clock() in clocks.values()


def test_what_comes_at_once_is_no_rhythm() -> None:
    crowd = [0.002 * n for n in range(8)]
    _, clocks = align(by_moments(crowd, [t + 185 for t in crowd]), {})
    assert clocks[CLIENT] == Clock()


def test_where_nothing_is_shared_the_clock_of_a_server_is_the_reference() -> None:
    client = by_moments([], UNEVEN, source="a-client.log", vantage="client")
    server = by_moments([], [t - 7 for t in UNEVEN], source=SERVER)
    _, clocks = align(pl.concat([client, server]), {})
    assert clocks["a-client.log"].against == SERVER
    assert clocks["a-client.log"].offset_ms == pytest.approx(7000, abs=10)


@pytest.mark.parametrize(
    "log",
    [
        [t + 7 for t in UNEVEN[:4]],  # too few
        [0.7, 2.2, 3.1, 5.8, 7.4, 12.5, 13.9],  # other people
    ],
)
def test_no_rhythm_no_offset(log: list[float]) -> None:
    _, clocks = align(by_moments(UNEVEN, log), {})
    assert clocks[CLIENT] == Clock()


@pytest.mark.parametrize(("names", "known"), [("abacbcabbacacbbcaacb", True), ("a" * 20, False)])
def test_names_that_two_logs_share_tell_an_even_rhythm_apart(names: str, known: bool) -> None:
    """The timer of a server ends them at even times: any shift by its step fits nearly all."""
    rows = [
        row("close", 60 + 5 * n + late, f"tab-{name}", source, code=1000)
        for n, name in enumerate(names)
        for late, source in ((0, SERVER), (20 + n % 3 / 1000, CLIENT))
    ]
    _, clocks = align(frame(rows), {SERVER: 1.0, CLIENT: 1.0})
    offsets = {abs(clock.offset_ms or 0.0) for clock in clocks.values()}
    assert any(19_990 < offset < 20_010 for offset in offsets) is known


def test_an_even_rhythm_fits_everywhere_and_tells_nothing() -> None:
    even = [2.0 * n for n in range(12)]
    _, clocks = align(by_moments(even, [t + 7 for t in even]), {})
    assert clocks[CLIENT] == Clock()


def beats(
    number: int, *, ppm: float = 0.0, offset: float = 0.0, queue: float = 0.0
) -> list[dict[str, Any]]:
    """Messages both ways that the wire and a client saw; `queue`: the last one waits so long."""
    rows = [*life("w", 0, 200, key="k"), row("open", offset + 0.002, "c", CLIENT, key="k")]
    for n in range(number):
        t = 2.0 * n
        asked = t + offset + t * ppm / 1e6
        told = asked + 0.1 + 0.002 + queue * n / number
        rows += [
            row("message", t, "w", dir="c2s", trace=f"q{n}"),
            row("message", t + 0.1, "w", dir="s2c", trace=f"a{n}"),
            row("message", asked - 0.002, "c", CLIENT, dir="c2s", trace=f"q{n}"),
            row("message", told, "c", CLIENT, dir="s2c", trace=f"a{n}"),
        ]
    return rows


def test_a_question_and_its_answer_bound_the_offset_from_both_sides() -> None:
    _, clocks = align(frame(beats(20, offset=0.35)), {})
    assert clocks[CLIENT].offset_ms == pytest.approx(350, abs=1)
    assert clocks[CLIENT].error_ms is not None
    assert clocks[CLIENT].error_ms < 10


@pytest.mark.parametrize("ppm", [50.0, -120.0])
def test_a_drift_is_found_and_taken_away(ppm: float) -> None:
    after, clocks = align(frame(beats(60, ppm=ppm, offset=-7.0)), {WIRE: 0.001, CLIENT: 1.0})
    clock = clocks[CLIENT]
    assert clock.drift_ppm == pytest.approx(ppm, abs=clock.drift_error_ppm)
    assert clock.drift_error_ppm is not None
    assert clock.drift_error_ppm < 20
    straight = frame(beats(60)).filter(pl.col("source") == CLIENT)["ts"]
    apart = times(after, CLIENT), straight.to_list()
    assert max(abs((a - b).total_seconds()) for a, b in zip(*apart, strict=True)) < 0.005


def test_a_queue_that_grows_is_no_drift() -> None:
    _, clocks = align(frame(beats(60, queue=0.5)), {})
    assert clocks[CLIENT].drift_ppm is None


def test_a_long_log_shows_its_drift_by_handshakes_alone() -> None:
    rows = []
    for n in range(60):
        t = 60.0 * n
        rows += life(f"w{n}", t, t + 5, key=f"k{n}")
        rows.append(row("open", t - 7 + t * 50e-6, f"s{n}", SERVER, key=f"k{n}"))
    _, clocks = align(frame(rows), {})
    assert clocks[SERVER].drift_ppm == pytest.approx(50, abs=2)


def test_a_busier_hour_is_no_drift() -> None:
    """Handshakes of one wave are told at once, those of the next some milliseconds late."""
    rows = []
    for n in range(40):
        t = 0.5 * n + (40 if n >= 20 else 0)
        rows += life(f"w{n}", t, t + 5, key=f"k{n}")
        late = 0.006 if n >= 20 else 0.001
        rows.append(row("open", t + late, f"c{n}", CLIENT, key=f"k{n}"))
    _, clocks = align(frame(rows), {})
    assert clocks[CLIENT].drift_ppm is None


@pytest.mark.parametrize(("hours", "minutes"), [(1, 60), (-5.5, -330), (9, 540)])
def test_a_time_zone_is_recognised(hours: float, minutes: int) -> None:
    _, clocks = align(frame(incident(slow=-hours * 3600 - 0.35)), {})
    assert clocks[SERVER].zone_min == minutes
    assert clocks[SERVER].offset_ms == pytest.approx(hours * 3.6e6 + 354, abs=2)


@pytest.mark.parametrize("slow", [0.0, 7.0, 1000.0, 1e6])
def test_a_clock_that_is_wrong_is_no_time_zone(slow: float) -> None:
    _, clocks = align(frame(incident(slow=slow)), {})
    assert clocks[SERVER].zone_min is None


def test_times_that_are_mostly_borrowed_from_the_line_before_move_no_clock() -> None:
    """A log that dates few of its lines is early, never late; its best lines tell the clock."""
    rows = incident(number=12)
    for n, one in enumerate(r for r in rows if r["source"] == SERVER and r["kind"] == "open"):
        one["ts"] -= timedelta(milliseconds=130 * n)
    before = frame(rows)
    after, _ = align(before, {WIRE: 0.001, SERVER: 1.0})
    assert after.equals(before)


def test_the_reference_that_is_asked_for() -> None:
    after, clocks = align(frame(incident(slow=7.0)), {}, SERVER)
    assert clocks[SERVER].offset_ms == 0.0
    assert clocks[WIRE].offset_ms == pytest.approx(6996, abs=1)
    assert times(after, SERVER) == times(frame(incident(slow=7.0)), SERVER)


def test_a_source_is_tied_to_the_reference_by_way_of_another() -> None:
    rows = incident(slow=7.0)
    rows += [
        row("message", 3.0 * n, "c", CLIENT, dir="c2s", trace=f"m{n}", bytes=n) for n in range(6)
    ]
    rows += [row("message", 3.0 * n + 2, "ab0", SERVER, dir="c2s", trace=f"m{n}") for n in range(6)]
    _, clocks = align(frame(rows), {})
    assert clocks[CLIENT].against == SERVER
    assert clocks[CLIENT].offset_ms == pytest.approx(-6996 - 2000, abs=5)
    assert clocks[CLIENT].error_ms is not None
    assert clocks[SERVER].error_ms is not None
    assert clocks[CLIENT].error_ms > clocks[SERVER].error_ms


def test_closes_and_messages_have_a_rhythm_too() -> None:
    """One connection, and no name in the client's log: what was said, and how it ended."""
    sizes = [31, 58, 44, 31, 72, 120, 66]
    rows = [*life("w", 0, 40, code=4001, reason="replaced")]
    for n, size in enumerate(sizes):
        rows.append(row("message", UNEVEN[n], "w", dir="c2s", bytes=size))
        rows.append(row("message", UNEVEN[n] - 7, "c", CLIENT, dir="c2s", bytes=size))
    rows += [row("open", -7, "c", CLIENT)]
    rows += [row("close", 33, "c", CLIENT, code=4001, reason="replaced")]
    _, clocks = align(frame(rows), {})
    assert clocks[CLIENT].offset_ms == pytest.approx(-7000, abs=30)


def test_an_answer_before_its_question_contradicts_a_clock() -> None:
    """The client's clock was set forward in the middle: no one offset explains all moments."""
    rows = beats(60)
    for one in rows:
        if one["source"] == CLIENT and one["ts"] > at(90):
            one["ts"] += timedelta(seconds=20)
    after, clocks = align(frame(rows), {})
    broken = contradictions(after, clocks)
    assert set(broken["source"]) == {CLIENT}
    assert set(broken["against"]) == {WIRE}
    assert broken["ms"].max() == pytest.approx(20_000, abs=1000)


@pytest.mark.parametrize("rows", [beats(60), beats(60, offset=9.0, ppm=80), incident(slow=7.0)])
def test_a_clock_that_only_goes_wrong_is_not_contradicted(rows: list[dict[str, Any]]) -> None:
    assert contradictions(*align(frame(rows), {})).is_empty()


def local(hours: float, *, begins: float = 0.0) -> pl.DataFrame:
    """A proxy with a zone, and a server in local time of which nothing else is known."""
    rows = [r for n in range(6) for r in life(f"p{n}", 40.0 * n, 40 * n + 30, source=PROXY)]
    for n in range(3):
        start = begins + 70.0 * n + hours * 3600
        rows += life(f"s{n}", start, start + 60, source=SERVER)
    return frame(rows)


@pytest.mark.parametrize("hours", [5.5, -3.0])
def test_a_log_without_a_zone_is_of_the_one_in_which_it_covers_the_others_time(
    hours: float,
) -> None:
    _, clocks = align(local(hours), {}, None, {SERVER})
    assert clocks[SERVER].zone_min == hours * 60
    assert clocks[SERVER].offset_ms == hours * 3_600_000


def test_the_others_time_is_that_of_the_reference() -> None:
    """A client's clock that is two hours fast makes nobody's window wider."""
    rows = incident(slow=-7200.0, source=CLIENT)
    for n in range(2):
        rows += life(f"s{n}", 10_810.0 + 30 * n, 10_835.0 + 30 * n, source=SERVER)
    _, clocks = align(frame(rows), {}, None, {SERVER})
    assert clocks[CLIENT].zone_min == 120
    assert clocks[SERVER].zone_min == 180


@pytest.mark.parametrize(
    ("events", "zoneless"),
    [
        (local(2.0), set()),  # its times have a zone: they are what they say
        (local(0.0), {SERVER}),
        (local(2.0, begins=900.0), {SERVER}),  # of another time, whatever the zone
        (local(400.0), {SERVER}),
    ],
)
def test_a_window_that_tells_no_zone(events: pl.DataFrame, zoneless: set[str]) -> None:
    _, clocks = align(events, {}, None, zoneless)
    assert clocks[SERVER].zone_min is None
