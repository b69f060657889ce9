"""Which causes hold, in which order, with what speaks for and against each."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
import polars as pl

from wsdiag.cause import Cause, When
from wsdiag.connections import Story, counted
from wsdiag.explain.causes import HEALTHY, THIN_EVIDENCE, UNKNOWN, load_causes
from wsdiag.explain.investigation import investigate, symptoms
from wsdiag.explain.prose import fill
from wsdiag.finding import Confidence, Finding
from wsdiag.report import Facts, Investigation, RootCause, Verdict
from wsdiag.targets import Targets

NAMED = 0.40
"""Below this a cause is a candidate, not an answer: "weak" names nothing."""

CAPS = {1: 0.60, 2: 0.85, 3: 0.97}
"""How sure one can be by the number of vantages that agree, unless a marker is decisive."""

SURE_ENOUGH_TO_OUTRANK = 0.75


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that explaining needs. `frame` holds the FINDINGS, `findings` the same rows in words."""

    story: Story
    frame: pl.DataFrame
    findings: list[Finding]
    verdicts: list[Verdict]
    facts: Facts
    stacks: frozenset[str]
    vantages: frozenset[str]
    targets: Targets


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A cause that holds to some degree."""

    cause: Cause
    clause: When | None
    confidence: float
    share: float
    explained: int
    findings: list[Finding]
    against: list[str]


def explain(case: Case) -> list[RootCause]:
    """The ranked causes; the first is the answer. Never empty."""
    terms = _terms(case.frame)
    candidates = [
        candidate
        for cause in load_causes().values()
        if (candidate := _weigh(cause, case, terms)) is not None
    ]
    named = _ranked([candidate for candidate in candidates if candidate.confidence >= NAMED])
    weak = [candidate for candidate in candidates if candidate.confidence < NAMED]
    if not named:
        named = [_nameless(case)]
    missing = _missing(case)
    return [_told(candidate, case, terms, weak, missing) for candidate in named]


def _terms(frame: pl.DataFrame) -> frozenset[str]:
    rows = frame.select("detector", "traits").iter_rows()
    return frozenset(
        term
        for detector, traits in rows
        for term in (detector, *(f"{detector}:{t}" for t in traits))
    )


def _weigh(cause: Cause, case: Case, terms: Collection[str]) -> Candidate | None:
    clause = cause.best(frozenset(terms))
    if clause is None:
        return None
    used = _speaking(clause, case.frame)
    confidence = clause.confidence
    seen_from = {v for row in used["evidence"] for v in (pointer["vantage"] for pointer in row)}
    if not clause.decisive:
        confidence = min(confidence, CAPS[min(max(len(seen_from), 1), 3)])
    counters = [counter for counter in cause.against if counter.holds(frozenset(terms))]
    for counter in counters:
        confidence *= counter.factor
    explained = _sessions(used)
    troubled = _sessions(case.frame)
    ids = set(used["_row"])
    return Candidate(
        cause=cause,
        clause=clause,
        confidence=round(min(confidence, 0.97), 2),
        share=round(len(explained) / len(troubled), 3) if troubled else 1.0,
        explained=len(explained),
        findings=[finding for i, finding in enumerate(case.findings) if i in ids],
        against=[counter.because for counter in counters],
    )


def _speaking(clause: When, frame: pl.DataFrame) -> pl.DataFrame:
    """The findings that a clause names."""
    named = clause.named()
    own = pl.concat_list(
        pl.concat_list("detector"),
        pl.col("traits").list.eval(pl.lit(":") + pl.element()),
    )
    marked = frame.with_row_index("_row").with_columns(_own=own)
    keep = [
        any(
            term == row["detector"]
            or (term.startswith(row["detector"] + ":") and term.partition(":")[2] in row["traits"])
            for term in named
        )
        for row in marked.iter_rows(named=True)
    ]
    return marked.filter(pl.Series(keep, dtype=pl.Boolean)).drop("_own")


def _sessions(frame: pl.DataFrame) -> set[str]:
    return {session for row in frame["sessions"] for session in row}


def _ranked(candidates: list[Candidate]) -> list[Candidate]:
    """By confidence and share; then a cause moves before those it outranks."""
    order = sorted(candidates, key=lambda c: (-c.confidence * (0.5 + 0.5 * c.share), c.cause.id))
    for candidate in list(order):
        if candidate.confidence < SURE_ENOUGH_TO_OUTRANK:
            continue
        beaten = [i for i, other in enumerate(order) if other.cause.id in candidate.cause.outranks]
        place = order.index(candidate)
        if beaten and beaten[0] < place:
            order.insert(beaten[0], order.pop(place))
    return order


def _nameless(case: Case) -> Candidate:
    """Healthy, thin or unknown: the answer when no cause can be named."""
    faults = [finding for finding in case.findings if finding.severity != "info"]
    if not faults and _all_ended_well(case.story):
        name, confidence = HEALTHY, 0.9 if len(case.vantages) > 1 else 0.6
    elif "network" in case.vantages and len(case.vantages) > 1 and faults:
        name, confidence = UNKNOWN, 0.5
    else:
        name, confidence = THIN_EVIDENCE, 0.5
    return Candidate(
        cause=load_causes()[name],
        clause=None,
        confidence=confidence,
        share=1.0 if faults else 0.0,
        explained=len(_sessions(case.frame)),
        findings=faults,
        against=[],
    )


def _all_ended_well(story: Story) -> bool:
    """Whether connections were seen, all opened, and each lives on or ended in a way that is known.

    An access log that shows an end and not its kind is no proof of health, and neither is an error
    that a log ties to a connection.
    """
    seen = counted(story.connections.filter(~pl.col("fragment"))).select(
        opened=pl.col("was_open").sum(),
        unopened=(~pl.col("was_open") & pl.col("attempted").is_not_null()).sum(),
        untold=(
            pl.col("gone") & pl.col("code").is_null() & ~pl.col("vantages").list.contains("network")
        ).sum(),
        known=(pl.col("code").is_not_null() | pl.col("live")).sum(),
        restarted=(pl.col("code") == 1012).sum(),
    )
    errors = story.events.filter(
        (pl.col("kind") == "error") & pl.col("session").is_not_null()
    ).select(errors=pl.len())
    counts = pl.concat(pl.collect_all([seen, errors]), how="horizontal").row(0, named=True)
    return bool(
        counts["opened"]
        and counts["known"]
        and not counts["unopened"]
        and not counts["untold"]
        and not counts["restarted"]
        and not counts["errors"]
    )


def _missing(case: Case) -> list[str]:
    """What the evidence lacks, in the words that the collecting advice looks for."""
    wanted = {
        "network": "a packet capture of the wire (network)",
        "client": "the client's own log, a HAR or the browser console (client)",
        "proxy": "the reverse proxy's access and error log, if there is a proxy",
        "server": "the server's own log at debug level",
    }
    return [text for vantage, text in wanted.items() if vantage not in case.vantages]


def _told(
    candidate: Candidate,
    case: Case,
    terms: Collection[str],
    weak: list[Candidate],
    missing: list[str],
) -> RootCause:
    found: dict[str, Finding] = {}
    for finding in [*candidate.findings, *case.findings]:
        found.setdefault(finding.detector, finding)
    context: dict[str, object] = {
        "facts": case.facts,
        "explained": candidate.explained,
        "troubled": len(_sessions(case.frame)),
        "share": candidate.share,
        "found": found,
        "marks": set(terms),
        "stacks": set(case.stacks),
        "targets": case.targets,
        "cite": _citing(found),
        "candidates": [(weaker.cause.id, weaker.cause.title, weaker.confidence) for weaker in weak],
        "missing": missing,
        "unjudged": [
            (verdict.detector, verdict.why)
            for verdict in case.verdicts
            if verdict.verdict == "not-applicable"
        ],
    }
    sections = {head: fill(body, context) for head, body in candidate.cause.sections.items()}
    seen = investigate(case.story, case.facts)
    added = {
        "server_logs": sections.get("Server logs", ""),
        "network": sections.get("Network", ""),
        "client": sections.get("Client", ""),
    }
    return RootCause(
        id=candidate.cause.id,
        title=candidate.cause.title,
        confidence=candidate.confidence,
        word=Confidence.of(candidate.confidence).value,
        share=candidate.share,
        findings=[finding.id for finding in candidate.findings],
        against=candidate.against,
        symptoms=_joined(
            symptoms(case.findings, case.facts, case.targets), sections.get("Symptoms", "")
        ),
        investigation=Investigation(
            **{place: _joined(text, added[place]) for place, text in seen.items()}
        ),
        root_cause=sections["Root cause"],
        fix=sections["Fix"],
        prevention=sections["Prevention"],
    )


def _citing(found: Mapping[str, Finding]) -> object:
    def cite(detector: str) -> str:
        """The first proof pointers of a detector's finding, one from each source."""
        finding = found.get(detector)
        if finding is None:
            return ""
        first: dict[str, str] = {}
        for proof in finding.evidence:
            mark = "#" if proof.source.endswith((".pcap", ".pcapng", ".cap", ".har")) else ":"
            first.setdefault(proof.source, f"`{proof.source}{mark}{proof.pos}`")
        return ", ".join(list(first.values())[:3])

    return cite


def _joined(text: str, more: str) -> str:
    return f"{text}\n\n{more}".strip() if more else text
