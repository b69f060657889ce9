"""The architecture questions, answered from measured traffic: a second question to the same facts.

Each answer has a verdict, the numbers behind it, its confidence and what speaks against it; what
the evidence does not show is not decidable, with what to collect.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.advice import Answers, Optimisation, Protocol, Sync, Topology
from wsdiag.contents import MAX_MESSAGES
from wsdiag.limits import Limits
from wsdiag.report import CheckItem
from wsdiag.review import checklist as items
from wsdiag.review import events as structure
from wsdiag.review import measures, protocol, refetch, steps, sync, topology
from wsdiag.review.gathering import gathered
from wsdiag.review.optimisations import judge
from wsdiag.review.traffic import Traffic

__all__ = ["Traffic", "answer", "gathered"]


def answer(
    of: Traffic, checked: Sequence[CheckItem], limits: Limits, schema: str | None = None
) -> Answers:
    """Every question put to the traffic; `checked` is the debug method's checklist."""
    refetched = refetch.refetches(of)
    paths = protocol.paths(of, limits) or [protocol.protocol(of, None, limits)]
    delivered = measures.deliveries(of)
    facts = measures.measures(of, refetched, delivered)
    synced = sync.sync(of, refetched, limits)
    judged = judge(of, refetched, limits)
    events = structure.events(of, limits, schema)
    topics = topology.topology(of, facts, delivered, limits)
    checklist = items.checklist(of, checked)
    return Answers(
        feature=paths[0].path or "",
        protocol=paths[0],
        paths=paths,
        sync=synced,
        optimisations=judged,
        events=events,
        topology=topics,
        facts=facts,
        stacks=sorted(of.stacks),
        steps=steps.steps(paths[0], synced, judged, events, topics, checklist, of.stacks),
        checklist=checklist,
        collect=_collect(paths[0], synced, judged, topics),
        remarks=[
            f"{name}: the first {MAX_MESSAGES:,} messages were looked into; all numbers are of the "
            "time until then"
            for name in of.cut
        ],
    )


def _collect(
    first: Protocol, synced: Sync, judged: Sequence[Optimisation], topics: Topology
) -> list[str]:
    """What to collect for the questions that could not be decided, each reason once."""
    open_questions = [
        *([f"protocol: {first.why}"] if first.verdict == "not-decidable" else []),
        *([f"sync strategy: {synced.why}"] if synced.verdict == "not-decidable" else []),
    ]
    reasons: dict[str, list[str]] = {}
    for one in judged:
        if one.verdict == "not-decidable":
            reasons.setdefault(one.why, []).append(one.id)
    told = [f"{', '.join(ids)}: {why}" for why, ids in reasons.items()]
    latency = [f"publish to delivery: {topics.why}"] if topics.verdict == "not-decidable" else []
    return [*open_questions, *told, *latency]
