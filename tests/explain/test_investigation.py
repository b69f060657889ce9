"""Symptoms in numbers, and what each of the three places shows."""

from __future__ import annotations

import msgspec
from story import CLIENT, PROXY, SERVER, WIRE, at, chat, life, pings, proxied, row

from explain.cases import finding, from_findings, from_rows
from wsdiag.explain.investigation import MAX_SYMPTOMS, investigate, symptoms
from wsdiag.report import Facts, Input, Quantiles
from wsdiag.targets import Goals


def told(rows: list[dict]) -> dict[str, str]:
    case = from_rows(rows, only=())
    return investigate(case.story, case.inputs, case.stacks)


def test_a_place_without_evidence_says_so() -> None:
    places = told(life("a", 0, 60, code=1000))
    assert places["server_logs"].startswith("No server or proxy log in this evidence. To collect: ")
    assert places["client"].startswith("No client log, HAR or console in this evidence.")
    assert "`chrome://net-export`" in places["client"]
    assert "wire.pcap" in places["network"]
    network = told([])["network"]
    assert network.startswith("No capture in this evidence: the wire was not seen.")
    assert "`sudo tcpdump -i any -s 0 -w wire.pcap" in network


def test_each_source_stands_at_its_place() -> None:
    rows = [
        *proxied("a", 0, 60),
        *life("*1", 0, 60, source=PROXY),
        *life("ab12", 0, 60, source=SERVER),
        *life("c00", 0, 60, source=CLIENT),
        *chat("a-front", [1, 2]),
    ]
    places = told(rows)
    assert "`nginx.log`" in places["server_logs"]
    assert "`server.log`" in places["server_logs"]
    assert "`wire.pcap`" in places["network"]
    assert "`client.log`" in places["client"]
    assert "wire.pcap" not in places["client"] + places["server_logs"]
    assert "4 messages" in places["network"]


def test_the_network_tells_who_closed_first() -> None:
    rows = [r for n in range(3) for r in life(f"a{n}", n, 60 + 9 * n, code=1011)]
    rows += life("b", 5, 99, by="c2s")
    network = told(rows)["network"]
    assert "server ×3" in network
    assert "client ×1" in network
    assert "1 of 4 ends without a Close frame" in network


def test_what_apis_reported_stands_where_they_are() -> None:
    client = told(life("c00", 0, 60, source=CLIENT, code=1006))["client"]
    assert "1006 ×1" in client


def test_symptoms_are_numbers() -> None:
    facts = Facts(
        connections=11,
        close_codes={"1000": 6, "none": 5},
        rejections={"401": 3},
        refused=2,
        reconnect_s=Quantiles(n=4, p50=1, p95=42.0, p99=42, max=42),
        connect_ms=Quantiles(n=9, p50=5, p95=20.0, p99=20, max=20),
    )
    text = symptoms([], facts, Goals())
    assert "11 connections" in text
    assert "1000 ×6" in text
    assert "no Close frame ×5" in text
    assert "HTTP 401 ×3" in text
    assert "refused ×2" in text
    assert "reconnection time p95 42 s (above the target of 30 s, n=4)" in text
    assert "connection latency p95 20 ms (within the target of 100 ms, n=9)" in text
    assert "message latency" not in text


def test_the_worst_findings_first_and_not_all() -> None:
    found = [finding(f"d{n}", severity="warning") for n in range(MAX_SYMPTOMS + 2)]
    found.append(finding("worst", severity="error"))
    lines = symptoms(from_findings(*found).findings, Facts(), Goals()).splitlines()
    assert "worst was found" in lines[1]
    assert lines[-1] == "- and 3 more findings"


def test_a_moment_and_a_span() -> None:
    span = finding("span")
    moment = finding("moment")
    moment["ended"] = moment["started"]
    timeless = finding("timeless") | {"started": None, "ended": None}
    text = symptoms(from_findings(span, moment, timeless).findings, Facts(), Goals())
    assert "span was found (12:00:00.000Z to 12:01:00.000Z)" in text
    assert "moment was found at 12:00:00.000Z" in text
    assert text.splitlines()[-1].endswith("timeless was found")


def test_an_explanation_stands_behind_what_hurts() -> None:
    found = [
        finding("explains", severity="info"),
        finding("warns", severity="warning"),
        finding("breaks", severity="error"),
    ]
    lines = symptoms(from_findings(*found).findings, Facts(), Goals()).splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["breaks", "warns", "explains"]


def test_no_row_about_connections() -> None:
    text = told([row("memory", 0, None, SERVER, bytes=1)])["server_logs"]
    assert "nothing about connections" in text


def read(source: str, vantage: str, **clock: object) -> Input:
    return Input(
        path=source,
        sha256="",
        bytes=1,
        source=source,
        format="text",
        vantage=vantage,
        events=2,
        unread_lines=0,
        first=at(0),
        last=at(60),
        **clock,  # type: ignore[arg-type]
    )


def test_a_source_tells_which_time_it_covers_on_one_clock() -> None:
    rows = [*life("ab12", 0, 60, source=SERVER), *life("a", 0, 60)]
    reads = [
        read(
            SERVER,
            "server",
            clock_offset_ms=-3_607_000.0,
            clock_error_ms=26.0,
            clock_zone_min=-60,
            clock_drift_ppm=50.0,
            clock_against=WIRE,
        ),
        read(WIRE, "network", clock_offset_ms=0.0, clock_error_ms=1.0, clock_against=WIRE),
    ]
    places = investigate(from_rows(rows, only=()).story, reads)
    assert (
        f"`{SERVER}` (13:00:07.000Z to 13:01:07.000Z, clock 1 h behind, a time zone and 7 s slow "
        "± 26 ms and drifting +50 ppm)" in places["server_logs"]
    )
    assert f"`{WIRE}` (12:00:00.000Z to 12:01:00.000Z): " in places["network"]


def test_a_clock_that_nothing_ties_is_told() -> None:
    rows = life("ab12", 0, 60, source=SERVER)
    places = investigate(from_rows(rows, only=()).story, [read(SERVER, "server")])
    assert "its clock not tied to the others" in places["server_logs"]


def test_a_level_that_leaves_pings_out_is_named_with_its_directive() -> None:
    rows = [
        *life("ab12", 0, 60, source=SERVER, key="k"),
        *life("a", 0, 60, key="k"),
        *pings("a", [20, 40]),
    ]
    story = from_rows(rows, only=()).story
    told = investigate(story, stacks=["uvicorn"])["server_logs"]
    assert "its level leaves them out; `uvicorn --log-level debug` shows them" in told
    logged = [*rows, row("ping", 20, "ab12", SERVER, dir="s2c")]
    assert "level" not in investigate(from_rows(logged, only=()).story)["server_logs"]


def test_a_har_that_began_too_late() -> None:
    rows = [
        *life("c1", 0, 60, source=CLIENT),
        *life("c2", 30, 60, source=CLIENT, key="k2"),
        *life("entry 1", 30, None, source="network.har", vantage="client", key="k2", stops=60),
    ]
    har = msgspec.structs.replace(read("network.har", "client"), format="har")
    told = investigate(from_rows(rows, only=()).story, [har])["client"]
    assert "`network.har` begins after 1 connection had opened" in told
    of_another = [r for r in rows if r["conn"] != "c2"]
    assert "begins after" not in investigate(from_rows(of_another, only=()).story, [har])["client"]


def test_connections_that_are_left_apart_are_told_with_what_would_tie_them() -> None:
    story = from_rows(life("ab12", 0, 60, source=SERVER), only=()).story
    told = investigate(story, stacks=["nginx"], apart=4)["server_logs"]
    assert "4 connections may each be one that another source tells of" in told
    assert "$http_sec_websocket_key" in told
    assert "left apart" not in investigate(story)["server_logs"]
