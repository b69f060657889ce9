"""The debug template as blocks: what a written report says, in order, and how much each counts.

The cause and the fix count most, then what proves and what contradicts the cause, then what
happened; the tables at the end count least.
"""

from __future__ import annotations

from wsdiag.finding import Evidence, Finding
from wsdiag.report import Report, RootCause
from wsdiag.reporters import appendix, roll, timeline, wording
from wsdiag.reporters.nodes import Block, Node, Span, item, more, own, paragraph, sentence, words
from wsdiag.reporters.wording import cut, flat

MAX_FINDINGS, MAX_POINTERS, MAX_OTHERS = 5, 3, 5
MAX_FEW = 3
NAME_WIDTH, EXCERPT_WIDTH, SENTENCE_WIDTH = 120, 160, 300


def blocks(report: Report) -> list[Block]:
    """All parts of the report that hold something, in the template's order."""
    answer = report.causes[0]
    made = [
        Block("title", 0, _answer(report, answer), f"WebSocket Debug: {_title(report)}", level=2),
        _symptoms(report, answer),
        _timeline(report),
        _investigation(report, answer),
        _root_cause(report, answer),
        _for(report, answer),
        _against(answer),
        _disagreements(report),
        _fix(report, answer),
        Block("prevention", 6, tuple(own(answer.prevention, report)), "Prevention"),
        _other_causes(report),
        _other_findings(report),
        appendix.verdicts(report),
        appendix.inputs(report),
        appendix.checklist(report),
        appendix.redactions(report),
    ]
    return [block for block in made if block.nodes or block.importance == 0]


def _title(report: Report) -> str:
    return cut(flat(report.issue or report.causes[0].title), NAME_WIDTH)


def _answer(report: Report, answer: RootCause) -> tuple[Node, ...]:
    """Why and what to change, before anything else; what, where the title does not say it."""
    told = (("Why:", answer.why), ("Fix:", answer.advice), ("But:", wording.but(report)))
    lines = [
        item(Span(label, "strong"), Span(" "), *sentence(text, report))
        for label, text in told
        if text
    ]
    what = Span(f"{flat(answer.title)}, {wording.confidence(answer)}")
    return (item(Span("What:", "strong"), Span(" "), what), *lines) if report.issue else (*lines,)


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
    nodes += _life(report)
    return Block("investigation", 6, tuple(nodes), "Investigation")


def _life(report: Report) -> list[Node]:
    """What each saw of the connection that tells most."""
    life = report.life
    if not life:
        return []
    head = f"The connection {flat(life.session)}, as {', '.join(life.vantages)} saw it:"
    note = f" {roll.UNSURE}." if any(moment.unsure for moment in life.moments) else ""
    table = roll.aligned(roll.moments(life.moments)).rstrip()
    return [paragraph(Span(head + note)), Node("code", text=table, language="text")]


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
        nodes += more(len(places) - MAX_POINTERS, depth=1)
        where = [Span(" "), _pointer(places[0], report)] if places else []
        short.append(_finding(finding, *where))
    nodes += more(len(proofs) - MAX_FINDINGS)
    for reason in answer.supported:
        nodes.append(item(*words(cut(flat(reason), SENTENCE_WIDTH))))
        short.append(nodes[-1])
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
    short = (*nodes[: MAX_FEW + 1], *more(len(answer.against) - MAX_FEW))
    return Block("evidence against it", 2, tuple(nodes), short=short, growth=5)


def _disagreements(report: Report) -> Block:
    """Facts of which two sources say different things, with a pointer to each."""
    nodes, short = list[Node](), list[Node]()
    for told in report.disagreements:
        count = f" ×{told.count:,}" if told.count > 1 else ""
        line = words(cut(flat(told.message), SENTENCE_WIDTH))
        nodes.append(item(Span(f"{flat(told.title)}{count}: "), *line))
        short.append(nodes[-1])
        nodes += [_proof(proof, report) for proof in told.evidence[: MAX_POINTERS - 1]]
    return Block("disagreements", 4, tuple(nodes), "Where the sources disagree", short=tuple(short))


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
            *sentence(cause.why, report),
        )
        for cause in others[:MAX_OTHERS]
    ]
    nodes += more(len(others) - MAX_OTHERS)
    return Block("other causes", 5, tuple(nodes), "Other causes that also hold")


def _other_findings(report: Report) -> Block:
    others = wording.other_findings(report)
    nodes = []
    for finding in others[:MAX_OTHERS]:
        where = [Span(" "), _pointer(finding.evidence[0], report)] if finding.evidence else []
        nodes.append(_finding(finding, *where))
    nodes += more(len(others) - MAX_OTHERS)
    return Block("other findings", 7, tuple(nodes), "Other findings")
