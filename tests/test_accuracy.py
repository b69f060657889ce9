"""How often the first cause is right on the recorded incidents, and whether its number means it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "benchmarks"))
accuracy = importlib.import_module("accuracy")

ENOUGH = 10
"""Fewer answers in a band say nothing about it."""


@pytest.fixture(scope="module")
def judged():
    return accuracy.judged()


@pytest.fixture(scope="module")
def alone():
    return accuracy.alone()


@pytest.mark.slow
def test_nearly_all_first_causes_are_right(judged) -> None:
    """The labelled cause itself: what a label accepts beside it is honest, but not the name."""
    wrong = [f"{one.case}: {one.named}" for one in judged if one.named != one.label["cause"]]
    assert len(wrong) <= 0.05 * len(judged), wrong


@pytest.mark.slow
def test_health_has_no_findings(judged) -> None:
    assert [one.case for one in judged if one.healthy and one.report.findings] == []


@pytest.mark.slow
def test_a_confidence_is_what_it_says(judged, alone) -> None:
    """Of what is said with 0.9 and more nine of ten are right, and so on down; and not more."""
    for low, high, told in accuracy.bands(judged + alone):
        if len(told) >= ENOUGH:
            assert low - 0.1 <= sum(one.right for one in told) / len(told) <= high + 0.1


@pytest.mark.slow
def test_the_page_is_up_to_date(judged, alone) -> None:
    """Else: python tests/benchmarks/accuracy.py."""
    assert accuracy.PAGE.read_text("utf-8") == accuracy.page(judged, alone)
