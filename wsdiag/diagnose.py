"""The pipeline on one page: evidence in, one Report out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import polars as pl

import wsdiag
from wsdiag import clocks, connections, detectors, evidence, explain, facts, sessions, sources
from wsdiag.config import Config, ConfigError
from wsdiag.connections import Story
from wsdiag.event import EVENTS, ORDER
from wsdiag.evidence import InputFile, Reading
from wsdiag.explain.ranking import Case
from wsdiag.finding import Evidence, Finding, Severity, fingerprint
from wsdiag.redact import Redactor, sanitise
from wsdiag.report import Input, Redaction, Report, Span, Window, pointer


class NoEvidence(Exception):
    """Nothing usable was found; the text tells the user why."""


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, on one clock, with one identity for each connection."""

    inputs: list[InputFile]
    readings: list[Reading]
    problems: list[str]
    events: pl.DataFrame
    clocks: dict[str, clocks.Clock]


def diagnose(paths: Sequence[str], config: Config) -> Report:
    """Read everything under `paths` and say what happened.

    Raises `NoEvidence` when no input holds anything usable, `ConfigError` on an unknown detector.
    """
    try:
        chosen = detectors.chosen(config.select, config.ignore)
    except KeyError as unknown:
        raise ConfigError(f"unknown detector {unknown}") from None
    with evidence.collect(paths) as found:
        gathered = _gather(found.inputs, found.problems, config)
        story = _story(gathered.events)
        frame, verdicts = detectors.judge(story, config.targets, chosen)
        redactor = Redactor()
        findings = _told(frame, gathered, redactor)
        measured = facts.measure(story)
        case = Case(
            story=story,
            frame=frame,
            findings=findings,
            verdicts=verdicts,
            facts=measured,
            stacks=frozenset().union(*(reading.stacks for reading in gathered.readings)),
            vantages=frozenset(gathered.events["vantage"].cast(pl.String).drop_nulls()),
            targets=config.targets,
        )
        return Report(
            tool=f"wsdiag {wsdiag.__version__}",
            window=_window(gathered.events, config),
            inputs=[*_inputs(gathered), *_unreadable(gathered.problems)],
            facts=measured,
            verdicts=verdicts,
            findings=findings,
            causes=explain.explain(case),
            checklist=explain.checklist(frame, verdicts, story),
            redactions=_ledger(gathered, redactor),
        )


def read_events(paths: Sequence[str], config: Config) -> pl.DataFrame:
    """The EVENT frame of everything under `paths`, on one clock and with sessions. Raises `NoEvidence`."""
    with evidence.collect(paths) as found:
        return _gather(found.inputs, found.problems, config).events


def show(
    where: str, paths: Sequence[str], config: Config, context: int = 0
) -> list[tuple[str, str]]:
    """The redacted evidence at a proof pointer, with `context` places around it.

    Returns (pointer, text) pairs. Raises `NoEvidence` when the pointer leads nowhere.
    """
    parts = re.fullmatch(r"(?P<name>.+)(?P<mark>[:#])(?P<pos>\d+)", where)
    if not parts:
        raise NoEvidence(f"{where}: a pointer is NAME:LINE or NAME#RECORD")
    name, pos = parts["name"], int(parts["pos"])
    with evidence.collect([*paths, *([name] if not paths else [])] or ["."]) as found:
        named = [item for item in found.inputs if item.name == name or item.name.endswith(f"/{name}")]
        plain = [item for item in found.inputs if item.name == name.rpartition("/")[2]]
        for item in named or plain:
            source = sources.choose(item)
            texts = source.excerpt(item, [pos], context) if source else {}
            if pos in texts:
                redactor = Redactor()
                return [
                    (f"{item.name}{parts['mark']}{place}", redactor.mask(text))
                    for place, text in sorted(texts.items())
                ]
            raise NoEvidence(f"{where}: {item.name} has no place {pos}")
    raise NoEvidence(f"{where}: no such evidence; name the folder it lies in: wsdiag show {where} FOLDER")


def _gather(inputs: list[InputFile], problems: list[str], config: Config) -> Gathered:
    readings = [sources.read(item, config) for item in inputs]
    frames = [
        reading.events.with_columns(source=pl.lit(item.name))
        for item, reading in zip(inputs, readings, strict=True)
    ]
    read = pl.concat([pl.DataFrame(schema=EVENTS), *frames])
    if read.is_empty():
        raise NoEvidence(_nothing(inputs, readings, problems))
    steps = {
        item.name: reading.resolution_ms for item, reading in zip(inputs, readings, strict=True)
    }
    aligned, offsets = clocks.align(read, steps)
    asked = _within(aligned, config)
    if asked.is_empty():
        raise NoEvidence("no event lies between --since and --until")
    return Gathered(
        inputs=inputs,
        readings=readings,
        problems=problems,
        events=sessions.identify(asked),
        clocks=offsets,
    )


def _story(events: pl.DataFrame) -> Story:
    lazy = events.lazy()
    return Story(events=lazy, connections=connections.table(lazy).collect().lazy())


def _within(events: pl.DataFrame, config: Config) -> pl.DataFrame:
    ts = pl.col("ts")
    if config.since is not None:
        events = events.filter((ts >= config.since).fill_null(True))
    if config.until is not None:
        events = events.filter((ts <= config.until).fill_null(True))
    return events.sort(*ORDER, nulls_last=True, maintain_order=True)


def _told(frame: pl.DataFrame, gathered: Gathered, redactor: Redactor) -> list[Finding]:
    """The FINDINGS as told to users: with an id, and with the evidence's own words, redacted."""
    excerpts = _excerpts(frame, gathered, redactor)
    return [
        Finding(
            id=fingerprint(row["detector"], row["subject"], row["started"]),
            severity=Severity(row["severity"]),
            evidence=[
                Evidence(**spot, excerpt=excerpts.get((spot["source"], spot["pos"]), ""))
                for spot in row["evidence"]
            ],
            **{
                name: row[name]
                for name in (
                    "detector", "confidence", "subject", "started", "ended", "count", "measured",
                    "target", "unit", "message",
                )  # fmt: skip
            },
        )
        for row in frame.iter_rows(named=True)
    ]


def _excerpts(
    frame: pl.DataFrame, gathered: Gathered, redactor: Redactor
) -> dict[tuple[str, int], str]:
    spots = frame.select(pl.col("evidence").explode().struct.unnest()).drop_nulls("source")
    found: dict[tuple[str, int], str] = {}
    for item in gathered.inputs:
        wanted = spots.filter(pl.col("source") == item.name)["pos"].unique().to_list()
        source = sources.choose(item) if wanted else None
        if source is not None:
            for pos, text in source.excerpt(item, wanted).items():
                found[item.name, pos] = redactor.mask(text)[:500].strip()
    return found


def _window(events: pl.DataFrame, config: Config) -> Window:
    first, last = events["ts"].min(), events["ts"].max()
    return Window(
        asked=Span(since=config.since, until=config.until),
        covered=msgspec.convert({"since": first, "until": last}, Span),
    )


def _inputs(gathered: Gathered) -> list[Input]:
    rows = []
    for item, reading in zip(gathered.inputs, gathered.readings, strict=True):
        clock = gathered.clocks.get(item.name, clocks.Clock())
        span = reading.events["ts"]
        rows.append(
            Input(
                path=item.name,
                sha256=item.sha256,
                bytes=item.bytes,
                source=item.name,
                format=reading.format,
                vantage=reading.vantage,
                events=len(reading.events),
                unread_lines=reading.unread_lines,
                first=span.min(),  # type: ignore[arg-type]
                last=span.max(),  # type: ignore[arg-type]
                clock_offset_ms=clock.offset_ms,
                clock_error_ms=clock.error_ms,
                remarks=[sanitise(remark) for remark in (*item.remarks, *reading.remarks)],
            )
        )
    return rows


def _unreadable(problems: list[str]) -> list[Input]:
    return [
        Input(
            path=sanitise(problem.partition(":")[0]),
            sha256="",
            bytes=0,
            source="",
            format="unreadable",
            vantage=None,
            events=0,
            unread_lines=0,
            first=None,
            last=None,
            remarks=[sanitise(problem)],
        )
        for problem in problems
    ]


def _ledger(gathered: Gathered, redactor: Redactor) -> list[Redaction]:
    counted = [
        (rule, item.name, count)
        for item, reading in zip(gathered.inputs, gathered.readings, strict=True)
        for rule, count in sorted(reading.redactions.items())
    ]
    counted += [(rule, "report", count) for rule, count in sorted(redactor.counts.items())]
    return [Redaction(rule=rule, source=name, count=count) for rule, name, count in counted if count]


def _nothing(inputs: list[InputFile], readings: list[Reading], problems: list[str]) -> str:
    said = [sanitise(problem) for problem in problems]
    for item, reading in zip(inputs, readings, strict=True):
        why = "; ".join((*item.remarks, *reading.remarks)) or "nothing about WebSocket connections"
        said.append(f"{item.name}: {sanitise(why)}")
    return "no usable evidence\n" + "\n".join(f"  {line}" for line in said[:20])


__all__ = ["Gathered", "NoEvidence", "diagnose", "pointer", "read_events", "show"]
