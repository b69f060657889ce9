"""The pipeline on one page: evidence in, one Report out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import polars as pl

import wsdiag
from wsdiag import (
    account,
    connections,
    contents,
    detectors,
    disagreements,
    evidence,
    explain,
    facts,
    lanes,
    life,
    proving,
    roster,
    sources,
)
from wsdiag import review as questions
from wsdiag.advice import Review
from wsdiag.config import Config, ConfigError
from wsdiag.connections import Story
from wsdiag.contents import schemas
from wsdiag.event import EVENTS
from wsdiag.evidence import Paths
from wsdiag.explain import Case
from wsdiag.gather import Gathered, NoEvidence, gather
from wsdiag.redact import Redactor, hiding
from wsdiag.report import Connection, Moment, Report

DEFAULTS = Config()


class Shown(NamedTuple):
    """What stands at a proof pointer: (pointer, text) for each place, and a packet's layers."""

    places: list[tuple[str, str]]
    depth: list[str]


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
    chosen = _chosen(config)
    with hiding(config.redact), evidence.collect(paths) as found:
        gathered = gather(found, config)
        yield _judged(gathered, config, chosen), gathered


def _judged(gathered: Gathered, config: Config, chosen: dict[str, detectors.Detector]) -> Report:
    story = _story(gathered)
    frame, verdicts = detectors.judge(story, config.goals(), chosen)
    redactor = Redactor()
    findings = account.findings(frame, gathered, redactor)
    measured, course = facts.measure(story)
    worst = roster.worst(story, frame)
    contradicted = account.disagreements(
        disagreements.find(story, gathered.clocks, gathered.broken),
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
        stacks=_stacks(gathered),
        vantages=frozenset(gathered.events["vantage"].unique().drop_nulls()),
        targets=config.goals(),
        formats=_formats(gathered),
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
            _formats(gathered),
            gathered.clocks,
            {session for row in frame["sessions"] for session in row},
        ),
    )


def review(
    paths: Paths, config: Config = DEFAULTS, schema: str | None = None, title: str = ""
) -> Review:
    """Answer the architecture questions from the traffic under `paths`; `schema` is the file of a
    JSON Schema that messages are held to. Raises `NoEvidence`, and `ConfigError` on a bad schema.
    """
    check = schemas.check(schema) if schema else None
    with (
        hiding(config.redact),
        evidence.collect(paths) as found,
        contents.noted(check) as notebook,
    ):
        gathered = gather(found, config)
        story = _story(gathered)
        frame, _ = detectors.judge(story, config.goals(), _chosen(config))
        traffic = questions.traffic(
            story,
            notebook,
            gathered.clocks,
            _formats(gathered),
            _stacks(gathered),
            (gathered.since, gathered.until),
        )
        checked = explain.checklist(frame, story)
        named = schema and Path(schema).name
        answers = questions.answer(traffic, checked, config.review, named)
        redactor = Redactor()
        told = proving.advised(answers, gathered, redactor, notebook)
        return Review(
            tool=f"wsdiag {wsdiag.__version__}",
            window=account.window(gathered),
            inputs=account.inputs(gathered),
            redactions=account.ledger(gathered, redactor),
            redacted=config.redact.secrets,
            limits=config.review,
            **told | ({"feature": redactor.mask(title)} if title else {}),
        )


def connections_of(paths: Paths, config: Config = DEFAULTS) -> list[Connection]:
    """Every connection and attempt under `paths`, each once. Raises `NoEvidence`."""
    with hiding(config.redact), evidence.collect(paths) as found:
        return roster.roster(_story(gather(found, config)))


def timeline(name: str, paths: Paths, config: Config = DEFAULTS) -> list[Moment]:
    """One connection's life: `name` is its session (or the beginning of it), its
    Sec-WebSocket-Key, or a proof pointer. Raises `NoEvidence` where it names none, or several.
    """
    with hiding(config.redact), evidence.collect(paths) as found:
        gathered = gather(found, config)
        events = gathered.events
        sessions = roster.sessions_named(name, events)
        if not sessions:
            raise NoEvidence(f"{name}: no such connection; wsdiag connections PATH lists them")
        if len(sessions) > 1:
            raise NoEvidence(f"{name}: may be any of {', '.join(sessions[:5])}")
        return list(life.moments(sessions[0], events, _formats(gathered), gathered.clocks))


def read_events(paths: Paths, config: Config = DEFAULTS) -> pl.DataFrame:
    """The EVENT frame under `paths`, on one clock, with sessions. Raises `NoEvidence`."""
    with hiding(config.redact), evidence.collect(paths) as found:
        return gather(found, config).events.cast(EVENTS)


def show(where: str, paths: Paths, context: int = 0, config: Config = DEFAULTS) -> Shown:
    """The redacted evidence at a proof pointer, with `context` places around it.

    The name is looked for under `paths`, by default in this folder. A packet is shown in depth.
    Raises `NoEvidence` when the pointer leads nowhere.
    """
    parts = re.fullmatch(r"(?P<name>.+)(?P<mark>[:#])(?P<pos>\d+)", where)
    if not parts:
        raise NoEvidence(f"{where}: a pointer is NAME:LINE or NAME#RECORD")
    name, pos = parts["name"], int(parts["pos"])
    with hiding(config.redact), evidence.collect(paths or ["."]) as found:
        named = [item for item in found.inputs if f"/{item.name}".endswith(f"/{name}")]
        if not named:
            raise NoEvidence(f"{where}: not here; try wsdiag show {where} FOLDER")
        source = sources.choose(named[0])
        texts = source.excerpt(named[0], [pos], context) if source else {}
        if pos not in texts:
            raise NoEvidence(f"{where}: {named[0].name} has no place {pos}")
        deep = sources.depth(named[0], pos, config)
        redactor = Redactor()
        return Shown(
            places=[
                (f"{named[0].name}{parts['mark']}{place}", redactor.mask(text))
                for place, text in sorted(texts.items())
            ],
            depth=[redactor.mask(line) for line in deep],
        )


def _chosen(config: Config) -> dict[str, detectors.Detector]:
    try:
        return detectors.chosen(config.select, config.ignore)
    except KeyError as unknown:
        raise ConfigError(f"unknown detector {unknown}") from None


def _formats(gathered: Gathered) -> dict[str, str]:
    told = zip(gathered.inputs, gathered.readings, strict=True)
    return {item.name: reading.format for item, reading in told}


def _stacks(gathered: Gathered) -> frozenset[str]:
    """The programs in use, as all inputs tell."""
    return frozenset().union(*(reading.stacks for reading in gathered.readings))


def _story(gathered: Gathered) -> Story:
    told = zip(gathered.inputs, gathered.readings, strict=True)
    doubtful = {item.name: reading.doubtful for item, reading in told if reading.doubtful}
    # Drawn once: every detector reads the table, and several the round trips.
    table = connections.table(gathered.events, doubtful)
    events = gathered.events.lazy()
    trips = connections.round_trips(events).collect(engine="in-memory")
    return Story(events=events, connections=table.lazy(), trips=trips.lazy())
