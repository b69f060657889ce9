"""Events that wait on the disk: the same answers, in the same order, and nothing left behind."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import at

from wsdiag import parts
from wsdiag.cli import progress
from wsdiag.event import Kind, events, ordered
from wsdiag.pipeline import diagnose, diagnosed, read_events
from wsdiag.progress import Progress
from wsdiag.sources import text_reader

FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES = ("proxy-idle-cut", "restart-storm", "story-restart", "token-reused", "two-causes")


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all events wait, in parts of a hundred or so."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(parts, "MANY", 0)
    monkeypatch.setattr(parts, "ROWS", 100)
    monkeypatch.setattr(text_reader, "ROWS_KEPT", 50)
    return tmp_path


def evidence(case: str) -> list[str]:
    return [str(FIXTURES / case / "evidence")]


@pytest.mark.parametrize("case", CASES)
def test_on_the_disk_it_is_the_same(case: str, request: pytest.FixtureRequest) -> None:
    report, seen = diagnose(evidence(case)), read_events(evidence(case))
    spool = request.getfixturevalue("spool")
    with diagnosed(evidence(case)) as (again, gathered):
        assert len(gathered.parts) > 1
        assert len(list(spool.glob("wsdiag-*/*"))) > len(gathered.parts)
        assert again == report
    assert read_events(evidence(case)).equals(seen)
    assert not list(spool.iterdir())


def test_a_full_disk_is_no_obstacle(request: pytest.FixtureRequest) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    report = diagnose(evidence("two-causes"))
    spool, patch = request.getfixturevalue("spool"), request.getfixturevalue("monkeypatch")
    patch.setattr(pl.DataFrame, "write_parquet", full)
    assert diagnose(evidence("two-causes")) == report
    assert not list(spool.iterdir())


def test_a_killed_run_leaves_nothing_behind(spool: Path) -> None:
    def killed() -> None:
        with progress.told(Progress(), shown=False), diagnosed(evidence("two-causes")):
            assert list(spool.iterdir())
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        killed()
    assert ended.value.code == 128 + signal.SIGTERM
    assert not list(spool.iterdir())


@settings(deadline=None)
@given(
    seconds=st.lists(st.none() | st.integers(0, 30), min_size=1, max_size=60),
    rows=st.integers(1, 20),
)
def test_parts_follow_one_another(seconds: list[int | None], rows: int) -> None:
    told = [
        {
            "ts": None if second is None else at(0) + timedelta(seconds=second),
            "source": f"{pos % 3}.log",
            "pos": pos,
            "kind": Kind.OPEN,
        }
        for pos, second in enumerate(seconds)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MANY", 0)
        patch.setattr(parts, "ROWS", rows)
        found = parts.in_order(events(told).lazy(), len(told))
    assert pl.concat(found).collect().equals(ordered(events(told)))
    assert all(part.select(pl.len()).collect().item() for part in found)
