"""Every recording of known design, reviewed as its label says; numbers within 2 % of what the
programs counted."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.review.page import needed
from wsdiag.advice import Review
from wsdiag.reporters.review import VIEWS
from wsdiag.reviewing import review

ROOT = Path(__file__).parents[2]
CASES = sorted(path.parent.name for path in (ROOT / "fixtures").glob("*/review.toml"))
SCHEMA = json.loads((ROOT / "docs" / "review.schema.json").read_text(encoding="utf-8"))


@cache
def label(case: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "fixtures" / case / "review.toml").read_text(encoding="utf-8"))


@cache
def told(case: str) -> Review:
    return review([str(ROOT / "fixtures" / case / "evidence")])


def near(value: float) -> Any:
    return pytest.approx(value, rel=0.02, abs=1e-9)


def test_there_are_recordings() -> None:
    assert len(CASES) >= 12


@pytest.mark.parametrize("case", CASES)
def test_what_is_advised_and_what_is_not(case: str) -> None:
    assert told(case).protocol.choice == label(case)["protocol"]
    assert told(case).sync.in_use == label(case)["sync"]
    assert needed(told(case)) == set(label(case)["needed"])
    assert {step.title for step in told(case).steps} >= set(label(case)["steps"])


@pytest.mark.parametrize(
    ("case", "advised", "verdict"),
    [
        ("review-topics", "invalidation", "not-needed"),  # two users, 0.08 updates a second
        ("review-feed", "invalidation", "not-needed"),
        ("review-chat", "hybrid", "not-needed"),  # few users, often
        ("review-cursors", "hybrid", "not-needed"),
        ("review-refetch", "invalidation", "not-decidable"),  # one client
    ],
)
def test_the_strategy_that_fits(case: str, advised: str, verdict: str) -> None:
    assert (told(case).sync.advised, told(case).sync.verdict) == (advised, verdict)


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_those_that_the_programs_counted(case: str) -> None:
    facts, events = told(case).facts, told(case).events
    for name, counted in label(case).get("facts", {}).items():
        assert getattr(facts, name) == near(counted), name
    for name, counted in label(case).get("events", {}).items():
        assert getattr(events, name) == near(counted), name
    measured = {one.id: one.measured for one in told(case).optimisations}
    for name, counted in label(case).get("metrics", {}).items():
        assert measured[name] == near(counted), name


@pytest.mark.parametrize("case", CASES)
def test_envelopes(case: str) -> None:
    assert set(told(case).events.envelopes) >= set(label(case)["envelopes"])


@pytest.mark.parametrize("case", CASES)
def test_every_answer_has_a_number_a_proof_and_its_doubts(case: str) -> None:
    review = told(case)
    answers = [review.sync, review.topology, *review.paths, *review.optimisations]
    for one in answers:
        assert one.why
        assert one.confidence <= 0.7
        if one.verdict != "not-decidable":
            assert one.evidence
            assert one.confidence > 0
        assert all(proof.excerpt for proof in one.evidence)
    for judged in (review.sync, review.protocol):
        assert judged.against
        assert judged.measured


@pytest.mark.parametrize("case", CASES)
def test_views(case: str) -> None:
    jsonschema.validate(json.loads(VIEWS["json"](told(case))), SCHEMA)
    for name in ("terminal", "markdown", "html"):
        assert "Implementation Steps".casefold() in VIEWS[name](told(case)).casefold()


def test_a_chat_that_fits_is_told_to_stay_as_it_is() -> None:
    assert told("review-chat").steps == []
    assert "keep WebSocket, nothing needed" in VIEWS["markdown"](told("review-chat"))
