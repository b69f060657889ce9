"""The parts of a review on events: what they are, where they deviate, who listens to them."""

from __future__ import annotations

from wsdiag.advice import Review
from wsdiag.reporters.nodes import Block, Grid, Node, Span, item, more, paragraph, words
from wsdiag.reporters.reasons import EXCERPT_WIDTH, MAX_ROWS, against, proofs, why
from wsdiag.reporters.wording import amount, cut, flat, plural


def design(review: Review) -> Block:
    kinds = review.events.kinds
    rows = tuple(
        (
            words(kind.event, "code"),
            words(kind.topic, "code"),
            words(f"{kind.trigger} ({kind.envelope})"),
            words(kind.payload, "code"),
            words(f"{kind.messages:,}, {amount(kind.per_s)}/s, {amount(kind.median_bytes)} bytes"),
            words(f"{kind.conforming_share:.0%}{', drifting' if kind.drifting else ''}"),
        )
        for kind in kinds[:MAX_ROWS]
    )
    head = ("Event", "Topic", "Trigger", "Payload", "Measured", "Conforming")
    nodes: list[Node | Grid] = [Grid(head, rows)] if rows else []
    nodes += more(len(kinds) - MAX_ROWS)
    events = review.events
    if events.conforming_share is not None:
        traced = f"; {events.traced_share:.1%} carry a trace id" if events.traced_share else ""
        unzoned = f"; {events.unzoned:,} timestamps have no zone" if events.unzoned else ""
        told = (
            f"{events.conforming_share:.1%} of {events.messages:,} messages conform to "
            f"{flat(events.reference)}{traced}{unzoned}."
        )
        nodes.append(paragraph(*words(told)))
    return Block("event design", 2, tuple(nodes), "Event Design")


def deviations(review: Review) -> Block:
    nodes: list[Node] = []
    for one in review.events.deviations[:MAX_ROWS]:
        told = f": {flat(one.what)}, {plural(one.count, 'message')} ({one.share:.0%}) "
        pointer = words(one.example.pointer, "code")
        nodes.append(item(*words(one.event, "code"), Span(told), *pointer))
        shape = cut(flat(one.shape), EXCERPT_WIDTH)
        nodes += [item(Span("such as "), *words(shape, "code"), depth=1)] if shape else []
    nodes += more(len(review.events.deviations) - MAX_ROWS)
    for fault in review.events.topic_violations[:MAX_ROWS]:
        counted = (plural(fault.topics, "topic"), plural(fault.messages, "message"))
        told = f" {flat(fault.what)}: {', '.join(counted)} "
        pointer = words(fault.evidence.pointer, "code")
        nodes.append(item(Span("topic "), *words(fault.example, "code"), Span(told), *pointer))
    return Block("deviations", 6, tuple(nodes))


def topology(review: Review) -> Block:
    topology = review.topology
    rows = tuple(
        (
            words(one.topic, "code"),
            words(f"{one.subscribers:,}"),
            words(f"{one.messages:,}"),
            words(f"{one.deliveries:,}"),
            words({None: "not seen", True: "yes", False: "no"}[one.reacted]),
        )
        for one in topology.topics[:MAX_ROWS]
    )
    head = ("topic", "subscribers", "messages", "deliveries", "clients refer to it")
    nodes: list[Node | Grid] = [Grid(head, rows)] if rows else []
    nodes += more(review.facts.topics - len(rows)) if rows else ()
    if topology.fan_out is not None:
        told = f"Fan-out: {amount(topology.fan_out)} deliveries of each message on the average."
        nodes.append(paragraph(*words(told)))
    nodes.append(why(f"{topology.why[:1].upper()}{topology.why[1:]}", topology.confidence, 0))
    nodes += [*proofs(topology.evidence, depth=1), *against(topology.against, depth=1)]
    if topology.hot:
        told = "Hot, with more than half of all deliveries: "
        nodes.append(item(Span(told), *words(", ".join(topology.hot), "code")))
    if topology.unread:
        told = "Nobody refers to: "
        nodes.append(item(Span(told), *words(", ".join(topology.unread), "code")))
    return Block("topology", 6, tuple(nodes), "Publish and Subscribe")
