"""GitHub workflow commands: the answer and the findings as annotations of a CI run.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions says how they are
written and escaped. GitHub keeps ten annotations of each level in a step; the answer goes first,
and the last one tells of those that did not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from wsdiag.finding import Finding, Severity
from wsdiag.report import Report
from wsdiag.reporters import wording
from wsdiag.reporters.wording import flat

MAX_OF_A_LEVEL = 10
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report) -> str:
    """One command per line: the named cause, then each finding where its first proof stands."""
    answer = report.causes[0]
    what = f"{answer.why} Fix: {answer.advice}" if answer.why else answer.title
    what = f"{what} {wording.but(report)}".rstrip()
    level = "error" if report.failing else "notice"
    title = f"{answer.title} ({wording.confidence(answer)})"
    lines = [_command(level, {"title": title}, what)]
    ranked = sorted(report.findings, key=lambda finding: list(_LEVELS).index(finding.severity))
    for severity, findings in groupby(ranked, key=lambda finding: finding.severity):
        room = MAX_OF_A_LEVEL - (_LEVELS[severity] == level)
        lines += _of_a_level(_LEVELS[severity], list(findings), room, report)
    return "\n".join(lines) + "\n"


def _of_a_level(level: str, findings: list[Finding], room: int, report: Report) -> Iterator[str]:
    shown = findings if len(findings) <= room else findings[: room - 1]
    for finding in shown:
        yield _command(level, _where(finding, report), finding.message)
    if len(findings) > len(shown):
        more = wording.plural(len(findings) - len(shown), "more finding")
        yield _command(level, {"title": "wsdiag"}, f"{more} in the whole report")


def _where(finding: Finding, report: Report) -> dict[str, str]:
    where = {"title": finding.detector}
    if finding.evidence:
        proof = finding.evidence[0]
        where["file"] = proof.source
        if ":" in report.pointer(proof)[len(proof.source) :]:  # records have no line
            where["line"] = str(proof.pos)
    return where


def _command(level: str, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {told}::{_data(message)}"


def _data(text: str) -> str:
    return flat(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
