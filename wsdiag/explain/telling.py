"""A root cause in words: its sections filled with this incident's numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from wsdiag import timers
from wsdiag.explain.case import Candidate, Case, sessions
from wsdiag.explain.investigation import symptoms
from wsdiag.explain.nameless import missing, mute
from wsdiag.explain.prose import fill, plural, seconds
from wsdiag.finding import Confidence, Finding
from wsdiag.report import Investigation, RootCause, pointer

USUAL_PING_S, SHORTEST_PING_S = 20, 1
"""The heartbeat advised where no timer was measured: websockets and uvicorn ping every 20 s."""


def told(
    candidate: Candidate,
    case: Case,
    terms: Collection[str],
    named: Sequence[Candidate],
    weak: Sequence[Candidate],
    seen: Mapping[str, str],
) -> RootCause:
    """The candidate as the report prints it; `named` hold beside it, `weak` do not suffice.

    `seen` is what the places show, by section of the report.
    """
    context = _context(candidate, case, terms, weak)
    sections = {head: fill(body, context) for head, body in candidate.cause.sections.items()}
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
        supported=candidate.supported,
        symptoms=_joined(
            symptoms(case.findings, case.facts, case.targets), sections.get("Symptoms", "")
        ),
        investigation=Investigation(
            **{place: _joined(text, added[place]) for place, text in seen.items()}
        ),
        root_cause=_joined(sections["Root cause"], _chain(candidate, named)),
        fix=sections["Fix"],
        prevention=sections["Prevention"],
        why=_line(sections["Why"]),
        advice=_line(sections["Advice"]),
    )


def _context(
    candidate: Candidate, case: Case, terms: Collection[str], weak: Sequence[Candidate]
) -> dict[str, object]:
    found: dict[str, Finding] = {}
    for finding in [*candidate.findings, *case.findings]:
        found.setdefault(finding.detector, finding)
    silence, age = _seconds(found.get("idle-cut")), _seconds(found.get("max-age"))
    return {
        "facts": case.facts,
        "explained": candidate.explained,
        "them": plural(candidate.explained, "connection") if candidate.explained else "connections",
        "troubled": len(sessions(case.frame)),
        "share": candidate.share,
        "found": found,
        "again": _again(sum(one.detector == "mass-close" for one in candidate.findings)),
        "marks": set(terms),
        "stacks": set(case.stacks),
        "targets": case.targets,
        "cite": _citing(found, case.formats),
        "silence": silence,
        "silent": _lasting(silence, at_most="idle-cut:silence-at-most" in terms),
        "age": age,
        "every": ping_every(silence),
        "timers": [
            *(timers.matching(silence, timers.SILENCE, case.stacks) if silence else ()),
            *(timers.matching(age, timers.AGE, case.stacks) if age else ()),
        ],
        "candidates": [(it.cause.id, it.cause.title, it.confidence) for it in weak],
        "deciding": {it.cause.id: it.cause.decides for it in weak if it.cause.decides},
        "missing": missing(case),
        "mute": mute(case),
        "unjudged": [
            (verdict.detector, verdict.why)
            for verdict in case.verdicts
            if verdict.verdict == "not-applicable"
        ],
    }


def ping_every(silence: float | None) -> int:
    """The heartbeat in seconds that keeps a timer of this length from firing: half of it."""
    if silence is None:
        return USUAL_PING_S
    return max(SHORTEST_PING_S, min(USUAL_PING_S, int(silence / 2)))


def _again(moments: int) -> str:
    """What follows the first of several moments at which many connections ended."""
    return f" (1 of {moments})" if moments > 1 else ""


def _lasting(silence: float | None, *, at_most: bool) -> str:
    if silence is None:
        return ""
    return f"at most {seconds(silence)}" if at_most else seconds(silence)


def _seconds(finding: Finding | None) -> float | None:
    return finding.measured if finding and finding.unit == "s" else None


def _chain(candidate: Candidate, named: Sequence[Candidate]) -> str:
    """What began it and what made it worse, where both hold."""
    began = [it.cause.id for it in named if it.cause.id in candidate.cause.amplifies]
    worse = [it.cause.id for it in named if candidate.cause.id in it.cause.amplifies]
    parts = [f"{_list(began)} began it; this made it worse."] if began else []
    if worse:
        parts.append(f"This began it; {_list(worse)} made it worse.")
    return "\n".join(parts)


def _list(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _citing(found: Mapping[str, Finding], formats: Mapping[str, str]) -> object:
    def cite(detector: str) -> str:
        """The first proof pointers of a detector's finding, one from each source."""
        finding = found.get(detector)
        if finding is None:
            return ""
        first: dict[str, str] = {}
        for proof in finding.evidence:
            where = pointer(proof.source, proof.pos, formats.get(proof.source, ""))
            first.setdefault(proof.source, f"`{where}`")
        return ", ".join(list(first.values())[:3])

    return cite


def _line(text: str) -> str:
    return " ".join(text.split())


def _joined(text: str, more: str) -> str:
    return f"{text}\n\n{more}".strip() if more else text
