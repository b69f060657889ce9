"""Lines that begin with a name: it is a connection's where nothing says otherwise."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.sources.test_line_silence import assert_same, item_of
from wsdiag.config import Config
from wsdiag.sources import text_log

TABS = [
    "tab-1 connecting to ws://app.example.org/live",
    "tab-2 connecting to ws://app.example.org/live",
    "tab-2 connected",
    "tab-1 connected",
    "tab-1 onclose code=4001 reason='kicked'",
    "tab-2 closed by us, code 1000",
    "tab-1 reconnecting in 500 ms",
    "tab-1 connecting to ws://app.example.org/live",
    "tab-1 connected",
    "tab-1 dropped",
]


def read(tmp_path: Path, lines: list[str]) -> pl.DataFrame:
    path = tmp_path / "bots.log"
    timed = (f"2026-11-22T10:00:{n:02}.250Z {line}\n" for n, line in enumerate(lines))
    path.write_text("".join(timed))
    assert_same(item_of(path), learn_at=3)
    return text_log.read(item_of(path), Config()).events.lazy().collect()


def told(events: pl.DataFrame) -> list[tuple[str, str | None, int | None]]:
    wanted = events.filter(pl.col("kind").is_in(["open", "close", "end"]))
    return list(wanted.sort("pos").select("kind", "conn", "code").iter_rows())


@pytest.mark.parametrize("form", ["{0} {1}", "[{0}] {1}", "{0}: {1}"])
def test_each_name_is_a_connections(tmp_path: Path, form: str) -> None:
    lines = [form.format(*line.split(" ", 1)) for line in TABS]
    assert told(read(tmp_path, lines)) == [
        ("open", "tab-2", None),
        ("open", "tab-1", None),
        ("close", "tab-1", 4001),
        ("close", "tab-2", 1000),
        ("open", "tab-1", None),
        ("end", "tab-1", None),
    ]


def test_what_is_no_websockets_is_none(tmp_path: Path) -> None:
    """Of such names the log tells nothing that only a WebSocket does."""
    assert told(read(tmp_path, ["sensor-1 connected", "sensor-2 connected", "sensor-1 lost"])) == []
    beside = ["tab-1 onclose code=1006", "sensor-2 connected", "sensor-2 closed"]
    assert told(read(tmp_path, beside)) == [("close", None, 1006)]


@pytest.mark.parametrize("name", ["worker-{}", "web{}", "pod-{}", "app-{}", "thread-{}"])
def test_a_program_is_no_connection(tmp_path: Path, name: str) -> None:
    lines = [f"{name.format(n)} websocket connected" for n in (1, 2)]
    lines += [f"{name.format(n)} websocket closed code=1000" for n in (1, 2)]
    assert {conn for _, conn, _ in told(read(tmp_path, lines))} == {None}


def test_a_name_that_opens_twice_at_once_is_no_connections(tmp_path: Path) -> None:
    lines = ["hall-1 websocket connected", "hall-2 websocket connected"]
    lines += ["hall-1 websocket connected", "hall-1 websocket closed code=1000"]
    assert {conn for _, conn, _ in told(read(tmp_path, lines))} == {None}


def test_one_name_alone_is_the_programs(tmp_path: Path) -> None:
    lines = ["hall-1 websocket connected", "hall-1 websocket closed code=1000"]
    assert {conn for _, conn, _ in told(read(tmp_path, lines))} == {None}


def test_what_a_line_names_itself_goes_first(tmp_path: Path) -> None:
    lines = ["hall-1 websocket connected id=c17", "hall-2 websocket connected id=c18"]
    assert [conn for _, conn, _ in told(read(tmp_path, lines))] == ["c17", "c18"]


def test_one_that_left_with_a_code_speaks_for_its_like(tmp_path: Path) -> None:
    lines = ["member-1 joined /live", "member-2 joined /live", "member-2 left, close code 1000"]
    assert [conn for kind, conn, _ in told(read(tmp_path, lines)) if kind == "open"] == [
        "member-1",
        "member-2",
    ]
    assert told(read(tmp_path, lines[:2])) == []


@pytest.mark.parametrize(
    ("told_by", "conns"),
    [
        ([("joined", 7), ("joined", 8), ("left", 7), ("left", 8)], ["7", "8", "7", "8"]),
        # how many are there: a second has come twice, and none has left between
        ([("joined", 1), ("joined", 2), ("left", 1), ("joined", 2)], [None]),
    ],
)
def test_a_field_of_one_letter(
    tmp_path: Path, told_by: list[tuple[str, int]], conns: list[str | None]
) -> None:
    lines = [
        f'level=info msg="viewer {what}" v={number}' + (" code=1000" if what == "left" else "")
        for what, number in told_by
    ]
    assert [conn for _, conn, _ in told(read(tmp_path, lines))] == conns
