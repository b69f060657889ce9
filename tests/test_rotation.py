"""Rotated logs are read as the one log that they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from wsdiag import rotation
from wsdiag.event import events
from wsdiag.finding import SPOT
from wsdiag.pipeline import diagnose

ROOT = Path(__file__).parents[1]
START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def spans(*names: str) -> rotation.Spans:
    moments = [START + timedelta(hours=n) for n in range(len(names) + 1)]
    return dict(zip(names, pairwise(moments), strict=True))


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (("app.log.2", "app.log.1", "app.log"), [["app.log.2", "app.log.1", "app.log"]]),
        (("app.log.10.gz", "app.log.9.gz"), [["app.log.10.gz", "app.log.9.gz"]]),
        (("ws-20261121", "ws-20261122", "ws"), [["ws-20261121", "ws-20261122", "ws"]]),
        (("a-2026-11-21.log", "a.log"), [["a-2026-11-21.log", "a.log"]]),
        (("a-2026-11-21.har", "a-2026-11-22.har"), []),  # each day's page, loaded anew
        (("app.log", "app.log.1"), []),  # the older one goes on: two processes
        (("server-1.log", "server-2.log", "client.log"), []),
    ],
)
def test_which_files_are_one_log(files: tuple[str, ...], found: list[list[str]]) -> None:
    assert rotation.found(spans(*files), events([]).lazy()) == found


def test_there_and_back() -> None:
    rows = [
        {"source": source, "pos": pos, "kind": "open", "ts": START + timedelta(seconds=n)}
        for n, (source, pos) in enumerate(
            (("a.log.1", 3), ("a.log.1", 9), ("a.log", 1), ("a.log", 4), ("b", 2))
        )
    ]
    read = events(rows).lazy()
    logs = rotation.Logs([["a.log.1", "a.log"]], read)
    one = logs.as_one(read)
    places = [("a.log", 3), ("a.log", 9), ("a.log", 10), ("a.log", 13), ("b", 2)]
    assert one.select("source", "pos").collect().rows() == places
    assert logs.as_files(one).collect().equals(read.collect())
    spots = one.select(spot=SPOT, spots=SPOT.implode().over("source")).collect()
    filed = logs.pointing_to_files(spots, "spot", "spots")
    assert filed["spot"].to_list() == read.select(spot=SPOT).collect()["spot"].to_list()
    assert filed["spots"].to_list()[-2] == filed["spot"].to_list()[:4]


def test_a_connection_that_opens_in_one_file_and_ends_in_the_next(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").write_text(
        "2026-11-23T10:00:00Z ws connection opened\n2026-11-23T10:00:01Z tea is ready\n"
    )
    (tmp_path / "app.log").write_text("2026-11-23T10:05:00Z ws connection closed code=1001\n")
    facts = diagnose([str(tmp_path)]).facts
    assert (facts.connections, facts.close_codes) == (1, {"1001": 1})


def pieces(first: str, second: str, *, opens: bool) -> list[list[str]]:
    kinds = [(first, "open", 0), (second, "open" if opens else "message", 5)]
    rows = [
        {
            "source": source,
            "pos": 1,
            "conn": "c-4711",
            "kind": kind,
            "ts": START + timedelta(hours=n),
        }
        for source, kind, n in kinds
    ]
    return rotation.found(spans(first, second), events(rows).lazy())


@pytest.mark.parametrize(
    ("first", "second"),
    [("app-01.log", "app-02.log"), ("app.2.log", "app.1.log"), ("xaa", "xab"), ("9.gz", "10.gz")],
)
def test_pieces_are_one_log_where_connections_go_on(first: str, second: str) -> None:
    assert pieces(first, second, opens=False) == [[first, second]]
    assert pieces(first, second, opens=True) == []  # two servers that number alike


def test_names_that_differ_by_more_than_a_number_are_two_logs() -> None:
    assert pieces("app-01.log", "web-02.log", opens=False) == []


def cut(text: str, parts: int) -> list[str]:
    lines = text.splitlines(keepends=True)
    each = -(-len(lines) // parts)
    return ["".join(lines[at : at + each]) for at in range(0, len(lines), each)]


def judged(folder: Path) -> tuple[object, ...]:
    """What a report says, but for where it stands."""
    report = diagnose([str(folder)])
    findings = [
        (it.detector, it.subject, it.count, it.measured, it.message.replace("app.log", "LOG"))
        for it in report.findings
    ]
    places = [
        (proof.excerpt, proof.ts) for finding in report.findings for proof in finding.evidence
    ]
    return report.facts, report.verdicts, findings, places, [it.id for it in report.causes]


@pytest.mark.parametrize("parts", [2, 5])
@pytest.mark.parametrize("case", ["blocked-server", "healthy-pings", "lossy-path", "token-expiry"])
def test_a_log_is_judged_alike_whole_and_rotated(tmp_path: Path, case: str, parts: int) -> None:
    log = ROOT / "fixtures" / case / "evidence" / "client.log"
    pieces = cut(log.read_text("utf-8"), parts)
    for name in ("whole", "rotated"):
        (tmp_path / name).mkdir()
    (tmp_path / "whole" / "app.log").write_text(log.read_text("utf-8"), "utf-8")
    for age, piece in zip(reversed(range(len(pieces))), pieces, strict=True):
        rotated = tmp_path / "rotated" / (f"app.log.{age}" if age else "app.log")
        rotated.write_text(piece, "utf-8")
    assert judged(tmp_path / "rotated") == judged(tmp_path / "whole")
