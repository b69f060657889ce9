"""What a diff of two reports says: for the terminal, as Markdown, as JSON (`wsdiag.diff/1`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from wsdiag.comparison import Change, Comparison, Metric
from wsdiag.finding import Finding
from wsdiag.reporters import json_v1, prose, wording
from wsdiag.reporters.wording import amount, flat

HEADS = {
    "gone": "Gone: the detector judged, and found it no more",
    "unjudged": "No longer judged, which proves nothing",
    "stayed": "Stayed",
    "came": "Came",
}
WIDTH = 80
_MARKS = {"gone": "✓", "unjudged": "–", "stayed": "=", "came": "✗"}


def as_text(told: Comparison) -> str:
    """Plain lines for a terminal."""
    lines = [
        verdict(told),
        f"before  {flat(told.before.title)}  {told.before.word} ({told.before.confidence:.2f})",
        f"after   {flat(told.after.title)}  {told.after.word} ({told.after.confidence:.2f})",
    ]
    for name, changes in _groups(told):
        lines += ["", HEADS[name].upper()]
        for change in changes:
            line = f"{_MARKS[name]} {change.detector}: {_said(change)}"
            lines += wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")
    if told.metrics:
        lines += ["", "METRICS, 95TH PERCENTILE"]
        rows = [_row(metric) for metric in told.metrics]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_markdown(told: Comparison) -> str:
    """Markdown for a pull request."""
    lines = [
        "## WebSocket diagnosis: before and after",
        "",
        f"**{verdict(told)}**",
        "",
        "| | cause | confidence |",
        "| --- | --- | ---: |",
    ]
    for side, answer in (("before", told.before), ("after", told.after)):
        title = prose.cell(prose.inert(answer.title))
        lines.append(f"| {side} | {title} | {answer.word} ({answer.confidence:.2f}) |")
    for name, changes in _groups(told):
        lines += ["", f"### {HEADS[name]}", ""]
        lines += [f"- {change.detector}: {prose.inert(_said(change))}" for change in changes]
    if told.metrics:
        lines += ["", "### Metrics, 95th percentile", ""]
        lines += ["| metric | before | after | target | |", "| --- | ---: | ---: | ---: | --- |"]
        lines += [f"| {' | '.join(_row(metric))} |" for metric in told.metrics]
    return "\n".join(lines) + "\n"


def as_json(told: Comparison) -> str:
    """`wsdiag.diff/1`, field for field."""
    return json_v1.encode(told)


def verdict(told: Comparison) -> str:
    """One sentence: did it help?"""
    went, stay = len(told.gone), len(told.stayed)
    if told.regressed:
        came = [f"{_count(len(told.came))} came"] if told.came else []
        missed = [
            f"the target of {metric.name} is missed"
            for metric in told.metrics
            if metric.met_before and metric.met_after is False
        ]
        return f"Worse: {', '.join([*came, *missed])}."
    if told.unjudged and not (told.came or stay):
        return f"Not proven: {_count(len(told.unjudged))} could not be judged in the second report."
    if went and not (stay or told.came or told.unjudged):
        return f"Fixed: {_count(went)} went, none stayed and none came."
    if went:
        return f"Better in part: {_count(went)} went, {stay} stayed."
    return "No change." if stay or told.came else "Nothing was found before or after."


def _count(number: int) -> str:
    return wording.plural(number, "finding")


def _groups(told: Comparison) -> Iterator[tuple[str, Sequence[Change]]]:
    for name in HEADS:
        if changes := getattr(told, name):
            yield name, changes


def _said(change: Change) -> str:
    if change.before and change.after:
        return f"{flat(change.after.message)} (before: {_amount(change.before)})"
    if change.after:
        return flat(change.after.message)
    assert change.before  # a change has one side at least
    return f"{flat(change.before.message)}; now: {flat(change.why)}"


def _amount(finding: Finding) -> str:
    measured = amount(finding.measured, finding.unit or "") if finding.measured is not None else ""
    return ", ".join(part for part in (f"×{finding.count:,}", measured) if part)


def _row(metric: Metric) -> tuple[str, str, str, str, str]:
    met = {None: "", True: ", met", False: ", missed"}[metric.met_after]
    return (
        metric.name,
        f"{amount(metric.before, metric.unit)} (n={metric.before_n:,})",
        f"{amount(metric.after, metric.unit)} (n={metric.after_n:,})",
        "" if metric.target is None else amount(metric.target, metric.unit),
        f"{metric.move.value.replace('-', ' ')}{met}",
    )
