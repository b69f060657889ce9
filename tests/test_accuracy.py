"""How often the first cause is right on the recorded incidents, whether its number means it, and
that less evidence gives no wrong answer."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "benchmarks"))
accuracy = importlib.import_module("accuracy")

ENOUGH = 10
"""Fewer answers in a band say nothing about it."""


SAME_FAULT = {
    "haproxy-timer": {"proxy-idle-timeout"},  # whose timer it was, the log alone tells
    "server-restart": {"nothing-listening"},  # a proxy's error log shows the gap, not what made it
}
"""Less evidence shows the same fault under another name."""


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
def test_one_file_alone_is_no_reason_for_a_wrong_answer(alone) -> None:
    """No cause that its incident tempts to; of a healthy one nothing but health, or no answer."""
    honest = {"healthy", *accuracy.UNDECIDED}
    wrong = [
        f"{one.case}: {one.named}, from {one.report.inputs[0].path}"
        for one in alone
        if one.named
        in set(one.label["must_not"])
        - accuracy.UNDECIDED
        - SAME_FAULT.get(one.label["cause"], set())
        or (one.healthy and one.named not in honest)
    ]
    assert wrong == []


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
