"""The terminal report: what, why and what to change in three lines, then the proof and the rest.

Evidence goes through `Text` objects and never through rich's markup, so `[bold]` stays a word.
"""

from __future__ import annotations

import io
from collections import Counter

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsdiag.finding import Evidence, Finding
from wsdiag.report import Outcome, Report, RootCause, Verdict
from wsdiag.reporters import nodes, timeline, wording
from wsdiag.reporters.layout import indented, markdown, more, plain_console, section
from wsdiag.reporters.wording import flat

FEW = {"findings": 4, "pointers": 3, "others": 4, "inputs": 8, "unjudged": 4}
"""How many of each are shown where not all are asked for."""
WIDTH, MIN_WIDTH, MAX_WIDTH = 80, 40, 120
TARGETED = ("connect-latency", "message-latency", "reconnect-time")
"""The detectors whose number is shown where it keeps its target, too."""
_STYLES = {"breach": "red", "pass": "green", "not-applicable": "dim", "error": "yellow"}


def render(
    report: Report, *, color: bool = False, width: int | None = None, detail: int = 1
) -> str:
    """The report as lines of at most `width` columns, by default 80; with escape sequences only if
    `color`. `detail`: 0 the answer alone, 1 the report, 2 with all evidence and every verdict."""
    target = io.StringIO()
    console = plain_console(target, max(MIN_WIDTH, min(width or WIDTH, MAX_WIDTH)), color=color)
    _answer(console, report)
    if detail:
        _whole(console, report, everything=detail > 1)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _answer(console: Console, report: Report) -> None:
    """Three lines: what with how sure, why, what to change; a fourth where that is little."""
    answer = report.causes[0]
    sure = Text(f"  {wording.confidence(answer)}", style="cyan")
    title = Text(flat(answer.title), style="bold")
    title.truncate(console.width - len(sure), overflow="ellipsis")
    console.print(title.append(sure))
    for label, told in (("Why", answer.why), ("Fix", answer.advice)):
        line = Text(f"{label}  ", style="bold")
        for span in nodes.sentence(told, report):
            line.append(span.text, style="cyan" if span.kind == "code" else "default")
        console.print(line)
    if little := wording.but(report):
        console.print(Text("But  ", style="bold").append(little, style="yellow"))


def _whole(console: Console, report: Report, *, everything: bool) -> None:
    most = {name: 10**6 if everything else few for name, few in FEW.items()}
    answer = report.causes[0]
    section(console, "Symptoms", wording.span(report.window.covered))
    markdown(console, answer.symptoms, report)
    if beyond := wording.beyond(report.facts):
        indented(console, Text(beyond, style="dim"))
    _verdicts(console, report, everything=everything)
    _timeline(console, report)
    _root_cause(console, report, answer)
    _evidence(console, report, answer, most)
    section(console, "Fix")
    markdown(console, answer.fix, report)
    section(console, "Prevention")
    markdown(console, answer.prevention, report)
    _others(console, report, most, everything=everything)
    _unjudged(console, report, most["unjudged"])
    _inputs(console, report, most["inputs"])


def _verdicts(console: Console, report: Report, *, everything: bool) -> None:
    """A breach by what was measured; the three targets; the other passes by name."""
    section(console, "Verdicts", "measured against target")
    grid = Table.grid(padding=(0, 1))
    for _ in range(3):
        grid.add_column()
    grouped: dict[Outcome, list[str]] = {Outcome.PASS: [], Outcome.NOT_APPLICABLE: []}
    for verdict in sorted(report.verdicts, key=lambda it: list(Outcome).index(it.verdict)):
        if verdict.verdict in grouped and not everything and verdict.detector not in TARGETED:
            grouped[verdict.verdict].append(verdict.detector)
        elif verdict.verdict is not Outcome.NOT_APPLICABLE:
            why = Text(wording.cut(flat(_told(report, verdict)), console.width * 2))
            grid.add_row(_mark(verdict.verdict), Text(verdict.detector), why)
        elif not everything:
            grouped[verdict.verdict].append(verdict.detector)
    console.print(Padding(grid, (0, 0, 0, 2)))
    for outcome, names in grouped.items():
        if names:
            told = "also pass" if outcome is Outcome.PASS else "not judged"
            line = Table.grid(padding=(0, 1))
            line.add_row(_mark(outcome), Text(f"{told}: {', '.join(names)}", style="dim"))
            console.print(Padding(line, (0, 0, 0, 2)))


def _mark(outcome: Outcome) -> Text:
    return Text(wording.MARKS[outcome.value], style=_STYLES[outcome.value])


def _told(report: Report, verdict: Verdict) -> str:
    """Why it was judged so; of a breach that the symptoms tell, what was measured, and where."""
    if verdict.verdict is not Outcome.BREACH or verdict.why not in report.causes[0].symptoms:
        return verdict.why
    found = next((it for it in report.findings if it.detector == verdict.detector), None)
    if found is None:
        return verdict.why
    counted = found.count > 1 and found.count != found.measured
    parts = [wording.measured(found), f"×{found.count:,}" if counted else ""]
    parts += [report.pointer(proof) for proof in found.evidence[:1]]
    return " ".join(part for part in parts if part)


def _timeline(console: Console, report: Report) -> None:
    lines = timeline.lines(report)
    if lines:
        section(console, "Timeline", "UTC")
    for told in lines:
        line = Text(told)
        line.truncate(console.width - 2, overflow="ellipsis")
        indented(console, line)


def _root_cause(console: Console, report: Report, answer: RootCause) -> None:
    section(console, "Root cause")
    markdown(console, answer.root_cause, report)
    share = f"explains {answer.share:.0%} of the troubled connections; " if answer.share else ""
    indented(console, Text(f"{share}wsdiag explain {answer.id}", style="dim"))


def _evidence(console: Console, report: Report, answer: RootCause, most: dict[str, int]) -> None:
    proofs = wording.evidence_for(report, answer)
    if proofs:
        section(console, "Evidence for it")
    for finding in proofs[: most["findings"]]:
        _finding(console, finding, report, most["pointers"])
    more(console, len(proofs) - most["findings"])
    for reason in answer.supported:
        indented(console, Text(flat(reason)))
    if hint := wording.hint(report):
        indented(console, Text(f"in the folder of the evidence: {hint}", style="dim"))
    if answer.against:
        section(console, "Evidence against it")
    for reason in answer.against:
        indented(console, Text(flat(reason), style="yellow"))
    if report.disagreements:
        section(console, "Where the sources disagree")
    for told in report.disagreements:
        line = Text(f"{flat(told.message)}{f', ×{told.count:,}' if told.count > 1 else ''}  ")
        indented(console, line.append(flat(told.kind), style="dim"))
        for proof in told.evidence[: most["pointers"] - 1]:
            _pointed(console, proof, report)


def _finding(console: Console, finding: Finding, report: Report, pointers: int) -> None:
    line = Text(f"{flat(finding.message)}  ")
    line.append(f"{finding.detector}", style="dim")
    indented(console, line)
    proofs = wording.proofs(finding)
    for proof in proofs[:pointers]:
        _pointed(console, proof, report)
    # A finding keeps a few pointers; `count` is how many connections there were.
    beyond = max(len(proofs), finding.count if len(proofs) > pointers else 0) - pointers
    more(console, beyond if pointers < len(proofs) else 0, 4)


def _pointed(console: Console, proof: Evidence, report: Report) -> None:
    """A pointer and what stands there, on one line."""
    pointer = flat(report.pointer(proof))
    shown = Text(pointer, style="cyan")
    for part in (wording.moment(proof, pointer), flat(proof.excerpt)):
        shown.append(f"  {part}" if part else "", style="default")
    shown.truncate(console.width - 4, overflow="ellipsis")
    console.print(Padding(shown, (0, 0, 0, 4)), no_wrap=True)


def _others(console: Console, report: Report, most: dict[str, int], *, everything: bool) -> None:
    """Other causes, and findings that the symptoms and verdicts did not tell."""
    others = report.causes[1:]
    if others:
        section(console, "Other causes that also hold")
    for cause in others[: most["others"]]:
        line = Text(flat(cause.title)).append(f"  {wording.confidence(cause)}", style="cyan")
        indented(console, line.append(f"  {cause.id}", style="dim"))
    more(console, len(others) - most["others"])
    findings = wording.other_findings(report)
    if not everything:
        findings = [it for it in findings if it.message not in report.causes[0].symptoms]
    if findings:
        section(console, "Other findings")
    for finding in findings[: most["others"]]:
        _finding(console, finding, report, most["pointers"] if everything else 1)
    more(console, len(findings) - most["others"])


def _unjudged(console: Console, report: Report, most: int) -> None:
    """What the evidence lacks and the answer does not tell, the three targets first."""
    told = report.causes[0].root_cause + report.causes[0].fix
    missing = [
        it for it in report.verdicts if it.verdict is Outcome.NOT_APPLICABLE and it.why not in told
    ]
    missing.sort(key=lambda it: it.detector not in TARGETED)
    reasons: dict[str, list[str]] = {}
    for verdict in missing:
        reasons.setdefault(flat(verdict.why), []).append(verdict.detector)
    if reasons:
        section(console, "To collect next", "what could not be judged, and why")
    for why, names in list(reasons.items())[:most]:
        indented(console, Text(", ".join(names)).append(f": {why}", style="dim"))
    more(console, len(reasons) - most, note="; all with -v")


def _inputs(console: Console, report: Report, most: int) -> None:
    section(console, "Read")
    for item in report.inputs[:most]:
        parts = [item.format, wording.plural(item.events, "event")]
        if item.unread_lines:
            parts.append(f"{item.unread_lines:,} unread")
        if wording.clock(item):
            parts.append(f"clock {wording.clock(item)}")
        line = Text(flat(wording.name(item)), style="cyan")
        line.append(f"  {', '.join(flat(part) for part in parts)}", style="default")
        indented(console, line)
    more(console, len(report.inputs) - most)
    remarked: dict[str, list[str]] = {}
    for item in report.inputs[:most]:
        for remark in item.remarks:
            remarked.setdefault(flat(remark), []).append(flat(wording.name(item)))
    for remark, named in remarked.items():
        indented(console, Text(f"{', '.join(named)}: ").append(remark, style="yellow"))
    if report.redactions:
        hidden: Counter[str] = Counter()
        for entry in report.redactions:
            hidden[entry.rule] += entry.count
        indented(console, Text(f"hidden in this report: {wording.tally(hidden)}", style="dim"))
