"""The terminal summary: its order, its width, and evidence that no terminal obeys."""

from __future__ import annotations

import re

import msgspec
import pytest
import sample
from rich.cells import cell_len

from wsdiag.finding import Severity
from wsdiag.report import Outcome, Verdict
from wsdiag.reporters import github, markdown, terminal, wording

ESCAPE = re.compile(r"\x1b\[[\d;]*m")


@pytest.mark.parametrize("name", ["incident", "healthy", "hostile"])
def test_snapshot(snapshot, name: str) -> None:
    snapshot(f"{name}.txt", terminal.render(getattr(sample, name)()))


def test_the_answer_is_the_first_line() -> None:
    first = terminal.render(sample.incident()).splitlines()[0]
    assert first == "The proxy closes idle tunnels after 60 s  confirmed (0.93)"


@pytest.mark.parametrize("make", [sample.incident, sample.healthy, sample.hostile])
def test_what_why_and_what_to_change_are_the_first_three_lines(make) -> None:
    lines = terminal.render(make()).splitlines()
    assert lines[1].startswith("Why  ")
    assert lines[2].startswith("Fix  ")
    assert lines[3] == ""


@pytest.mark.parametrize(("share", "said"), [(0.06, True), (0.25, False), (0.0, False)])
def test_an_answer_that_explains_little_says_so(share: float, *, said: bool) -> None:
    report = sample.incident()
    answer = msgspec.structs.replace(report.causes[0], share=share)
    report = msgspec.structs.replace(report, causes=[answer, *report.causes[1:]])
    told = "It explains 6% of the troubled connections"
    assert (terminal.render(report).splitlines()[3].startswith(f"But  {told}")) is said
    assert (f"- **But:** {told}" in markdown.render(report)) is said
    assert ("It explains 6%25 of the troubled" in github.render(report)) is said


def test_what_an_answer_leaves_is_told_by_its_largest() -> None:
    report = sample.incident()
    answer = msgspec.structs.replace(report.causes[0], share=0.06, findings=[])
    few, many = report.findings[0], msgspec.structs.replace(report.findings[0], count=700)
    few, many = (
        msgspec.structs.replace(it, id=name, message=f"{name} ended", severity=Severity.ERROR)
        for it, name in ((few, "few"), (many, "many"))
    )
    told = msgspec.structs.replace(report, causes=[answer], findings=[few, many])
    assert wording.but(told).endswith("; the largest of the rest: many ended.")
    known = msgspec.structs.replace(answer, findings=["few", "many"])
    told = msgspec.structs.replace(told, causes=[known])
    assert wording.but(told) == "It explains 6% of the troubled connections."


def test_an_ordinary_incident_fits_a_screen_or_two() -> None:
    assert len(terminal.render(sample.incident()).splitlines()) <= 80


def test_colour_changes_nothing_but_colour(monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    plain = terminal.render(sample.incident(), color=False)
    colored = terminal.render(sample.incident(), color=True)
    assert "\x1b" not in plain
    assert ESCAPE.search(colored)
    stripped = [line.rstrip() for line in ESCAPE.sub("", colored).splitlines()]
    assert stripped == plain.splitlines()


def test_hostile_evidence_brings_no_escape_of_its_own() -> None:
    colored = terminal.render(sample.hostile(), color=True)
    assert "\x1b" not in ESCAPE.sub("", colored)
    assert "[bold]b[/bold]" in terminal.render(sample.hostile())


@pytest.mark.parametrize("width", [20, 40, 80, 100, 500])
def test_lines_keep_the_width(width: int) -> None:
    report = sample.hostile()
    code_free = [msgspec.structs.replace(report.causes[0], fix="No code.")]
    text = terminal.render(msgspec.structs.replace(report, causes=code_free), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= max(40, min(width, 120))


def test_a_directive_is_never_broken() -> None:
    directive = "proxy_set_header  Connection  $connection_upgrade;" * 4
    report = sample.incident()
    cause = msgspec.structs.replace(report.causes[0], fix=f"Do:\n\n```nginx\n{directive}\n```")
    assert directive in terminal.render(msgspec.structs.replace(report, causes=[cause]), width=60)


def test_verdicts_are_grouped() -> None:
    text = terminal.render(sample.incident())
    assert "✓ connect-latency p95 34.6 ms < 100 ms target" in text
    assert "✓ also pass: token-expiry" in text
    assert "– not judged: missed-heartbeat, server-stall, resource-limit" in text
    assert "server-stall, resource-limit: no server log was given" in text
    assert "the input ended in mid-record" in text


def test_a_breach_that_the_symptoms_tell_shows_its_measure_and_its_target() -> None:
    sick = sample.incident()
    told = Verdict(detector="reconnect-time", verdict=Outcome.BREACH, why="14 clients took more")
    text = terminal.render(
        msgspec.structs.replace(
            sick,
            verdicts=[told],
            causes=[msgspec.structs.replace(sick.causes[0], symptoms="- 14 clients took more")],
        )
    )
    assert "✗ reconnect-time 41.3 s, target 30 s ×14" in text


def test_quiet_is_the_answer_alone() -> None:
    text = terminal.render(sample.incident(), detail=0)
    assert text.splitlines()[1:] == [
        "Why  nginx closed 312 connections after 60 s of silence.",
        "Fix  Set proxy_read_timeout 3600s for the WebSocket; ping every 20 s.",
    ]


def test_verbose_leaves_nothing_out() -> None:
    text = terminal.render(sample.incident(), detail=2)
    assert "more" not in text.replace("more than", "").replace("more often", "")
    assert "wire.pcapng#812" in text
