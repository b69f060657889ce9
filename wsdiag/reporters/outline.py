"""The debug template as blocks: what a written report says, in order, and how much each counts.

The cause and the fix count most, then what proves and what contradicts the cause, then what
happened; the tables at the end count least.
"""

from __future__ import annotations

import re
from collections import Counter

from wsdiag.finding import Evidence, Finding
from wsdiag.report import Report, RootCause
from wsdiag.reporters import timeline, wording
from wsdiag.reporters.nodes import Block, Grid, Node, Span, item, own, paragraph, words
from wsdiag.reporters.wording import cut, flat

MAX_FINDINGS, MAX_POINTERS, MAX_OTHERS, MAX_INPUTS = 5, 3, 5, 20
MAX_FEW = 3
NAME_WIDTH, EXCERPT_WIDTH, WHY_WIDTH, SENTENCE_WIDTH = 120, 160, 200, 300


def blocks(report: Report) -> list[Block]:
    """All parts of the report that hold something, in the template's order."""
    answer = report.causes[0]
    made = [
        Block("title", 0, (), f"WebSocket Debug: {_title(report)}", level=2),
        _symptoms(report, answer),
        _timeline(report),
        _investigation(report, answer),
        _root_cause(report, answer),
        _for(report, answer),
        _against(answer),
        _fix(report, answer),
        Block("prevention", 6, tuple(own(answer.prevention, report)), "Prevention"),
        _other_causes(report),
        _other_findings(report),
        _verdicts(report),
        _inputs(report),
        _checklist(report),
        Block("redactions", 9, _hidden(report)),
    ]
    return [block for block in made if block.nodes or block.importance == 0]


def _title(report: Report) -> str:
    return cut(flat(report.issue or report.causes[0].title), NAME_WIDTH)


def _symptoms(report: Report, answer: RootCause) -> Block:
    whole = own(answer.symptoms, report)
    short = tuple(_cut(node, SENTENCE_WIDTH) for node in whole[:MAX_FEW])
    return Block("symptoms", 4, tuple(whole), "Symptoms", short=short)


def _timeline(report: Report) -> Block:
    lines = timeline.lines(report)
    told = "\n".join(cut(line, EXCERPT_WIDTH) for line in lines)
    node = Node("code", text=told, language="text")
    return Block("timeline", 5, (node,) if lines else ())


def _investigation(report: Report, answer: RootCause) -> Block:
    places = answer.investigation
    nodes: list[Node] = []
    for number, (label, text) in enumerate(
        (
            ("Server logs", places.server_logs),
            ("Network tab", places.network),
            ("Client state", places.client),
        ),
        1,
    ):
        told = own(text, report, depth=1)
        line: tuple[Span, ...] = (Span(f"{label}:"),)
        if told and told[0].kind == "text":
            line += (Span(" "), *told.pop(0).line)
        nodes += [item(*line, mark=f"{number}."), *told]
    return Block("investigation", 6, tuple(nodes), "Investigation")


def _root_cause(report: Report, answer: RootCause) -> Block:
    named = [paragraph(Span(flat(answer.title), "strong"))] if report.issue else []
    share = f"; it explains {answer.share:.0%} of the troubled connections" if answer.share else ""
    sure = paragraph(Span("Confidence:", "strong"), Span(f" {wording.confidence(answer)}{share}."))
    whole = own(answer.root_cause, report)
    return Block(
        "root cause",
        1,
        (*named, *whole, sure),
        "Root Cause",
        short=(*named, *_beginning(whole), sure),
    )


def _beginning(nodes: list[Node]) -> tuple[Node, ...]:
    """The first paragraph, without the end of a very long one."""
    for node in nodes:
        if node.kind == "text":
            return (_cut(node, SENTENCE_WIDTH),)
    return ()


def _cut(node: Node, room: int) -> Node:
    kept = []
    for span in node.line:
        if room > 0:
            kept.append(span._replace(text=cut(span.text, room)))
        room -= len(span.text)
    return node._replace(line=tuple(kept))


def _for(report: Report, answer: RootCause) -> Block:
    proofs = wording.evidence_for(report, answer)
    nodes, short = [paragraph(Span("Evidence for it:"))], [paragraph(Span("Evidence for it:"))]
    for finding in proofs[:MAX_FINDINGS]:
        nodes.append(_finding(finding))
        places = wording.proofs(finding)
        nodes += [_proof(proof, report) for proof in places[:MAX_POINTERS]]
        nodes += _more(len(places) - MAX_POINTERS, depth=1)
        where = [Span(" "), _pointer(places[0], report)] if places else []
        short.append(_finding(finding, *where))
    nodes += _more(len(proofs) - MAX_FINDINGS)
    if hint := wording.hint(report):
        nodes.append(paragraph(Span("In the folder of the evidence: "), Span(hint, "code")))
    return Block(
        "evidence for the cause", 3, tuple(nodes) if proofs else (), short=tuple(short), growth=5
    )


def _finding(finding: Finding, *after: Span) -> Node:
    count = f", ×{finding.count:,}" if finding.count > 1 else ""
    return item(
        *words(cut(flat(finding.message), SENTENCE_WIDTH)),
        Span(f" ({finding.detector}{count})"),
        *after,
    )


def _proof(proof: Evidence, report: Report) -> Node:
    pointer = _pointer(proof, report)
    parts = [pointer, *words(wording.moment(proof, report.pointer(proof)))]
    parts += words(cut(flat(proof.excerpt), EXCERPT_WIDTH), "code")
    spaced = [span for part in parts for span in (Span(" "), part)]
    return item(*spaced[1:], depth=1)


def _pointer(proof: Evidence, report: Report) -> Span:
    return _name(report.pointer(proof))


def _name(name: str) -> Span:
    return Span(cut(flat(name), NAME_WIDTH), "code")


def _against(answer: RootCause) -> Block:
    if not answer.against:
        return Block(
            "evidence against it", 2, (paragraph(Span("Evidence against it: none found.")),)
        )
    nodes = [paragraph(Span("Evidence against it:"))]
    nodes += [item(*words(cut(flat(reason), SENTENCE_WIDTH))) for reason in answer.against]
    short = (*nodes[: MAX_FEW + 1], *_more(len(answer.against) - MAX_FEW))
    return Block("evidence against it", 2, tuple(nodes), short=short, growth=5)


def _fix(report: Report, answer: RootCause) -> Block:
    whole = own(answer.fix, report)
    code = next((place for place, node in enumerate(whole) if node.kind == "code"), 0)
    short = tuple(whole[: code + 1])
    return Block("the whole fix", 1, tuple(whole), "Fix", short=short, growth=4)


def _other_causes(report: Report) -> Block:
    others = report.causes[1:]
    nodes = [
        item(
            Span(flat(cause.title), "strong"),
            Span(f", {wording.confidence(cause)}: "),
            *first_sentence(own(cause.root_cause, report)),
        )
        for cause in others[:MAX_OTHERS]
    ]
    nodes += _more(len(others) - MAX_OTHERS)
    return Block("other causes", 5, tuple(nodes), "Other causes that also hold")


def first_sentence(nodes: list[Node]) -> tuple[Span, ...]:
    """The first sentence of a text; a full stop inside code ends none."""
    kept: list[Span] = []
    for span in next((node.line for node in nodes if node.kind == "text"), ()):
        first = re.match(r".*?[.!?](?=\s|$)", span.text) if span.kind == "text" else None
        kept.append(span._replace(text=first[0]) if first else span)
        if first:
            break
    return tuple(kept)


def _other_findings(report: Report) -> Block:
    others = wording.other_findings(report)
    nodes = []
    for finding in others[:MAX_OTHERS]:
        where = [Span(" "), _pointer(finding.evidence[0], report)] if finding.evidence else []
        nodes.append(_finding(finding, *where))
    nodes += _more(len(others) - MAX_OTHERS)
    return Block("other findings", 7, tuple(nodes), "Other findings")


def _more(number: int, depth: int = 0) -> list[Node]:
    return [item(Span(f"… and {number:,} more"), depth=depth)] if number > 0 else []


def _verdicts(report: Report) -> Block:
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


def _inputs(report: Report) -> Block:
    span = wording.span(report.window.covered)
    asked = report.window.asked
    told = f" Asked for: {wording.span(asked)}." if asked.since or asked.until else ""
    nodes: list[Node | Grid] = [paragraph(Span(f"Covered: {span}.{told}"))]
    numbers = wording.traffic(report.facts) + wording.speeds(report.facts)
    nodes += [item(*words(line)) for line in numbers]
    rows = tuple(
        (
            (_name(wording.name(read)),),
            words(read.format),
            (Span(f"{read.events:,}"),),
            (Span(f"{read.unread_lines:,}{_of_lines(read)}"),),
            words(wording.clock(read)),
            words(cut(flat("; ".join(read.remarks)), WHY_WIDTH)),
        )
        for read in report.inputs[:MAX_INPUTS]
    )
    head = ("read", "format", "events", "unread", "clock offset", "remarks")
    nodes += [Grid(head, rows)] if rows else []
    nodes += _more(len(report.inputs) - MAX_INPUTS)
    return Block("numbers and inputs", 8, tuple(nodes), "Numbers, and what was read", folded=True)


def _of_lines(read: object) -> str:
    lines = getattr(read, "lines", None)
    return f" of {lines.read:,} lines" if lines and getattr(read, "unread_lines", 0) else ""


def _checklist(report: Report) -> Block:
    rows = tuple(
        (words(check.item), words(check.verdict), words(cut(flat(check.why), WHY_WIDTH)))
        for check in report.checklist
    )
    grid = Grid(("checklist", "verdict", "why"), rows)
    return Block("checklist", 9, (grid,) if rows else (), "Checklist", folded=True)


def _hidden(report: Report) -> tuple[Node, ...]:
    counts: Counter[str] = Counter()
    for entry in report.redactions:
        counts[entry.rule] += entry.count
    hidden = f"Hidden in this report: {wording.tally(counts)}. " if counts else ""
    tool = Span(f"{hidden}Written by {flat(report.tool)}, ")
    return (paragraph(tool, Span(report.schema, "code"), Span(".")),)
