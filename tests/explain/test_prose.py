"""Numbers as words, and sections filled with them."""

from __future__ import annotations

from datetime import UTC, datetime

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.explain import at, ms, pct, plural, seconds
from wsdiag.explain.prose import fill


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (61.204, "61.2 s"),
        (60.0, "60 s"),
        (1.0, "1 s"),
        (0.042, "42 ms"),
        (0.0, "0 ms"),
        (599.0, "599 s"),
        (600.0, "10 min"),
        (5400.0, "90 min"),
        (-7.0, "-7 s"),
        (None, "an unknown time"),
    ],
)
def test_seconds(value: float | None, words: str) -> None:
    assert seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (340.2, "340 ms"),
        (10.0, "10 ms"),
        (4.25, "4.2 ms"),
        (4.0, "4 ms"),
        (0.04, "0 ms"),
        (1000.0, "1 s"),
        (5400.0, "5.4 s"),
        (None, "an unknown time"),
    ],
)
def test_ms(value: float | None, words: str) -> None:
    assert ms(value) == words


@given(st.floats(0, 1e7))
def test_both_units_agree(value: float) -> None:
    assert seconds(value) == ms(value * 1000) or abs(value - 1) < 1e-9


@pytest.mark.parametrize(
    ("share", "words"), [(0.42, "42 %"), (1, "100 %"), (0.0, "0 %"), (None, "an unknown share")]
)
def test_pct(share: float | None, words: str) -> None:
    assert pct(share) == words


def test_at() -> None:
    assert at(datetime(2026, 11, 22, 10, 15, 2, 118_999, UTC)) == "10:15:02.118Z"
    assert at(datetime(2026, 11, 22, 0, 0, 0, 0, UTC)) == "00:00:00.000Z"
    assert at(None) == "an unknown time"


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 pings"), (1, "1 ping"), (2, "2 pings"), (1000, "1000 pings")]
)
def test_plural(number: int, words: str) -> None:
    assert plural(number, "ping") == words


def test_fill() -> None:
    text = (
        "A {{ n|plural('ping') }}\n{% if gone %}\nnever\n{% endif %}\n\n\n\nB {{ t|seconds }}  \n"
    )
    assert fill(text, {"n": 1, "gone": False, "t": 60.0}) == "A 1 ping\n\nB 60 s"


def test_a_word_that_is_not_known_is_an_error_not_a_blank() -> None:
    with pytest.raises(jinja2.UndefinedError):
        fill("{{ nobody_knows }}", {})


def test_what_evidence_says_is_not_run() -> None:
    assert fill("{{ said }}", {"said": "{{ 7 * 7 }} {% raw %}"}) == "{{ 7 * 7 }} {% raw %}"
