"""Cases to explain: from rows through all detectors, or from findings made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from story import at, story

from wsdiag import detectors, facts
from wsdiag.explain import Case
from wsdiag.finding import FINDINGS, Evidence, Finding, Severity, fingerprint
from wsdiag.report import Facts, Verdict
from wsdiag.targets import Goals


def from_rows(
    rows: Iterable[Mapping[str, Any]], *stacks: str, only: Iterable[str] = detectors.DETECTORS
) -> Case:
    """What the pipeline would hand over for these rows; `only` these detectors, to be quick."""
    told = story(rows)
    chosen = {name: detectors.DETECTORS[name] for name in only}
    frame, verdicts = detectors.judge(told, Goals(), chosen)
    seen = told.events.select("vantage").collect()["vantage"]
    return Case(
        story=told,
        frame=frame,
        findings=_findings(frame),
        verdicts=verdicts,
        facts=facts.measure(told).facts,
        stacks=frozenset(stacks),
        vantages=frozenset(seen.cast(pl.String).drop_nulls()),
        targets=Goals(),
    )


def finding(
    detector: str,
    *traits: str,
    sessions: Iterable[str] = ("s-1",),
    vantages: Iterable[str] = ("network", "server", "client"),
    severity: str = "error",
    began: float = 0,
) -> dict[str, Any]:
    """One row of FINDINGS, proven at one place of each vantage."""
    return {
        "detector": detector,
        "severity": severity,
        "confidence": 0.9,
        "subject": "fleet",
        "started": at(began),
        "ended": at(60),
        "count": len(list(sessions)),
        "measured": 60.0,
        "target": None,
        "unit": "s",
        "message": f"{detector} was found",
        "traits": list(traits),
        "sessions": list(sessions),
        "evidence": [
            {"source": f"{vantage}.log", "pos": 7, "ts": at(0), "vantage": vantage}
            for vantage in vantages
        ],
    }


def from_findings(*found: dict[str, Any], verdicts: Iterable[Verdict] = ()) -> Case:
    """Findings by hand, over an empty story."""
    frame = pl.DataFrame(list(found), schema=FINDINGS)
    return Case(
        story=story([]),
        frame=frame,
        findings=_findings(frame),
        verdicts=list(verdicts),
        facts=Facts(),
        stacks=frozenset(),
        vantages=frozenset({"network", "server", "client"}),
        targets=Goals(),
        formats={"wire.pcap": "pcap"},
    )


def _findings(frame: pl.DataFrame) -> list[Finding]:
    return [
        Finding(
            id=fingerprint(row["detector"], row["subject"], row["started"]),
            severity=Severity(row.pop("severity")),
            evidence=[Evidence(**spot) for spot in row.pop("evidence")],
            **row,
        )
        for row in frame.drop("traits", "sessions").iter_rows(named=True)
    ]
