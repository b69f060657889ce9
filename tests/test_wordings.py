"""The wordings are data: every one is used, and both regex engines read it alike."""

from __future__ import annotations

import re
from collections import Counter

import polars as pl
import pytest

from wsdiag.detectors import DETECTORS
from wsdiag.explain import load_causes
from wsdiag.wordings import Wording, book, named, says

NAMES = [f"{wording.detector}:{wording.mark}" for wording in book()]


def test_each_mark_is_told_once_and_belongs_to_a_detector() -> None:
    assert [name for name, times in Counter(NAMES).items() if times > 1] == []
    assert {wording.detector for wording in book()} <= set(DETECTORS)


def test_each_mark_is_asked_for_by_some_cause() -> None:
    asked = {
        term
        for cause in load_causes().values()
        for clause in (*cause.when, *cause.against)
        for term in (*clause.all, *clause.any, *clause.none)
    }
    spoken = " ".join(body for cause in load_causes().values() for body in cause.sections.values())
    assert [name for name in NAMES if name not in asked and name not in spoken] == []


@pytest.mark.parametrize("wording", book(), ids=NAMES)
def test_python_and_polars_read_it_alike(wording: Wording) -> None:
    texts = [*wording.says, "an ordinary line", "connection closed 1000"]
    by_polars = pl.Series(texts).str.contains(wording.pattern).to_list()
    assert by_polars == [re.search(wording.pattern, text) is not None for text in texts]
    assert by_polars[-2:] == [False, False]


def test_what_is_told_of_something_else_is_taken_out_first() -> None:
    texts = pl.DataFrame(
        {
            "reason": [
                "token expired",
                "idle timeout expired",
                "the session timer has expired",
                "idle timeout expired | the ticket has expired",
                None,
            ]
        }
    )
    wording = named("expired-said")
    told = [True, False, False, True, None]
    assert texts.select(wording.told(pl.col("reason"))).to_series().to_list() == told
    said = texts.select(says(wording.detector, pl.col("reason"))).to_series()
    assert said.to_list() == [bool(it) for it in told]


def test_no_text_says_nothing() -> None:
    texts = pl.DataFrame({"reason": ["accept4: too many open files", "bye", None]})
    said = texts.select(says("resource-limit", pl.col("reason"))).to_series()
    assert said.to_list() == [True, False, False]
