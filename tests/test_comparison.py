"""Two reports beside each other: what went, what stayed, what came, and what proves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import sample
from click.testing import CliRunner

from wsdiag.cli import main
from wsdiag.comparison import Move, compare
from wsdiag.report import Outcome, Quantiles, Report, Verdict
from wsdiag.reporters import changes, json_v1

SICK, WELL = sample.incident(), sample.healthy()


def fixed(*, judged: bool = True) -> Report:
    """The incident on another day, with nothing found; `judged` or not able to judge."""
    outcome = Outcome.PASS if judged else Outcome.NOT_APPLICABLE
    verdicts = [
        Verdict(detector=name, verdict=outcome, why="as it should be")
        for name in ("idle-cut", "reconnect-time")
    ]
    return msgspec.structs.replace(WELL, verdicts=verdicts)


def names(found: list) -> list[str]:
    return [change.detector for change in found]


def test_a_fix_that_worked() -> None:
    told = compare(SICK, fixed())
    assert names(told.gone) == ["idle-cut", "reconnect-time"]
    assert not [*told.unjudged, *told.stayed, *told.came]
    assert (told.regressed, told.failing) == (False, False)
    assert changes.verdict(told) == "Fixed: 2 findings went, none stayed and none came."


def test_what_could_not_be_judged_is_not_gone() -> None:
    told = compare(SICK, fixed(judged=False))
    assert not told.gone
    assert names(told.unjudged) == ["idle-cut", "reconnect-time"]
    assert changes.verdict(told).startswith("Not proven")


def test_the_same_fault_on_another_day_stays() -> None:
    later = [
        msgspec.structs.replace(finding, id=f"{finding.id}x", message=f"9{finding.message}")
        for finding in SICK.findings
    ]
    after = msgspec.structs.replace(SICK, findings=later, failing=[one.id for one in later])
    told = compare(SICK, after)
    assert names(told.stayed) == ["idle-cut", "reconnect-time"]
    assert not [*told.gone, *told.came]
    assert (told.regressed, told.failing) == (False, True)
    assert changes.verdict(told) == "No change."


def test_two_of_a_detector_are_told_apart_by_their_words() -> None:
    code_1006, code_1011 = (
        msgspec.structs.replace(SICK.findings[0], id=code, message=f"5 closed with a {word}")
        for code, word in (("a", "reset"), ("b", "fault"))
    )
    before = msgspec.structs.replace(SICK, findings=[code_1006, code_1011])
    after = msgspec.structs.replace(
        SICK, findings=[msgspec.structs.replace(code_1011, id="c")], failing=[]
    )
    told = compare(before, after)
    assert [change.before.id for change in told.stayed if change.before] == ["b"]
    assert [change.before.id for change in told.gone if change.before] == ["a"]


def test_worse_is_what_came_and_fails_a_run() -> None:
    told = compare(WELL, SICK)
    assert told.regressed
    assert changes.verdict(told) == "Worse: 2 findings came."
    lenient = msgspec.structs.replace(SICK, failing=[])
    assert not compare(WELL, lenient).regressed


@pytest.mark.parametrize(
    ("before", "after", "move", "regressed"),
    [
        (80.0, 20.0, Move.BETTER, False),
        (80.0, 84.0, Move.SAME, False),
        (80.0, 95.0, Move.WORSE, False),
        (80.0, 180.0, Move.WORSE, True),
        (180.0, 280.0, Move.WORSE, False),
        (None, 180.0, Move.NOT_COMPARABLE, False),
    ],
)
def test_metrics(before: float | None, after: float | None, move: Move, regressed: bool) -> None:
    def with_p95(value: float | None) -> Report:
        n = 0 if value is None else 9
        facts = msgspec.structs.replace(WELL.facts, connect_ms=Quantiles(n=n, p95=value))
        return msgspec.structs.replace(WELL, facts=facts)

    told = compare(with_p95(before), with_p95(after))
    (connect,) = (metric for metric in told.metrics if metric.name == "connection latency")
    assert (connect.move, told.regressed) == (move, regressed)


@pytest.mark.parametrize("view", [changes.as_text, changes.as_markdown])
def test_evidence_is_inert(view) -> None:
    text = view(compare(sample.hostile(), fixed()))
    assert not {"\x1b", "\x9b", "\u202e", "\u2028"} & set(text)
    if view is changes.as_markdown:
        assert "<script" not in text.replace("`<script", "")


def test_the_view_for_a_terminal_fits_it() -> None:
    text = changes.as_text(compare(SICK, fixed()))
    assert max(map(len, text.splitlines())) <= changes.WIDTH
    assert "✓ idle-cut: 312 connections ended" in text


def test_the_command(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(json_v1.render(SICK), "utf-8")
    Path("b.json").write_text(json_v1.render(fixed()), "utf-8")
    Path("no.json").write_text('{"schema": "wsdiag.report/1"}', "utf-8")

    def run(*args: str):
        return CliRunner().invoke(main, ["diff", *args], prog_name="wsdiag")

    assert run("a.json", "b.json").exit_code == 0
    assert run("b.json", "a.json").exit_code == 1
    assert run("b.json", "a.json", "--fail-on", "never").exit_code == 0
    assert run("a.json", "a.json").exit_code == 0
    assert run("a.json", "a.json", "--fail-on", "finding").exit_code == 1
    told = json.loads(run("a.json", "b.json", "--format", "json").stdout)
    assert (told["schema"], len(told["gone"])) == ("wsdiag.diff/1", 2)
    assert run("a.json", "b.json", "-o", "d.md").exit_code == 0
    assert Path("d.md").read_text("utf-8").startswith("## WebSocket diagnosis: before and after")
    for broken in ("no.json", "none.json", "d.md"):
        result = run("a.json", broken)
        assert result.exit_code == 3
        assert broken in result.stderr
        assert "Traceback" not in result.output
