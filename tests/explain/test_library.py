"""The package's cause files against its detectors: no clause waits for what nobody says."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from pathlib import Path

import pytest

import wsdiag.detectors
from wsdiag import disagreements, timers, wordings
from wsdiag.cause import Against, Cause, When
from wsdiag.detectors import DETECTORS
from wsdiag.event import Vantage
from wsdiag.explain import load_causes
from wsdiag.sources.context.stack_marks import STACK_MARKS

SOURCES = {
    name: (Path(wsdiag.detectors.__file__).parent / f"{name.replace('-', '_')}.py").read_text(
        "utf-8"
    )
    for name in DETECTORS
}
FORMATS = Path(wsdiag.__file__).parent / "formats"
STACKS = {
    *STACK_MARKS.values(),
    *(tomllib.loads(path.read_text("utf-8"))["stack"] for path in FORMATS.glob("*.toml")),
    *(stack for timer in timers.catalogue() for stack in timer.stacks),
}
TERMS = sorted(
    {
        (cause.id, term)
        for cause in load_causes().values()
        for condition in (*cause.when, *cause.against, *cause.support)
        for term in (*condition.all, *condition.any, *condition.none)
    }
)


@pytest.mark.parametrize(("cause", "term"), TERMS)
def test_every_term_can_be_said(cause: str, term: str) -> None:
    """The detector exists, and its source has the mark, or the pattern that makes it."""
    detector, _, mark = term.partition(":")
    if detector == "stack":
        assert mark in STACKS
        return
    if detector == "seen":
        assert mark in {vantage.value for vantage in Vantage}
        return
    if detector == "disagreement":
        assert mark in disagreements.KINDS
        return
    if mark.startswith("fits-"):
        assert mark in {f"fits-{timer.id}" for timer in timers.catalogue()}
        return
    assert detector in DETECTORS
    if any((told.detector, told.mark) == (detector, mark) for told in wordings.book()):
        return
    made = re.sub(
        r"(status|code)-\d+|(by|limit-of|complaint-of|objection-of)-\w+", r"\1\2-{}", mark
    )
    assert f'"{mark}"' in SOURCES[detector] or f'"{made}"' in SOURCES[detector] or not mark


def test_what_is_outranked_exists() -> None:
    causes = load_causes()
    for cause in causes.values():
        assert set(cause.outranks) <= set(causes)
        assert cause.id not in (*cause.outranks, *cause.amplifies)
        assert set(cause.amplifies) <= set(causes)


def test_outranking_is_no_circle() -> None:
    causes = load_causes()

    def above(name: str, seen: tuple[str, ...] = ()) -> None:
        assert name not in seen, " > ".join((*seen, name))
        for lower in causes[name].outranks:
            above(lower, (*seen, name))

    for name in causes:
        above(name)


def test_numbers_are_confidences() -> None:
    for cause in load_causes().values():
        for clause in cause.when:
            assert 0 < clause.confidence <= 0.97
            assert clause.because
            assert clause.named(), "a clause without terms would hold for any evidence"
        for counter in cause.against:
            assert 0 <= counter.factor < 1
            assert counter.because
        for support in cause.support:
            assert 1 < support.factor <= 1.2
            assert support.because


@pytest.mark.parametrize("name", ["healthy", "unknown", "thin-evidence"])
def test_the_nameless_have_no_clause(name: str) -> None:
    assert load_causes()[name].when == []


NAMELESS = {"healthy", "unknown", "thin-evidence"}
FAULTS = [cause for name, cause in load_causes().items() if name not in NAMELESS]


@pytest.mark.parametrize("cause", FAULTS, ids=lambda cause: cause.id)
def test_a_cause_says_what_would_settle_it_and_what_speaks_against_it(cause: Cause) -> None:
    assert cause.when
    assert 10 <= len(cause.decides) <= 180
    assert cause.against
    for told in (*cause.when, *cause.against):
        assert not told.because.endswith(".")


@pytest.mark.parametrize("cause", FAULTS, ids=lambda cause: cause.id)
def test_counter_evidence_can_meet_the_evidence(cause: Cause) -> None:
    """Else it is never weighed: what it asks for is what every clause forbids."""
    for counter in cause.against:
        assert 0 < counter.factor < 1
        assert any(_meet(clause, counter) for clause in cause.when), counter.because


def _meet(clause: When, counter: Against) -> bool:
    forbidden = {*clause.none, *counter.none}
    choices = itertools.product(clause.any or [""], counter.any or [""])
    return any(
        forbidden.isdisjoint(_with_detectors({*clause.all, *counter.all, *pair}))
        for pair in choices
    )


def _with_detectors(terms: set[str]) -> set[str]:
    return terms | {term.partition(":")[0] for term in terms}


@pytest.mark.parametrize("name", load_causes())
def test_a_text_asks_only_for_what_can_be_known(name: str) -> None:
    """Programs that the readers recognise, and marks that a detector leaves."""
    body = "\n".join(load_causes()[name].sections.values())
    lists = re.findall(r"select\('in', (\[[^]]*\])\)", body)
    asked = {program for each in lists for program in ast.literal_eval(re.sub(r"\s+", " ", each))}
    asked -= {program for program in asked if program.isdigit()}
    asked |= set(re.findall(r"'([\w.-]+)' (?:not )?in stacks", body))
    assert asked - STACKS == set()
    for term in re.findall(r"'([\w-]+:[\w-]+)' in marks", body):
        test_every_term_can_be_said(name, term)
