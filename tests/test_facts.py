"""The numbers of a report."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import (
    CLIENT,
    PROXY,
    SERVER,
    WIRE,
    chat,
    frame,
    judge_story,
    life,
    pings,
    proxied,
    row,
    story,
    told,
)

from wsdiag.detectors import DETECTORS, judge
from wsdiag.facts import measure, quantiles
from wsdiag.report import Facts, Quantiles
from wsdiag.targets import Goals


def facts(rows: list[dict[str, Any]]) -> Facts:
    return measure(story(rows)).facts


def test_a_code_that_a_client_tells_in_the_file_of_a_proxys_log() -> None:
    """What the proxy opened and ended by name leaves no room for its own, but for the client's."""
    rows = [row("open", 0, "a", PROXY), row("end", 60, "a", PROXY)]
    client = row("close", 60.5, None, PROXY, vantage="client", code=1006)
    assert facts([*rows, client]).close_codes == {"none": 1}


def twins(**client: Any) -> list[dict[str, Any]]:
    """Two connections of one user at one moment, as the wire and a client's log tell them."""
    rows = []
    for n in range(2):
        rows += life(f"w{n}", 0.01 * n, 60, user="user-1", key=f"key-{n}")
        rows += life(f"c0{n}", 0.01 * n, 60, source=CLIENT, user="user-1", **client)
    return rows


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        (twins(), 4),
        (twins()[: len(twins()) // 2], 0),
        (life("w", 0, 60, key="k") + life("c00", 0, 60, source=CLIENT, key="l"), 0),
        (life("w", 0, 60) + life("w1", 0, 60), 0),
        (life("w", 0, 60, code=1000) + life("c00", 30, 60, source=CLIENT, code=1000), 0),
        ([], 0),
    ],
    ids=["two and two", "one and one", "keys", "one source", "another time", "nothing"],
)
def test_what_is_left_apart_is_counted(rows: list[dict[str, Any]], number: int) -> None:
    assert facts(rows).left_apart == number


def test_nothing() -> None:
    assert facts([]) == Facts()


def test_a_mere_request_of_a_session_is_no_attempt() -> None:
    polls = [row("response", n, f"10.0.0.9:{n}", PROXY, code=200) for n in range(9)]
    refused = [row("response", 10, "10.0.0.9:99", PROXY, code=400)]
    seen = facts([*life("a", 0, 60, source=PROXY), *polls, *refused])
    assert (seen.connections, seen.attempts, seen.rejections) == (1, 2, {"400": 1})


def test_verdicts_count_what_two_sources_tell_once() -> None:
    seen = story(twins())
    assert len(seen.connections.collect()) == 4
    for detector in ("tls-failure", "connection-refused", "handshake-rejected", "path-loss"):
        said = DETECTORS[detector].judged(seen, Goals()).collect()["said"].item()
        assert said.startswith("2 ")


def test_a_try_that_failed_ends_no_connection() -> None:
    """A browser fires `close` with 1006 for it, too."""
    failed = [row("attempt", 5, "f", CLIENT), row("close", 5.1, "f", CLIENT, code=1006)]
    seen = facts([*life("a", 0, 60, source=CLIENT, code=1000, by="c2s"), *failed])
    assert (seen.connections, seen.attempts) == (1, 2)
    assert seen.close_codes == {"1000": 1}


def test_ends_that_a_client_tells_without_names_are_those_that_a_server_tells() -> None:
    """There are as many codes as connections, and a verdict counts no nameless line."""
    served = [r for n in range(3) for r in life(f"s{n}", n, 60 + n, source=SERVER, code=1001)]
    felt = [row("close", 100.0 + n, "~", CLIENT, pos=900 + n, code=1006) for n in range(2)]
    seen = story([*served, *felt])
    told_of = measure(seen).facts
    assert (told_of.connections, told_of.close_codes) == (3, {"1001": 3})
    said = DETECTORS["path-loss"].judged(seen, Goals()).collect()["said"].item()
    assert said.startswith("3 attempts")


@pytest.mark.parametrize("named", [0, 2])
def test_nameless_refusals_are_attempts_where_no_other_is_known(named: int) -> None:
    """A proxy's error log alone; its access log has the same refusals by name."""
    rows = [row("refused", n, None, PROXY, pos=n + 1) for n in range(4)]
    rows += [row("rejected", n, f"r{n}", "access.log", vantage="proxy") for n in range(named)]
    assert facts(rows).attempts == (named or 4)


def test_each_kind_once() -> None:
    rows = [
        *life("a", 0, 60, code=1000, by="c2s"),
        *life("b", 1, 61, code=1011),
        *life("c", 2, 62, code=1011),
        *life("d", 3, 63, how="rst"),
        *life("e", 4, stops=90),
        row("attempt", 5, "f"),
        row("rejected", 5.1, "f", code=401),
        row("attempt", 6, "g"),
        row("refused", 6.1, "g"),
    ]
    seen = facts(rows)
    assert seen.connections == 5
    assert seen.attempts == 7
    assert seen.rejections == {"401": 1}
    assert seen.refused == 1
    assert seen.close_codes == {"1000": 1, "1011": 2, "none": 1}
    assert seen.ends == {"fin": 3, "rst": 1}
    assert seen.connect_ms.n == 5


def test_close_codes_are_the_initiators() -> None:
    rows = [*life("w", 0, 60, code=4401, key="k"), *life("c00", 0, 60, source=CLIENT, key="k")]
    assert facts(rows).close_codes == {"4401": 1}


def everywhere(number: int = 4) -> list[dict[str, Any]]:
    rows = []
    for n in range(number):
        start, end = 7.0 * n, 100 + 11.0 * n
        known = {"key": f"k{n}", "peer": f"192.0.2.{n}:4000{n}"}
        rows += proxied(f"w{n}", start, end, by="s2c", code=1011, **known)
        rows += pings(f"w{n}-back", [start + 20, start + 40])
        rows += chat(f"w{n}-front", [start + 5, start + 6], ms=12.0)
        rows += life(f"*{n}", start, end, source=PROXY, **known)
        rows += life(f"ab{n}0", start, end, source=SERVER, code=1011, key=f"k{n}")
        rows += life(f"c0{n}", start, end, source=CLIENT, code=1011, key=f"k{n}", user=f"user-{n}")
        rows += life(f"c0{n}", end + 2, source=CLIENT, key=f"again{n}", user=f"user-{n}")
    return rows


def test_a_connection_told_by_four_sources_counts_once() -> None:
    seen = facts(everywhere())
    assert seen.connections == 8
    assert seen.close_codes == {"1011": 4}
    assert (seen.reconnects, seen.reconnect_s.n) == (4, 4)
    assert seen.reconnect_s.max == pytest.approx(2, abs=0.05)
    assert seen.message_ms.n == 8


@pytest.mark.parametrize("source", [SERVER, CLIENT])
def test_a_copy_of_a_source_adds_no_connection(source: str) -> None:
    """The same log twice in the folder, once under another name."""
    rows = everywhere()
    copies = [r | {"source": f"copy-of-{source}"} for r in rows if r["source"] == source]
    once, twice = facts(rows), facts([*rows, *copies])
    assert twice.connections == once.connections
    assert twice.close_codes == once.close_codes
    assert twice.attempts == once.attempts


def test_a_copy_of_the_capture_adds_no_connection() -> None:
    rows = everywhere()
    copies = [r | {"source": "copy.pcap"} for r in rows if r["source"] == WIRE]
    once, twice = facts(rows), facts([*rows, *copies])
    assert (twice.connections, twice.close_codes) == (once.connections, once.close_codes)
    assert twice.message_ms.n == once.message_ms.n


def test_bursts() -> None:
    rows = []
    for n in range(6):
        for t in range(3):
            rows += [
                row("attempt", 60 + 2.0 * t, f"c0{n}", CLIENT),
                row("refused", 60.01 + 2.0 * t, f"c0{n}", CLIENT),
            ]
    rows += [row("attempt", 90, "c00", CLIENT), row("refused", 90.01, "c00", CLIENT)]
    seen = facts(rows)
    assert seen.attempts == 19
    assert seen.attempts_max_per_10s == 18
    assert seen.attempts_max_per_10s_one_client == 3


def test_a_burst_is_ten_seconds_wide() -> None:
    rows = [r for t in (0, 5, 10, 10.5, 21) for r in life(f"t{t}", t, source=WIRE)]
    assert facts(rows).attempts_max_per_10s == 3


def test_an_anonymous_fleet_has_no_busiest_client() -> None:
    assert (
        facts([r for n in range(5) for r in life(f"a{n}", n)]).attempts_max_per_10s_one_client == 0
    )


def test_heartbeats() -> None:
    seen = facts([*life("a", 0, 90), *pings("a", [20, 40, 60], pong_ms=3.0)])
    assert seen.pong_ms == Quantiles(n=3, p50=3.0, p95=3.0, p99=3.0, max=3.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_quantiles_are_values_that_were_measured(values: list[float]) -> None:
    seen = quantiles(pl.Series(values))
    near = [round(value, 3) for value in values]
    assert seen.n == len(values)
    assert seen.max == max(near)
    for value in (seen.p50, seen.p95, seen.p99):
        assert value in near
    assert seen.p50 <= seen.p95 <= seen.p99 <= seen.max  # type: ignore[operator]


def test_quantiles_of_a_known_row() -> None:
    seen = quantiles(pl.Series([float(n) for n in range(1, 102)]))
    assert (seen.p50, seen.p95, seen.p99, seen.max) == (51.0, 96.0, 100.0, 101.0)


def test_nothing_measured_is_null_not_zero() -> None:
    assert quantiles(pl.Series([None, None], dtype=pl.Float64)) == Quantiles()
    assert quantiles(pl.Series([], dtype=pl.Float64)).p95 is None


# -- what must hold for any evidence ----------------------------------------


def incident() -> list[dict[str, Any]]:
    """A restart, an idle cut in the making, a slow answer and a rejected token, at four places."""
    rows = everywhere()
    rows += [row("server_stop", 99.5, None, SERVER, reason="Shutting down")]
    rows += [
        r
        for n in range(3)
        for r in (
            row("attempt", 200 + n, f"r{n}", token="token-1"),
            row("rejected", 200.01 + n, f"r{n}", code=401, token="token-1"),
        )
    ]
    rows += [*life("slow", 220, stops=300, ms=400.0), *chat("slow", [230, 240], ms=900.0)]
    return rows


def findings(frame_: pl.DataFrame) -> list[dict[str, Any]]:
    found, _ = judge(told(frame_), Goals(), DETECTORS)
    return found.to_dicts()


@cache
def as_it_was() -> tuple[pl.DataFrame, list[dict[str, Any]], Facts]:
    """The incident, its findings and its facts."""
    frame_ = frame(incident())
    return frame_, findings(frame_), measure(told(frame_))


@settings(max_examples=3, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_sources_changes_no_finding(dice: Random) -> None:
    frame_, found, measured = as_it_was()
    order = list(range(len(frame_)))
    dice.shuffle(order)
    assert findings(frame_[order]) == found
    assert measure(told(frame_[order])) == measured


TIMES = ("started", "ended", "evidence")


def timeless(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings without times, and without the names of sessions, which a first time may be in."""
    return [
        {k: v for k, v in finding.items() if k not in (*TIMES, "subject", "sessions")}
        | {
            "sessions": len(finding["sessions"]),
            "spots": sorted((p["source"], p["pos"]) for p in finding["evidence"]),
        }
        for finding in found
    ]


@settings(max_examples=4, deadline=None)
@given(st.integers(-(10**10), 10**10))
def test_a_later_day_changes_no_finding(milliseconds: int) -> None:
    frame_, found, measured = as_it_was()
    moved = frame_.with_columns(pl.col("ts", "expires") + pl.duration(milliseconds=milliseconds))
    assert timeless(findings(moved)) == timeless(found)
    assert measure(told(moved)).facts == measured.facts


@settings(max_examples=3, deadline=None)
@given(st.integers(1, 30))
def test_an_unrelated_fleet_leaves_findings_alone(more: int) -> None:
    """Healthy connections of another day: what was found stays, with the same sessions."""
    day = 86_400.0
    healthy = [
        r
        for n in range(more)
        for r in life(f"h{n}", day + n, day + 300 + 9 * n, code=1000, by="c2s")
    ]
    before = frame(incident())
    extra = frame([r | {"pos": 10**6 + n} for n, r in enumerate(healthy)])
    per_connection = ("abnormal-close", "token-expiry", "message-too-big", "missed-heartbeat")
    for name in per_connection:
        alone = judge_story(name, told(before)).findings
        both = judge_story(name, told(pl.concat([before, extra]))).findings
        assert both == alone


def test_two_incidents_in_one_folder_are_both_found() -> None:
    one = [r for n in range(4) for r in life(f"a{n}", n, 60 + 20 * n, code=1011)]
    two = [
        r
        for n in range(4)
        for r in life(
            f"z{n}", 9000 + n, 9060 + 20 * n, code=1009, source="more.pcap", vantage="network"
        )
    ]
    for name in ("abnormal-close", "message-too-big"):
        together = judge_story(name, story([*one, *two])).findings
        apart = [f for rows in (one, two) for f in judge_story(name, story(rows)).findings]
        assert sorted(map(str, together)) == sorted(map(str, apart))


def test_names_of_findings_survive_a_growing_fleet() -> None:
    small = [r for n in range(3) for r in life(f"a{n}", n, 60 + 20 * n, code=1011)]
    large = [*small, *(r for n in range(50) for r in life(f"b{n}", 200 + n, stops=400))]
    (one,) = judge_story("abnormal-close", story(small)).findings
    (other,) = judge_story("abnormal-close", story(large)).findings
    assert one["sessions"] == other["sessions"]
    assert (one["subject"], one["started"]) == (other["subject"], other["started"])
