"""JUnit XML: each detector a test, for load-test gates in any CI.

The dialect is the one that Jenkins and GitLab read: a suite of cases, each with at most one of
failure, error and skipped. A breach fails its test where `--fail-on` lets it fail the run; what
could not be judged is skipped, with the reason.
"""

from __future__ import annotations

from xml.etree import ElementTree

from wsdiag.report import Outcome, Report, Verdict
from wsdiag.reporters import wording
from wsdiag.reporters.wording import flat

MAX_POINTERS = 5


def render(report: Report) -> str:
    """One suite; its properties are the named cause, its cases the detectors."""
    answer = report.causes[0]
    suite = ElementTree.Element("testsuite", name="wsdiag", tests=str(len(report.verdicts)))
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("cause", answer.id),
        ("title", answer.title),
        ("confidence", f"{answer.confidence:.2f}"),
        ("why", answer.why),
        ("advice", answer.advice),
        ("tool", report.tool),
    ):
        ElementTree.SubElement(properties, "property", name=name, value=flat(value))
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for verdict in report.verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", classname="wsdiag", name=flat(verdict.detector)
        )
        kind = _kind(verdict, report)
        if kind:
            counts[kind] += 1
            told = ElementTree.SubElement(case, kind, message=flat(verdict.why))
            told.text = _details(verdict, report) or None
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(counts[kind]))
    root = ElementTree.Element("testsuites", name="wsdiag")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _kind(verdict: Verdict, report: Report) -> str | None:
    if verdict.verdict is Outcome.NOT_APPLICABLE:
        return "skipped"
    if verdict.verdict is Outcome.ERROR:
        return "error"
    failing = any(
        finding.detector == verdict.detector and finding.id in report.failing
        for finding in report.findings
    )
    return "failure" if failing else None


def _details(verdict: Verdict, report: Report) -> str:
    lines = []
    for finding in report.findings:
        if finding.detector == verdict.detector:
            lines.append(flat(finding.message))
            lines += [
                f"  {flat(report.pointer(proof))}  {flat(proof.excerpt)}"
                for proof in wording.proofs(finding)[:MAX_POINTERS]
            ]
    return "\n".join(lines)
