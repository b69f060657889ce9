"""The account that a report gives of its evidence: proofs in words, inputs, and what was hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import polars as pl

from wsdiag import clocks, sources
from wsdiag.finding import Evidence, Finding, Severity, fingerprint
from wsdiag.gather import Covered, Gathered
from wsdiag.redact import Redactor, sanitise
from wsdiag.report import Disagreement, Input, Redaction, Span, Window

EXCERPT_CHARACTERS = 500
MAX_PAIRS = 3
"""Connections whose two sides are shown, of each kind of contradiction."""


def findings(frame: pl.DataFrame, gathered: Gathered, redactor: Redactor) -> list[Finding]:
    """FINDINGS as told to users: with an id, and with the evidence's own words, redacted."""
    excerpts = _excerpts(frame, gathered, redactor)
    second = pl.col("started").dt.truncate("1s")
    alike = pl.int_range(pl.len()).over("detector", "subject", second)
    told = frame.with_columns(alike=alike).drop("traits", "sessions")
    return [
        Finding(
            id=fingerprint(row["detector"], row["subject"], row["started"], row.pop("alike")),
            severity=Severity(row.pop("severity")),
            evidence=[
                Evidence(**spot, excerpt=excerpts.get((spot["source"], spot["pos"]), ""))
                for spot in row.pop("evidence")
            ],
            **row,
        )
        for row in told.iter_rows(named=True)
    ]


def disagreements(
    frame: pl.DataFrame, gathered: Gathered, redactor: Redactor, titles: Mapping[str, str]
) -> list[Disagreement]:
    """Contradictions as told to users: folded by kind, both sides in the evidence's own words."""
    shown = frame.group_by("kind", maintain_order=True).head(MAX_PAIRS)
    excerpts = _excerpts(
        shown.select("kind", evidence=pl.concat_list("one", "other")), gathered, redactor
    )
    told = []
    for (kind,), rows in frame.group_by("kind", maintain_order=True):
        spots = rows.head(MAX_PAIRS).select(spot=pl.concat_list("one", "other")).explode("spot")
        said = Counter(rows["said"]).most_common()
        more = f", and {len(said) - 1} more of the kind" if len(said) > 1 else ""
        told.append(
            Disagreement(
                kind=str(kind),
                title=titles[str(kind)],
                message=said[0][0] + more,
                count=len(rows),
                evidence=[
                    Evidence(**spot, excerpt=excerpts.get((spot["source"], spot["pos"]), ""))
                    for spot in spots["spot"]
                ],
            )
        )
    return told


def failing(told: Sequence[Finding], fail_on: str) -> list[str]:
    """The ids of the findings at or above the severity that fails a run."""
    order = list(Severity)
    bad = () if fail_on == "never" else order[: order.index(Severity(fail_on)) + 1]
    return [finding.id for finding in told if finding.severity in bad]


def _excerpts(
    frame: pl.DataFrame, gathered: Gathered, redactor: Redactor
) -> dict[tuple[str, int], str]:
    spots = frame.select(pl.col("evidence").explode().struct.unnest()).drop_nulls("source")
    found: dict[tuple[str, int], str] = {}
    by_source = dict(spots.group_by("source").agg(pl.col("pos").unique()).iter_rows())
    for item in gathered.inputs:
        wanted = by_source.get(item.name, [])
        source = sources.choose(item) if wanted else None
        if source is not None:
            for pos, text in source.excerpt(item, wanted).items():
                found[item.name, pos] = redactor.mask(text)[:EXCERPT_CHARACTERS].strip()
    return found


def window(gathered: Gathered) -> Window:
    """What was asked for and what the events cover."""
    return Window(
        asked=Span(since=gathered.since, until=gathered.until), covered=_span(gathered.events)
    )


def _span(events: pl.LazyFrame) -> Span:
    ts = pl.col("ts")
    span = events.select(since=ts.min(), until=ts.max()).collect(engine="in-memory")
    return msgspec.convert(span.row(0, named=True), Span)


def inputs(gathered: Gathered) -> list[Input]:
    """Every input and what became of it, those that could not be opened included."""
    read = []
    for item, reading in zip(gathered.inputs, gathered.readings, strict=True):
        clock = gathered.clocks.get(item.name, clocks.Clock())
        covered = gathered.covered.get(item.name, Covered(0, None, None))
        read.append(
            Input(
                path=item.name,
                sha256=item.sha256,
                bytes=item.bytes,
                source=item.name,
                format=reading.format,
                vantage=reading.vantage,
                events=covered.events,
                unread_lines=reading.unread_lines,
                first=covered.first,
                last=covered.last,
                clock_offset_ms=clock.offset_ms,
                clock_error_ms=clock.error_ms,
                clock_drift_ppm=clock.drift_ppm,
                clock_drift_error_ppm=clock.drift_error_ppm,
                clock_zone_min=clock.zone_min,
                clock_anchors=clock.anchors,
                clock_against=clock.against,
                remarks=[sanitise(remark) for remark in (*item.remarks, *reading.remarks)],
                lines=reading.lines,
                log=gathered.logs.whole.get(item.name),
            )
        )
    return [*read, *(_unopened(problem) for problem in gathered.problems)]


def _unopened(problem: str) -> Input:
    return Input(
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


def ledger(gathered: Gathered, redactor: Redactor) -> list[Redaction]:
    """How often each rule hid something, by input, and in the report's own excerpts."""
    counted = [
        (rule, item.name, count)
        for item, reading in zip(gathered.inputs, gathered.readings, strict=True)
        for rule, count in sorted(reading.redactions.items())
    ]
    counted += [(rule, "report", count) for rule, count in sorted(redactor.counts.items())]
    return [
        Redaction(rule=rule, source=name, count=count) for rule, name, count in counted if count
    ]
