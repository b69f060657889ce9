"""Symptoms in numbers, and what each of the three places shows."""

from __future__ import annotations

from story import CLIENT, PROXY, SERVER, chat, life, proxied, row

from explain.cases import finding, from_findings, from_rows
from wsdiag.explain.investigation import MAX_SYMPTOMS, investigate, symptoms
from wsdiag.report import Facts, Quantiles
from wsdiag.targets import Goals


def told(rows: list[dict]) -> dict[str, str]:
    case = from_rows(rows, only=())
    return investigate(case.story, case.facts)


def test_a_place_without_evidence_says_so() -> None:
    places = told(life("a", 0, 60, code=1000))
    assert places["server_logs"] == "No server or proxy log in this evidence."
    assert places["client"] == "No client log, HAR or console in this evidence."
    assert "wire.pcap" in places["network"]
    assert told([])["network"] == "No capture in this evidence: the wire was not seen."


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
