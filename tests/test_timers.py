"""The catalogue of timers, and which of them a measured time fits."""

from __future__ import annotations

import re

import polars as pl
import pytest

from wsdiag import timers


def test_every_timer_names_a_source() -> None:
    ids = [timer.id for timer in timers.catalogue()]
    assert len(set(ids)) == len(ids)
    for timer in timers.catalogue():
        assert re.fullmatch(r"https://\S+|[\w.-]+/[\w.-]+@\S+", timer.source), timer.id
        assert timer.seconds is None or timer.seconds > 0


@pytest.mark.parametrize(
    ("seconds", "fits"),
    [(60.0, True), (59.2, True), (62.9, True), (58.9, False), (63.5, False), (47.0, False)],
)
def test_a_timer_ticks_coarsely(seconds: float, fits: bool) -> None:
    assert any(timer.id == "nginx" for timer in timers.matching(seconds, ["idle"])) is fits
    told = pl.select(timers.is_default(pl.lit(seconds), ["idle"])).item()
    assert told is fits


def test_the_recognised_hop_goes_before_all_that_fit() -> None:
    named = [timer.id for timer in timers.matching(60.0, ["idle"], {"alb"})]
    assert "alb" in named
    assert "nginx" not in named
    assert {"alb", "nginx", "apache"} <= {t.id for t in timers.matching(60.0, ["idle"], {"ws"})}


def test_an_idle_timer_is_no_age_timer() -> None:
    assert {timer.kind for timer in timers.matching(300.0, ["age"])} == {"age"}
    assert {timer.kind for timer in timers.matching(300.0, ["idle"])} == {"idle"}
