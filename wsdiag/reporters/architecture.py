"""The architecture template as blocks: what a review says, in order, for any written place."""

from __future__ import annotations

from wsdiag.advice import SCHEMA, Optimisation, Protocol, Review
from wsdiag.reporters import prose
from wsdiag.reporters.event_blocks import design, deviations, topology
from wsdiag.reporters.nodes import Block, Grid, Node, Span, item, more, paragraph, words
from wsdiag.reporters.reasons import MAX_ROWS, WHY_WIDTH, against, pointer, proofs, told_of, why
from wsdiag.reporters.wording import amount, cut, flat, plural, span, tally

NAMES = {
    "websocket": "WebSocket",
    "sse": "server-sent events (SSE)",
    "polling": "polling",
    "websocket+fallback": "WebSocket with a fallback",
    "invalidation": "cache invalidation",
    "direct": "direct cache update",
    "hybrid": "hybrid: direct update and invalidation",
    "eventual": "eventual consistency",
    "none": "none",
}
MARKS = {"needed": "✗", "not-needed": "✓", "not-decidable": "–"}


def blocks(review: Review) -> list[Block]:
    """All parts of a review that hold something."""
    made = [
        Block("title", 0, (), f"Real-Time Architecture: {_feature(review)}", level=2),
        Block("decision", 1, tuple(_decision(review)), "Design Decision"),
        _costs(review.protocol),
        _paths(review),
        Block("optimisations", 3, tuple(_optimisations(review)), "Optimisations"),
        design(review),
        deviations(review),
        topology(review),
        _steps(review),
        _checklist(review),
        _collect(review),
        _read(review),
    ]
    return [block for block in made if block.nodes or block.importance == 0]


def _feature(review: Review) -> str:
    return cut(flat(review.feature or "WebSocket traffic"), WHY_WIDTH)


def _decision(review: Review) -> list[Node]:
    protocol, sync = review.protocol, review.sync
    choice = NAMES[protocol.choice] if protocol.choice else "not decidable"
    keep = protocol.choice == "websocket" and not review.steps
    nodes = [
        _labelled("Protocol", f"keep {choice}, nothing needed" if keep else choice),
        why(protocol.why, protocol.confidence, depth=1),
        *proofs(protocol.evidence, depth=1),
        *against(protocol.against, depth=1),
        _labelled("Sync strategy", _sync(review)),
        why(sync.why, sync.confidence, depth=1),
        *proofs(sync.evidence, depth=1),
        *against(sync.against, depth=1),
        _labelled("Measured", ", ".join(_measured(review))),
    ]
    return [node for node in nodes if node.line]


def _sync(review: Review) -> str:
    sync = review.sync
    if sync.advised is None:
        return "not decidable"
    if sync.advised == sync.in_use:
        return f"{NAMES[sync.in_use]}, as it is"
    if sync.verdict == "needed":
        return f"{NAMES[sync.advised]} instead of {NAMES[sync.in_use]}"
    return f"{NAMES[sync.in_use]}, as it is; {NAMES[sync.advised]} would do as well"


def _labelled(label: str, text: str) -> Node:
    return item(Span(f"{label}:", "strong"), Span(" "), *words(text))


def _measured(review: Review) -> list[str]:
    facts = review.facts
    told = [
        f"{plural(facts.connections, 'connection')} of {plural(facts.clients, 'client')}",
        f"{facts.connection_minutes:,.1f} connection-minutes",
        f"{facts.c2s_app_messages:,} messages from clients and {facts.s2c_app_messages:,} to them",
    ]
    if facts.messages_per_s_per_client is not None:
        told.append(f"{amount(facts.messages_per_s_per_client)} messages/s to each client")
    if facts.median_payload_bytes is not None:
        told.append(f"{amount(facts.median_payload_bytes)} bytes at the median")
    if facts.topics and facts.subscribers_per_topic is not None:
        told.append(
            f"{plural(facts.topics, 'topic')} (subscribers to each, on the average: "
            f"{amount(facts.subscribers_per_topic)})"
        )
    if facts.refetch_ratio is not None:
        told.append(f"{facts.refetches:,} refetches")
    return told


def _costs(protocol: Protocol) -> Block:
    rows = tuple(
        (
            words(NAMES.get(cost.way, cost.way)),
            words(amount(cost.connection_minutes)),
            words(amount(cost.messages)),
            words(amount(cost.heartbeats)),
            words(amount(cost.requests)),
            words(amount(cost.bytes)),
        )
        for cost in protocol.costs
    )
    head = ("an hour of one client", "connection-minutes", "messages", "heartbeats", "requests")
    return Block("costs", 5, (Grid((*head, "bytes"), rows),) if rows else ())


def _paths(review: Review) -> Block:
    if len(review.paths) < 2:
        return Block("paths", 5, ())
    rows = tuple(
        (
            words(one.path or "(unknown)", "code"),
            words(NAMES[one.choice] if one.choice else "not decidable"),
            told_of(one.why),
        )
        for one in review.paths[:MAX_ROWS]
    )
    nodes: tuple[Node | Grid, ...] = (Grid(("path", "protocol", "why"), rows),)
    return Block("paths", 5, (*nodes, *more(len(review.paths) - MAX_ROWS)))


def _optimisations(review: Review) -> list[Node | Grid]:
    ranked = sorted(review.optimisations, key=lambda one: list(MARKS).index(one.verdict))
    rows = tuple(
        (
            words(f"{MARKS[one.verdict]} {one.id}"),
            words(one.verdict.replace("-", " ")),
            words(_number(one)),
            words(f"{one.confidence:.2f}" if one.confidence else ""),
            (*told_of(one.why), *pointer(one.evidence)),
        )
        for one in ranked
    )
    head = ("optimisation", "verdict", "measured", "confidence", "why")
    nodes: list[Node | Grid] = [Grid(head, rows)]
    for one in ranked:
        if one.verdict == "needed":
            saves = Span(f": saves about {one.saving}")
            nodes.append(item(Span(one.id, "strong"), saves))
            nodes += proofs(one.evidence, depth=1)
            nodes += against(one.against, depth=1)
    return nodes + _doubts(ranked)


def _doubts(ranked: list[Optimisation]) -> list[Node]:
    """What speaks against what is not needed, each reason once."""
    reasons: dict[str, list[str]] = {}
    for one in ranked:
        if one.verdict == "not-needed":
            for reason in one.against:
                reasons.setdefault(reason, []).append(one.id)
    return [
        item(Span(f"against it ({', '.join(ids)} not needed): "), *told_of(reason))
        for reason, ids in reasons.items()
    ]


def _number(one: Optimisation) -> str:
    if one.measured is None:
        return f"threshold {amount(one.threshold, one.unit)}"
    return f"{amount(one.measured)} against {amount(one.threshold, one.unit)}"


def _steps(review: Review) -> Block:
    nodes: list[Node | Grid] = []
    for number, step in enumerate(review.steps, 1):
        nodes.append(item(Span(step.title, "strong"), mark=f"{number}."))
        nodes.append(item(Span("why: "), *told_of(step.why), depth=1))
        for piece in prose.pieces(step.text):
            if piece.kind == "code":
                nodes.append(Node("code", depth=1, text=piece.text, language=piece.language))
            else:
                nodes.append(paragraph(Span(piece.text.replace("`", "")), depth=1))
    if not nodes:
        nodes = [paragraph(Span("None: nothing in this evidence asks for a change."))]
    return Block("steps", 1, tuple(nodes), "Implementation Steps")


def _checklist(review: Review) -> Block:
    rows = tuple(
        (words(one.item), words(one.verdict), told_of(one.why)) for one in review.checklist
    )
    grid = Grid(("item", "verdict", "why"), rows)
    return Block("checklist", 4, (grid,) if rows else (), "Checklist")


def _collect(review: Review) -> Block:
    nodes = tuple(item(*words(text)) for text in review.collect)
    return Block("to collect", 7, nodes, "To collect next")


def _read(review: Review) -> Block:
    nodes: list[Node] = []
    for one in review.inputs[:MAX_ROWS]:
        told = f" {flat(one.format)}, {one.events:,} events"
        nodes.append(item(*words(one.source or one.path, "code"), Span(told)))
        nodes += [item(*told_of(remark), depth=1) for remark in one.remarks]
    nodes += more(len(review.inputs) - MAX_ROWS)
    nodes += [item(*told_of(remark)) for remark in review.remarks]
    counts: dict[str, int] = {}
    for entry in review.redactions:
        counts[entry.rule] = counts.get(entry.rule, 0) + entry.count
    hidden = f"Hidden in this review: {tally(counts)}. " if counts else ""
    covered = span(review.window.covered)
    told = f"{covered}. {hidden}Written by {flat(review.tool)}, {SCHEMA}."
    return Block("read", 8, (*nodes, paragraph(*words(told))), "Read")
