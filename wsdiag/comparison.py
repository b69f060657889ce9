"""What changed between two reports: the proof that a fix worked, or did not (`wsdiag.diff/1`).

A finding of another day has another id, so findings are matched by id, then by detector and by the
words of their message without its numbers, then by detector alone. A finding that is not there any
more is `gone` only where its detector still judged; else it is `unjudged`, which proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec

from wsdiag.finding import Finding
from wsdiag.report import Outcome, Quantiles, Report
from wsdiag.targets import Targets

SCHEMA = "wsdiag.diff/1"
NOISE = 0.1
"""A 95th percentile that moved by less than a tenth is the same: two runs never measure alike."""

_NUMBER = re.compile(r"\d[\d.,:TZ-]*")


class Move(StrEnum):
    """How a metric moved."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    NOT_COMPARABLE = "not-comparable"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The first cause of a report."""

    id: str
    title: str
    confidence: float
    word: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A finding before and after; null on the side where it is not. `why` is the verdict after."""

    detector: str
    before: Finding | None = None
    after: Finding | None = None
    why: str = ""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """The 95th percentile of a measurement on both sides; null where nothing was measured."""

    name: str
    unit: str
    target: float | None
    before: float | None
    after: float | None
    before_n: int
    after_n: int
    move: Move
    met_before: bool | None
    met_after: bool | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a diff says. `regressed`: a finding came that fails a run, or a target that
    was met is missed."""

    schema: str = SCHEMA
    tool: str
    before: Answer
    after: Answer
    gone: list[Change]
    unjudged: list[Change]
    stayed: list[Change]
    came: list[Change]
    metrics: list[Metric]
    regressed: bool
    failing: bool


def compare(before: Report, after: Report) -> Comparison:
    """What went, stayed and came from `before` to `after`, and how the metrics moved."""
    pairs, left, new = _matched(before.findings, after.findings)
    verdicts = {verdict.detector: verdict for verdict in after.verdicts}
    gone: list[Change] = []
    unjudged: list[Change] = []
    for finding in left:
        verdict = verdicts.get(finding.detector)
        judged = verdict and verdict.verdict in (Outcome.PASS, Outcome.BREACH)
        change = Change(
            detector=finding.detector,
            before=finding,
            why=verdict.why if verdict else "the detector did not run",
        )
        (gone if judged else unjudged).append(change)
    metrics = _metrics(before, after)
    missed = any(metric.met_before and metric.met_after is False for metric in metrics)
    return Comparison(
        tool=after.tool,
        before=_answer(before),
        after=_answer(after),
        gone=gone,
        unjudged=unjudged,
        stayed=[Change(detector=new.detector, before=old, after=new) for old, new in pairs],
        came=[Change(detector=finding.detector, after=finding) for finding in new],
        metrics=metrics,
        regressed=missed or any(finding.id in after.failing for finding in new),
        failing=bool(after.failing),
    )


def _answer(report: Report) -> Answer:
    first = report.causes[0]
    return Answer(id=first.id, title=first.title, confidence=first.confidence, word=first.word)


def _matched(
    before: Iterable[Finding], after: Iterable[Finding]
) -> tuple[list[tuple[Finding, Finding]], list[Finding], list[Finding]]:
    left, right = list(before), list(after)
    pairs: list[tuple[Finding, Finding]] = []
    likenesses: tuple[Callable[[Finding], object], ...] = (
        lambda finding: finding.id,
        lambda finding: (finding.detector, _NUMBER.sub("#", finding.message)),
        lambda finding: finding.detector,
    )
    for likeness in likenesses:
        for old in list(left):
            twin = next((new for new in right if likeness(new) == likeness(old)), None)
            if twin is not None:
                pairs.append((old, twin))
                left.remove(old)
                right.remove(twin)
    return pairs, left, right


def _metrics(before: Report, after: Report) -> list[Metric]:
    goals: Targets = after.targets
    measured: tuple[tuple[str, str, float | None, Callable[[Report], Quantiles]], ...] = (
        ("connection latency", "ms", goals.connect_ms, lambda report: report.facts.connect_ms),
        ("message latency", "ms", goals.message_ms, lambda report: report.facts.message_ms),
        ("reconnection time", "s", goals.reconnect_s, lambda report: report.facts.reconnect_s),
        ("ping to pong", "ms", None, lambda report: report.facts.pong_ms),
    )
    told = []
    for name, unit, target, of in measured:
        old, new = of(before), of(after)
        if old.n or new.n:
            told.append(
                Metric(
                    name=name,
                    unit=unit,
                    target=target,
                    before=old.p95,
                    after=new.p95,
                    before_n=old.n,
                    after_n=new.n,
                    move=_move(old.p95, new.p95),
                    met_before=_met(old.p95, target),
                    met_after=_met(new.p95, target),
                )
            )
    return told


def _move(before: float | None, after: float | None) -> Move:
    if before is None or after is None:
        return Move.NOT_COMPARABLE
    if abs(after - before) <= NOISE * max(before, after):
        return Move.SAME
    return Move.BETTER if after < before else Move.WORSE


def _met(value: float | None, target: float | None) -> bool | None:
    return None if value is None or target is None else value <= target
