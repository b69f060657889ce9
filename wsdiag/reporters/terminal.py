"""The terminal summary: the answer first, then its proof, then what to change.

Evidence goes through `Text` objects and never through rich's markup, so `[bold]` stays a word.
"""

from __future__ import annotations

import io
import re
import shlex
from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsdiag.finding import Finding
from wsdiag.redact import sanitise
from wsdiag.report import Outcome, Report, RootCause, Verdict
from wsdiag.reporters import prose, wording
from wsdiag.reporters.wording import flat

MAX_FINDINGS, MAX_POINTERS, MAX_OTHERS, MAX_INPUTS = 4, 3, 4, 8
WIDTH, MIN_WIDTH, MAX_WIDTH = 80, 40, 120
_STYLES = {"breach": "red", "pass": "green", "not-applicable": "dim", "error": "yellow"}
_INLINE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)|\*\*(.+?)\*\*|\[([^\]]+)\]\(([^)]+)\)")


def render(report: Report, *, color: bool = False, width: int | None = None) -> str:
    """The report as lines of at most `width` columns, by default 80; with escape sequences only if
    `color`."""
    target = io.StringIO()
    console = Console(
        file=target,
        height=100,  # rich ignores the width alone where TERM=dumb
        width=max(MIN_WIDTH, min(width or WIDTH, MAX_WIDTH)),
        color_system="standard" if color else None,
        force_terminal=color,
        no_color=not color,
        legacy_windows=False,
        emoji=False,
        markup=False,
        highlight=False,
    )
    answer = report.causes[0]
    _title(console, answer)
    _happened(console, report)
    _section(console, "Root cause")
    _markdown(console, answer.root_cause)
    _evidence(console, report, answer)
    _section(console, "Fix")
    _markdown(console, answer.fix)
    _section(console, "Prevention")
    _markdown(console, answer.prevention)
    _others(console, report)
    _verdicts(console, report.verdicts)
    _inputs(console, report)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _title(console: Console, answer: RootCause) -> None:
    line = Text(flat(answer.title), style="bold")
    line.append(f"  {wording.confidence(answer)}", style="cyan")
    console.print(line)
    explained = f"explains {answer.share:.0%} of the troubled connections; " if answer.share else ""
    console.print(Text(f"{explained}wsdiag explain {answer.id}", style="dim"))


def _happened(console: Console, report: Report) -> None:
    _section(console, "What happened", wording.span(report.window.covered))
    for line in wording.traffic(report.facts):
        _indented(console, Text(line))
    _markdown(console, report.causes[0].symptoms)


def _evidence(console: Console, report: Report, answer: RootCause) -> None:
    proofs = wording.evidence_for(report, answer)
    if proofs:
        _section(console, "Evidence")
    for finding in proofs[:MAX_FINDINGS]:
        _finding(console, finding, report, MAX_POINTERS)
    _more(console, len(proofs) - MAX_FINDINGS)
    for reason in answer.against:
        _indented(console, Text(f"against: {flat(reason)}", style="yellow"))
    first = next((proof for finding in proofs for proof in finding.evidence), None)
    if first:
        command = f"wsdiag show {shlex.quote(flat(report.pointer(first)))} -C 3"
        _indented(console, Text(f"in the folder of the evidence: {command}", style="dim"))


def _finding(console: Console, finding: Finding, report: Report, pointers: int) -> None:
    line = Text(f"{flat(finding.message)}  ")
    line.append(f"{finding.detector}", style="dim")
    if finding.count > 1:
        line.append(f" ×{finding.count:,}", style="dim")
    _indented(console, line)
    proofs = wording.proofs(finding)
    for proof in proofs[:pointers]:
        pointer = flat(report.pointer(proof))
        shown = Text(pointer, style="cyan")
        for part in (wording.moment(proof, pointer), flat(proof.excerpt)):
            shown.append(f"  {part}" if part else "", style="default")
        shown.truncate(console.width - 4, overflow="ellipsis")
        console.print(Padding(shown, (0, 0, 0, 4)), no_wrap=True)
    _more(console, len(proofs) - pointers, 4)


def _others(console: Console, report: Report) -> None:
    others = report.causes[1:]
    if others:
        _section(console, "Also holds")
    for cause in others[:MAX_OTHERS]:
        line = Text(flat(cause.title)).append(f"  {wording.confidence(cause)}", style="cyan")
        _indented(console, line.append(f"  {cause.id}", style="dim"))
    _more(console, len(others) - MAX_OTHERS)
    findings = wording.other_findings(report)
    if findings:
        _section(console, "Also found")
    for finding in findings[:MAX_OTHERS]:
        _finding(console, finding, report, 1)
    _more(console, len(findings) - MAX_OTHERS)


def _verdicts(console: Console, verdicts: Iterable[Verdict]) -> None:
    """A grid: one row per breach, the passes together, the others together by their reason."""
    _section(console, "Verdicts")
    groups: dict[tuple[Outcome, str], list[str]] = {}
    for verdict in verdicts:
        alike = "" if verdict.verdict is Outcome.PASS else flat(verdict.why)
        groups.setdefault((verdict.verdict, alike), []).append(verdict.detector)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column()
    order = list(Outcome)
    for (outcome, why), names in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        line = Text(", ".join(names))
        line.append(f": {why}" if why else "", style="dim")
        if outcome is Outcome.BREACH:  # its findings have told the rest
            line.truncate(console.width - 4, overflow="ellipsis")
        grid.add_row(Text(wording.MARKS[outcome.value], style=_STYLES[outcome.value]), line)
    console.print(Padding(grid, (0, 0, 0, 2)))


def _inputs(console: Console, report: Report) -> None:
    _section(console, "Read")
    for item in report.inputs[:MAX_INPUTS]:
        parts = [item.format, wording.plural(item.events, "event")]
        if item.unread_lines:
            parts.append(f"{item.unread_lines:,} unread")
        if wording.clock(item):
            parts.append(f"clock {wording.clock(item)}")
        line = Text(flat(wording.name(item)), style="cyan")
        line.append(f"  {', '.join(flat(part) for part in parts)}", style="default")
        line.append("".join(f"; {flat(remark)}" for remark in item.remarks), style="yellow")
        _indented(console, line)
    _more(console, len(report.inputs) - MAX_INPUTS)
    if report.redactions:
        hidden: Counter[str] = Counter()
        for entry in report.redactions:
            hidden[entry.rule] += entry.count
        _indented(console, Text(f"hidden in this report: {wording.tally(hidden)}", style="dim"))


def _section(console: Console, name: str, note: str = "") -> None:
    console.print()
    console.print(Text(name.upper(), style="bold").append(f"  {note}" if note else "", style="dim"))


def _more(console: Console, number: int, by: int = 2) -> None:
    if number > 0:
        _indented(console, Text(f"… and {number} more", style="dim"), by)


def _indented(console: Console, text: Text, by: int = 2) -> None:
    console.print(Padding(text, (0, 0, 0, by)))


def _markdown(console: Console, text: str) -> None:
    """Our own Markdown for the eye: wrapped text, hanging list items, code as it is to be typed."""
    for kind, piece in prose.blocks(text):
        if kind == "code":
            # Never wrapped: a directive that is copied must be whole.
            line = Text(f"      {sanitise(piece)}", style="cyan")
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
        elif kind == "item":
            mark, _, rest = piece.lstrip().partition(" ")
            grid = Table.grid(padding=(0, 1))
            grid.add_row(Text(flat(mark)), _inline(rest))
            console.print(Padding(grid, (0, 0, 0, 2 + len(piece) - len(piece.lstrip()))))
        else:
            _indented(console, _inline(piece))


def _inline(text: str) -> Text:
    shown, end, plain = Text(), 0, flat(text)
    for found in _INLINE.finditer(plain):
        shown.append(plain[end : found.start()])
        if found[2]:
            shown.append(found[2].strip(), style="cyan")
        elif found[3]:
            shown.append(found[3], style="bold")
        else:
            shown.append(f"{found[4]} ({found[5]})")
        end = found.end()
    return shown.append(plain[end:])
