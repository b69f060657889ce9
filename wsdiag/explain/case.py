"""What explaining starts from, and a cause that holds to some degree."""

from __future__ import annotations

import msgspec
import polars as pl

from wsdiag.cause import Cause, When
from wsdiag.connections import Story
from wsdiag.finding import Finding
from wsdiag.report import Disagreement, Facts, Input, Verdict
from wsdiag.targets import Goals


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that explaining needs. `frame` holds the FINDINGS, `findings` the same rows in words.

    `formats` tells of each input what it is, `disagreements` where two of them contradict each
    other.
    """

    story: Story
    frame: pl.DataFrame
    findings: list[Finding]
    verdicts: list[Verdict]
    facts: Facts
    stacks: frozenset[str]
    vantages: frozenset[str]
    targets: Goals
    formats: dict[str, str] = {}
    disagreements: list[Disagreement] = []
    inputs: list[Input] = []

    def terms(self) -> frozenset[str]:
        """What conditions may ask for: detectors, their marks, stacks in use, places seen from, and
        where sources disagree."""
        found = (
            term
            for detector, traits in self.frame.select("detector", "traits").iter_rows()
            for term in (detector, *(f"{detector}:{trait}" for trait in traits))
        )
        in_use = (f"stack:{stack}" for stack in self.stacks)
        seen = (f"seen:{vantage}" for vantage in self.vantages)
        contradicted = (f"disagreement:{it.kind}" for it in self.disagreements)
        return frozenset((*found, *in_use, *seen, *contradicted))


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A cause that holds to some degree.

    `explained` is the number of connections that its findings concern and `weight` their part of
    the troubled ones; `share` is that part with what follows from it.
    """

    cause: Cause
    clause: When | None
    confidence: float
    weight: float
    share: float
    explained: int
    findings: list[Finding]
    against: list[str]
    supported: list[str] = []


def sessions(frame: pl.DataFrame) -> set[str]:
    """Every connection that these FINDINGS concern."""
    return {session for row in frame["sessions"] for session in row}
