"""Rotated logs are read as the one log that they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wsdiag import rotation
from wsdiag.event import events
from wsdiag.pipeline import diagnose

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def ends(*names: str) -> dict[str, datetime | None]:
    return {name: START + timedelta(hours=n) for n, name in enumerate(names)}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (("app.log.2", "app.log.1", "app.log"), [["app.log.2", "app.log.1", "app.log"]]),
        (("app.log.10.gz", "app.log.9.gz"), [["app.log.10.gz", "app.log.9.gz"]]),
        (("ws-20261121", "ws-20261122", "ws"), [["ws-20261121", "ws-20261122", "ws"]]),
        (("app.log", "app.log.1"), []),  # the older one goes on: two processes
        (("server-1.log", "server-2.log", "client.log"), []),
    ],
)
def test_which_files_are_one_log(files: tuple[str, ...], found: list[list[str]]) -> None:
    assert rotation.logs(ends(*files)) == found


def test_there_and_back() -> None:
    rows = [
        {"source": source, "pos": pos, "kind": "open"}
        for source, pos in (("a.log.1", 3), ("a.log.1", 9), ("a.log", 1), ("a.log", 4), ("b", 2))
    ]
    files, read = [["a.log.1", "a.log"]], events(rows).lazy()
    lengths = rotation.lengths(read)
    one = rotation.as_one(read, files, lengths)
    assert one.select("source", "pos").collect().rows() == [
        ("a.log", 3),
        ("a.log", 9),
        ("a.log", 10),
        ("a.log", 13),
        ("b", 2),
    ]
    assert rotation.as_files(one, files, lengths).collect().equals(read.collect())


def test_a_connection_that_opens_in_one_file_and_ends_in_the_next(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").write_text(
        "2026-11-23T10:00:00Z ws connection opened\n2026-11-23T10:00:01Z tea is ready\n"
    )
    (tmp_path / "app.log").write_text("2026-11-23T10:05:00Z ws connection closed code=1001\n")
    facts = diagnose([str(tmp_path)]).facts
    assert (facts.connections, facts.close_codes) == (1, {"1001": 1})
