"""Whole worlds: each connection is counted once, and no two are taken for one."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest
from worlds import a_world, write

from wsdiag import pipeline


@pytest.mark.parametrize("seed", range(16))
def test_every_connection_is_one(tmp_path: Path, seed: int) -> None:
    world, lives = a_world(seed)
    told = write(tmp_path, world, lives)
    events = pipeline.read_events([tmp_path]).with_columns(pl.col("source").cast(pl.String))
    of_session, of_life = defaultdict(set), defaultdict(set)
    for source, pos, session in events.select("source", "pos", "session").iter_rows():
        of_session[session].add(told[source, pos])
        of_life[told[source, pos]].add(session)
    assert len(of_life) == len(lives)
    assert {session: seen for session, seen in of_session.items() if len(seen) > 1} == {}
    assert pipeline.diagnose([tmp_path]).facts.connections == len(lives)
    # What several sources tell is joined, but for a few that coincide.
    assert sum(len(sessions) > 1 for sessions in of_life.values()) <= len(lives) / 10
