"""The pipeline on one page: evidence in, one Report out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import polars as pl

import wsdiag
from wsdiag import (
    account,
    detectors,
    disagreements,
    evidence,
    explain,
    facts,
    lanes,
    life,
    roster,
)
from wsdiag.config import Config
from wsdiag.connections import Story
from wsdiag.event import EVENTS
from wsdiag.evidence import Paths
from wsdiag.explain import Case
from wsdiag.gather import Gathered, gather
from wsdiag.redact import Redactor, hiding
from wsdiag.report import Connection, Report

DEFAULTS = Config()


def diagnose(paths: Paths, config: Config = DEFAULTS) -> Report:
    """Read everything under `paths` and say what happened.

    Raises `NoEvidence` when no input holds anything usable, `ConfigError` on an unknown detector.
    """
    with diagnosed(paths, config) as (report, _):
        return report


@contextmanager
def diagnosed(paths: Paths, config: Config = DEFAULTS) -> Iterator[tuple[Report, Gathered]]:
    """What happened, and what it was read from, which is there until the context ends.

    Raises as `diagnose`.
    """
    chosen = detectors.chosen(config.select, config.ignore)
    with hiding(config.redact), evidence.collect(paths) as found:
        gathered = gather(found, config)
        yield _judged(gathered, config, chosen), gathered


def _judged(gathered: Gathered, config: Config, chosen: dict[str, detectors.Detector]) -> Report:
    errors = {name: clock.left_s for name, clock in gathered.clocks.items()}
    story = gathered.story()._replace(
        clock_errors_s={name: left for name, left in errors.items() if left is not None}
    )
    frame, verdicts = detectors.judge(story, config.goals(), chosen)
    frame = gathered.logs.pointing_to_files(frame, "evidence")
    redactor = Redactor()
    findings = account.findings(frame, gathered, redactor)
    measured, course = facts.measure(story)
    worst = _under_files(roster.worst(story, frame), gathered)
    contradictions = disagreements.find(story, gathered.clocks, gathered.broken)
    contradicted = account.disagreements(
        gathered.logs.pointing_to_files(contradictions, "one", "other"),
        gathered,
        redactor,
        disagreements.KINDS,
    )
    concerned = [
        (finding.id, set(sessions))
        for finding, sessions in zip(findings, frame["sessions"], strict=True)
    ]
    case = Case(
        story=story,
        frame=frame,
        findings=findings,
        verdicts=verdicts,
        facts=measured,
        stacks=gathered.stacks,
        vantages=_vantages(story),
        targets=config.goals(),
        formats=gathered.formats,
        disagreements=contradicted,
        inputs=account.inputs(gathered),
    )
    return Report(
        tool=f"wsdiag {wsdiag.__version__}",
        window=account.window(gathered),
        inputs=case.inputs,
        facts=measured,
        verdicts=verdicts,
        findings=findings,
        causes=explain.explain(case),
        checklist=explain.checklist(frame, story),
        redactions=account.ledger(gathered, redactor),
        redacted=config.redact.secrets,
        failing=account.failing(findings, config.fail_on),
        targets=config.targets,
        series=course,
        connections=worst,
        lanes=lanes.lanes(worst, gathered.events, concerned),
        clocks=lanes.clocks(story),
        disagreements=contradicted,
        life=life.worst(
            worst,
            gathered.events,
            gathered.formats,
            gathered.clocks,
            {session for row in frame["sessions"] for session in row},
        ),
    )


def _vantages(story: Story) -> frozenset[str]:
    """The places from which anything was seen."""
    seen = story.events.select(pl.col("vantage").unique().drop_nulls())
    return frozenset(seen.collect(engine="in-memory")["vantage"])


def connections_of(paths: Paths, config: Config = DEFAULTS) -> list[Connection]:
    """Every connection and attempt under `paths`, each once. Raises `NoEvidence`."""
    with hiding(config.redact), evidence.collect(paths) as found:
        gathered = gather(found, config)
        return _under_files(roster.roster(gathered.story()), gathered)


def _under_files(told: list[Connection], gathered: Gathered) -> list[Connection]:
    """The connections with the files that tell of each, where these are of rotated logs."""
    if gathered.logs.whole.keys().isdisjoint({name for one in told for name in one.sources}):
        return told
    seen = gathered.events.select("session", "source").unique().sort("session", "source")
    files = dict(seen.group_by("session").agg("source").collect(engine="in-memory").iter_rows())
    return [msgspec.structs.replace(one, sources=files[one.session]) for one in told]


def read_events(paths: Paths, config: Config = DEFAULTS) -> pl.DataFrame:
    """The EVENT frame under `paths`, on one clock, with sessions. Raises `NoEvidence`."""
    with hiding(config.redact), evidence.collect(paths) as found:
        return gather(found, config).events.cast(EVENTS).collect(engine="in-memory")
