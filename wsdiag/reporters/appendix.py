"""The end of a written report: verdicts, numbers, inputs and checklist as tables."""

from __future__ import annotations

from collections import Counter

from wsdiag.report import Input, Report
from wsdiag.reporters import wording
from wsdiag.reporters.nodes import Block, Grid, Node, Span, item, more, paragraph, words
from wsdiag.reporters.wording import cut, flat

MAX_INPUTS = 20
NAME_WIDTH, WHY_WIDTH = 120, 200


def verdicts(report: Report) -> Block:
    """All verdicts, each with its why."""
    rows = tuple(
        (
            words(verdict.detector),
            (Span(f"{wording.MARKS[verdict.verdict.value]} {verdict.verdict.value}"),),
            words(cut(flat(verdict.why), WHY_WIDTH)),
        )
        for verdict in report.verdicts
    )
    tally = Counter(verdict.verdict.value for verdict in report.verdicts)
    heading = (
        f"Verdicts: {', '.join(f'{tally[name]} {name}' for name in wording.MARKS if tally[name])}"
    )
    grid = Grid(("detector", "verdict", "why"), rows)
    return Block("verdicts", 8, (grid,) if rows else (), heading, folded=True)


def inputs(report: Report) -> Block:
    """The numbers over all connections, and what became of each input."""
    span = wording.span(report.window.covered)
    asked = report.window.asked
    told = f" Asked for: {wording.span(asked)}." if asked.since or asked.until else ""
    nodes: list[Node | Grid] = [paragraph(Span(f"Covered: {span}.{told}"))]
    numbers = wording.traffic(report.facts) + wording.speeds(report.facts)
    nodes += [item(*words(line)) for line in numbers]
    rows = tuple(
        (
            (Span(cut(flat(wording.name(read)), NAME_WIDTH), "code"),),
            words(read.format),
            (Span(f"{read.events:,}"),),
            (Span(_unread(read)),),
            words(wording.clock(read)),
            words(cut(flat("; ".join(read.remarks)), WHY_WIDTH)),
        )
        for read in report.inputs[:MAX_INPUTS]
    )
    head = ("read", "format", "events", "unread", "clock offset", "remarks")
    nodes += [Grid(head, rows)] if rows else []
    nodes += more(len(report.inputs) - MAX_INPUTS)
    return Block("numbers and inputs", 8, tuple(nodes), "Numbers, and what was read", folded=True)


def _unread(read: Input) -> str:
    of = f" of {read.lines.read:,} lines" if read.lines and read.unread_lines else ""
    return f"{read.unread_lines:,}{of}"


def checklist(report: Report) -> Block:
    """The items of the debug method's checklist."""
    rows = tuple(
        (words(check.item), words(check.verdict), words(cut(flat(check.why), WHY_WIDTH)))
        for check in report.checklist
    )
    grid = Grid(("checklist", "verdict", "why"), rows)
    return Block("checklist", 9, (grid,) if rows else (), "Checklist", folded=True)


def redactions(report: Report) -> Block:
    """What was hidden, and what wrote the report."""
    counts: Counter[str] = Counter()
    for entry in report.redactions:
        counts[entry.rule] += entry.count
    hidden = f"Hidden in this report: {wording.tally(counts)}. " if counts else ""
    tool = Span(f"{hidden}Written by {flat(report.tool)}, ")
    line = paragraph(tool, Span(report.schema, "code"), Span("."))
    return Block("redactions", 9, (line,))
