"""Which causes hold, in which order, and how sure that is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from wsdiag.cause import Cause
from wsdiag.explain.case import Candidate, Case, sessions
from wsdiag.explain.causes import load_causes
from wsdiag.explain.investigation import investigate
from wsdiag.explain.nameless import nameless
from wsdiag.explain.telling import told
from wsdiag.report import RootCause

NAMED = 0.40
"""Below this a cause is a candidate, not an answer: "weak" names nothing."""

CAPS = {1: 0.60, 2: 0.85, 3: 0.97}
"""How sure one can be by the number of vantages that agree, unless a marker is decisive."""

LEAST_WEIGHT = 0.35
"""What counts of the confidence in a cause that explains none of the troubled connections: with it
a sure cause of one in nine stands behind a possible one of all others."""

SURE_ENOUGH_TO_OUTRANK = 0.75

TOGETHER = timedelta(seconds=2)
"""Logs with whole seconds, and clocks: how much earlier a consequence may seem to begin."""

EVENTS_OF_THEIR_OWN = ("mass-close",)
"""Detectors of which each finding is an event of its own, at its own time."""

STRAY = 100
"""So many refusals that no cause explains are more than what is beside them."""

OUT_OF_ORDER = 0.9
"""What is left of a confidence that rests on several sources, one of them on a broken clock."""


def explain(case: Case) -> list[RootCause]:
    """The ranked causes; the first is the answer. Never empty."""
    terms = case.terms()
    candidates = [
        candidate
        for cause in load_causes().values()
        if (candidate := _weigh(cause, case, terms)) is not None
    ]
    named = _ranked([candidate for candidate in candidates if candidate.confidence >= NAMED])
    weak = _ranked([candidate for candidate in candidates if candidate.confidence < NAMED])
    if named and not named[0].share and len(_stray(named, case)) >= STRAY:
        named = [nameless(case), *named]
    named = named or [nameless(case)]
    seen = investigate(case.story, case.inputs, case.stacks, case.facts.left_apart)
    return [told(candidate, case, terms, named, weak, seen) for candidate in named]


def _weigh(cause: Cause, case: Case, terms: Collection[str]) -> Candidate | None:
    clause = cause.best(frozenset(terms))
    if clause is None:
        return None
    used = _of(clause.named(), case.frame)
    confidence = clause.confidence
    seen_from = {v for row in used["evidence"] for v in (pointer["vantage"] for pointer in row)}
    if not clause.decisive:
        confidence = min(confidence, CAPS[min(max(len(seen_from), 1), 3)])
    here = _of_these_events(terms, used)
    counters = [counter for counter in cause.against if counter.holds(here)]
    for counter in counters:
        confidence *= counter.factor
    supports = [support for support in cause.support if support.holds(frozenset(terms))]
    for support in supports:
        confidence *= support.factor
    doubts = [] if clause.decisive else _doubts(used, case)
    confidence *= OUT_OF_ORDER if doubts else 1.0
    explained, troubled = sessions(used), sessions(case.frame)
    brought = explained | sessions(_following(cause.brings, used, case.frame))
    ids = set(used["_row"])
    return Candidate(
        cause=cause,
        clause=clause,
        confidence=round(min(confidence, 0.97), 2),
        weight=_part(explained, troubled),
        share=_part(brought, troubled),
        explained=len(explained),
        findings=[finding for i, finding in enumerate(case.findings) if i in ids],
        against=[*(counter.because for counter in counters), *doubts],
        supported=[support.because for support in supports],
    )


def _of_these_events(terms: Collection[str], used: pl.DataFrame) -> frozenset[str]:
    """The terms, of those detectors whose findings are events of their own only what is said of the
    events that the cause rests on: what was logged at one wave of ends is nothing against another.
    """
    mine = used.filter(pl.col("detector").is_in(EVENTS_OF_THEIR_OWN))
    if mine.is_empty():
        return frozenset(terms)
    detectors = set(mine["detector"])
    others = {term for term in terms if term.partition(":")[0] not in detectors}
    said = {
        f"{row['detector']}:{one}" for row in mine.iter_rows(named=True) for one in row["traits"]
    }
    return frozenset(others | detectors | said)


def _doubts(used: pl.DataFrame, case: Case) -> list[str]:
    """Where the findings compare sources of which one contradicts its clock."""
    sources = {spot["source"] for row in used["evidence"] for spot in row}
    return [
        f"the order of events is not sure: {told.message}"
        for told in case.disagreements
        if told.kind == "clock-broken"
        and len(sources) > 1
        and sources.intersection(proof.source for proof in told.evidence)
    ]


def _stray(named: Collection[Candidate], case: Case) -> set[str]:
    """The refused attempts that none of these causes explains or brings."""
    refusals = case.frame.filter(
        pl.col("detector").is_in(["handshake-rejected", "connection-refused"])
        & (pl.col("severity") == "error")
    )
    stray = set(sessions(refusals))
    for candidate in named:
        if candidate.clause:
            used = _of(candidate.clause.named(), case.frame)
            stray -= sessions(used)
            stray -= sessions(_following(candidate.cause.brings, used, case.frame))
    return stray


def _part(some: Collection[str], whole: Collection[str]) -> float:
    return round(len(some) / len(whole), 3) if whole else 1.0


def _following(brought: Collection[str], used: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """The findings of these terms that begin with what was used, or later."""
    since = used["started"].min()
    if not isinstance(since, datetime):
        return frame.clear()
    return _of(brought, frame.filter(pl.col("started") >= since - TOGETHER))


def _of(named: Collection[str], frame: pl.DataFrame) -> pl.DataFrame:
    """The findings of these terms, with their place as `_row`."""
    marked = frame.with_row_index("_row")
    keep = [
        any(
            term == row["detector"]
            or (term.startswith(row["detector"] + ":") and term.partition(":")[2] in row["traits"])
            for term in named
        )
        for row in marked.iter_rows(named=True)
    ]
    return marked.filter(pl.Series(keep, dtype=pl.Boolean))


def _ranked(candidates: list[Candidate]) -> list[Candidate]:
    """By confidence and weight; then a cause moves before those it outranks."""
    order = sorted(candidates, key=lambda c: (-_weighed(c), c.cause.id))
    for candidate in list(order):
        if candidate.confidence < SURE_ENOUGH_TO_OUTRANK:
            continue
        beaten = [i for i, other in enumerate(order) if other.cause.id in candidate.cause.outranks]
        place = order.index(candidate)
        if beaten and beaten[0] < place:
            order.insert(beaten[0], order.pop(place))
    return order


def _weighed(candidate: Candidate) -> float:
    return candidate.confidence * (LEAST_WEIGHT + (1 - LEAST_WEIGHT) * candidate.weight)
