"""Many incidents beside each other: what became of each, and which share a cause."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from wsdiag.report import Report, Span

SCHEMA = "wsdiag.index/1"


class State(StrEnum):
    """What became of an incident."""

    DIAGNOSED = "diagnosed"
    NO_EVIDENCE = "no-evidence"
    FAILED = "failed"
    NOT_REACHED = "not-reached"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident. `why` says what came in the way where there is no report.

    `findings` counts them, `failing` those that fail a run; `unread` tells that some evidence could
    not be read; `kept` that the report is of an earlier run and nothing has changed since.
    """

    name: str
    state: State
    why: str = ""
    cause: str = ""
    title: str = ""
    confidence: float = 0.0
    word: str = ""
    findings: int = 0
    failing: int = 0
    unread: bool = False
    covered: Span = Span()
    reports: list[str] = []
    kept: bool = False


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The incidents with the same first cause, the surest first."""

    cause: str
    title: str
    incidents: list[Incident]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """All incidents: `groups` by first cause, the largest first; `others` have no report."""

    schema: str = SCHEMA
    tool: str
    groups: list[Group]
    others: list[Incident]

    @property
    def all(self) -> list[Incident]:
        """Every incident."""
        return [*(one for group in self.groups for one in group.incidents), *self.others]


HEALTHY = "healthy"


def index(tool: str, incidents: Sequence[Incident]) -> Index:
    """The index of some incidents, whatever their order."""
    by_cause: dict[str, list[Incident]] = {}
    for one in sorted(incidents, key=lambda one: (-one.confidence, one.name)):
        if one.state is State.DIAGNOSED:
            by_cause.setdefault(one.cause, []).append(one)
    groups = [
        Group(cause=cause, title=members[0].title, incidents=members)
        for cause, members in by_cause.items()
    ]
    return Index(
        tool=tool,
        # What is well comes last.
        groups=sorted(groups, key=lambda it: (it.cause == HEALTHY, -len(it.incidents), it.cause)),
        others=sorted(
            (one for one in incidents if one.state is not State.DIAGNOSED),
            key=lambda one: (one.state, one.name),
        ),
    )


def incident(name: str, report: Report, reports: Sequence[str], *, unread: bool) -> Incident:
    """An incident that was diagnosed."""
    answer = report.causes[0]
    return Incident(
        name=name,
        state=State.DIAGNOSED,
        cause=answer.id,
        title=answer.title,
        confidence=answer.confidence,
        word=answer.word,
        findings=len(report.findings),
        failing=len(report.failing),
        unread=unread,
        covered=report.window.covered,
        reports=list(reports),
    )
