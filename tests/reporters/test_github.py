"""GitHub annotations: where they stand, how many there are, and that evidence gives no commands."""

from __future__ import annotations

import re

import msgspec
import pytest
import sample

from wsdiag.report import Report
from wsdiag.reporters import github

COMMAND = re.compile(r"::(error|warning|notice) (?P<properties>[^\n]*?)::(?P<message>[^\n]*)")


def commands(report: Report) -> list[re.Match[str]]:
    found = [COMMAND.fullmatch(line) for line in github.render(report).splitlines()]
    assert all(found)
    return [one for one in found if one]


@pytest.mark.parametrize("name", ["incident", "healthy", "hostile"])
def test_snapshot(snapshot, name: str) -> None:
    snapshot(f"{name}.github.txt", github.render(getattr(sample, name)()))


def test_the_answer_goes_first_and_each_finding_stands_at_its_proof() -> None:
    answer, idle, slow = commands(sample.incident())
    assert answer[1] == "error"
    assert "The proxy closes idle tunnels after 60 s (confirmed (0.93))" in answer["properties"]
    assert idle["properties"] == "title=idle-cut,file=nginx/access.log,line=118"
    assert (slow[1], slow["properties"]) == (
        "warning",
        "title=reconnect-time,file=client.har,line=3",
    )


def test_a_record_of_a_capture_has_no_line() -> None:
    report = sample.incident()
    packet = report.findings[0].evidence[-1:]
    finding = msgspec.structs.replace(report.findings[0], evidence=packet)
    _, told = commands(msgspec.structs.replace(report, findings=[finding]))
    assert told["properties"] == "title=idle-cut,file=wire.pcapng"


def test_what_does_not_fail_the_run_is_a_notice() -> None:
    (answer,) = commands(sample.healthy())
    assert answer[1] == "notice"


def test_no_more_than_github_shows() -> None:
    report = sample.incident()
    many = [msgspec.structs.replace(report.findings[0], id=f"{n}") for n in range(40)]
    told = commands(msgspec.structs.replace(report, findings=many))
    assert len(told) == github.MAX_OF_A_LEVEL
    assert told[-1]["message"] == "32 more findings in the whole report"


def test_evidence_gives_no_command_of_its_own() -> None:
    report = sample.incident()
    sly = "x\n::error file=a::boo\r\n::set-output name=a::b%0A::stop-commands::t"
    finding = msgspec.structs.replace(report.findings[0], message=sly, detector=sly)
    told = commands(msgspec.structs.replace(report, findings=[finding]))
    assert len(told) == 2
    assert "%0A" not in told[1].group().replace("%250A", "")
