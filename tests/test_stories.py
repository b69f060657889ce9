"""Incidents seen from all sides, on clocks that were set apart: offsets and joins against the truth
that the recorder kept."""

from __future__ import annotations

import re
import shlex
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from wsdiag import reporters
from wsdiag.cli import main
from wsdiag.pipeline import diagnose, read_events
from wsdiag.report import Report

FIXTURES = Path(__file__).parents[1] / "fixtures"
NEAR_MS = 20.0
"""An offset comes back so near, or within the error that is stated with it."""
SHARE = 0.99
"""So many of the connections are joined with all that is known of them."""


@cache
def label(case: str) -> dict[str, Any]:
    return tomllib.loads((FIXTURES / case / "case.toml").read_text("utf-8"))


STORIES = sorted(path.parent.name for path in FIXTURES.glob("story-*/case.toml"))
CLOCKS = [(case, source) for case in STORIES for source in label(case)["clocks"]]


@cache
def report(case: str) -> Report:
    return diagnose([str(FIXTURES / case / "evidence")])


@cache
def joined(case: str) -> list[tuple[str, str, set[str]]]:
    """Of every connection in every file that the recorder knows: its name there, its key, and the
    keys that it was joined with."""
    events = read_events([str(FIXTURES / case / "evidence")])
    keys = events.drop_nulls(["session", "key"]).group_by("session").agg(pl.col("key").unique())
    told = events.drop_nulls("session").join(keys, on="session", how="left")
    found = []
    for source, names in label(case)["joins"].items():
        mine = told.filter(pl.col("source") == source)
        for name, key in names.items():
            what, _, which = name.partition(" ")
            is_it = pl.col("pos") == int(which) if what == "line" else pl.col("conn") == which
            rows = mine.filter(is_it)["key_right"].drop_nulls().explode()
            found.append((f"{source} {name}", key, set(rows.to_list())))
    return found


def test_there_are_six() -> None:
    assert len(STORIES) >= 6


@pytest.mark.parametrize(("case", "source"), CLOCKS)
def test_the_offset_comes_back(case: str, source: str) -> None:
    truth = label(case)["clocks"][source]
    (read,) = (it for it in report(case).inputs if it.source == source)
    assert read.clock_offset_ms is not None
    assert read.clock_error_ms is not None
    # A clock that drifts is told for the middle of the recording, which lasts two minutes at most.
    grown = abs(truth.get("drift_ppm", 0.0)) * 120 / 1e3
    apart = abs(read.clock_offset_ms - truth["offset_ms"])
    assert apart <= max(NEAR_MS, read.clock_error_ms) + grown
    assert read.clock_error_ms < 30


@pytest.mark.parametrize(("case", "source"), CLOCKS)
def test_a_drift_that_is_told_is_true(case: str, source: str) -> None:
    truth = label(case)["clocks"][source].get("drift_ppm", 0.0)
    (read,) = (it for it in report(case).inputs if it.source == source)
    if read.clock_drift_ppm is not None:
        assert read.clock_drift_ppm == pytest.approx(truth, abs=read.clock_drift_error_ppm)


def test_a_drift_of_fifty_is_seen_where_messages_went_both_ways() -> None:
    (har,) = (it for it in report("story-blocked-server").inputs if it.format == "har")
    assert har.clock_drift_ppm == pytest.approx(50, abs=5)


def test_a_drift_within_the_error_is_not_claimed() -> None:
    """The server's log loses 50 µs a second, 3.7 ms in all, and dates nothing but handshakes: a
    busier path would look the same, and the error stated holds both."""
    (log,) = (it for it in report("story-message-too-big").inputs if it.source == "server.log")
    assert log.clock_drift_ppm is None
    assert log.clock_error_ms is not None
    assert log.clock_error_ms > 50 * 74 / 1e3


@pytest.mark.parametrize(("case", "source"), CLOCKS)
def test_a_time_zone_is_told_as_one(case: str, source: str) -> None:
    hours = label(case)["clocks"][source]["offset_ms"] / 3.6e6
    (read,) = (it for it in report(case).inputs if it.source == source)
    assert read.clock_zone_min == (60 if hours == 1 else None)


@pytest.mark.parametrize("case", STORIES)
def test_nothing_is_joined_wrongly(case: str) -> None:
    assert [(name, keys) for name, key, keys in joined(case) if not keys <= {key}] == []


def test_nearly_all_is_joined() -> None:
    every = [keys == {key} for case in STORIES for _, key, keys in joined(case)]
    assert len(every) >= 140
    assert sum(every) >= SHARE * len(every)


def test_what_the_server_sent_and_the_page_never_got() -> None:
    """The browser was stopped when 1011 came; its API knows nothing of it."""
    (told,) = (it for it in report("story-frozen-browser").disagreements if it.kind == "code-lost")
    assert told.message == "the server sent 1011, the client's API says 1006"
    assert [proof.source for proof in told.evidence] == ["wire.pcap", "console.log"]


@pytest.mark.parametrize("case", STORIES)
def test_no_order_is_claimed_below_twice_the_error(case: str) -> None:
    """Of two moments in a row that two sources tell, the nearer ones are marked, and only those."""
    told = report(case)
    errors = {read.source: read.clock_error_ms for read in told.inputs}
    assert told.life is not None
    moments = told.life.moments
    marked = 0
    for one, other in pairwise(moments):
        first, second = (re.split(r"[:#]", it.pointer)[0] for it in (one, other))
        slack = [errors[name] for name in (first, second)]
        known = [it for it in slack if it is not None]
        near = len(known) < 2 or abs(other.delta_s or 0.0) * 1e3 < 2 * sum(known)
        assert other.unsure is (first != second and near)
        marked += other.unsure
    said = "nearer than the clocks are sure of" in reporters.REPORTERS["markdown"].render(told)
    assert said is (marked > 0)


def test_the_walkthrough_shows_what_its_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (FIXTURES.parent / "docs" / "three-sides.md").read_text("utf-8")
    monkeypatch.chdir(FIXTURES.parent)
    said = ""
    for line in re.findall(r"^wsdiag .*$", page, re.MULTILINE):
        if " -o " not in line:
            said += CliRunner().invoke(main, shlex.split(line)[1:], prog_name="wsdiag").stdout
    printed = set(said.splitlines())
    shown = [
        line
        for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]
    assert [line for line in shown if line not in printed] == []
