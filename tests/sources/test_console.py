"""Browser consoles: saved from DevTools, from `--enable-logging`, and Firefox's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdiag.pipeline import read_events


def told(tmp_path: Path, *lines: str) -> list[tuple[str, str | None, int | None]]:
    (tmp_path / "console.log").write_text("\n".join(lines))
    events = read_events([str(tmp_path)])
    assert events["vantage"].unique().to_list() == ["client"]
    return events.select("kind", "conn", "code").rows()


@pytest.mark.parametrize("place", ["app.js:12", "(index):7:31", "VM88:1", "main.3f2a.bundle.js:2"])
@pytest.mark.parametrize("time", ["10:12:33.123 ", "2026-11-27T10:12:33.123Z "])
def test_the_place_in_a_script_is_no_part_of_the_sentence(
    tmp_path: Path, place: str, time: str
) -> None:
    lines = (
        f"{time}{place} [ws] open feed=orders ms=12",
        f'{time}{place} [ws] close feed=orders code=1006 reason="" wasClean=false',
    )
    assert told(tmp_path, *lines) == [("open", "orders", None), ("close", "orders", 1006)]


def test_chromiums_own_log(tmp_path: Path) -> None:
    head, tail = "[11839:11839:1122/2352%s.270775:INFO:CONSOLE:7] ", ", source: http://a.test/ (7)"
    lines = (
        head % 33 + '"[ws] open feed=orders ms=12"' + tail,
        head % 43 + '"[ws] close feed=orders code=1006 reason="" wasClean=false"' + tail,
        "[11839:11856:1122/235231.952466:ERROR:dbus/bus.cc:405] Failed to connect to the bus",
    )
    assert told(tmp_path, *lines) == [("open", "orders", None), ("close", "orders", 1006)]


def test_firefox(tmp_path: Path) -> None:
    lines = (
        "10:12:33.123 Firefox can’t establish a connection to the server at wss://a.test/live.",
        "10:12:33.423 The connection to wss://a.test/live was interrupted while the page was "
        "loading. app.js:12:9",
    )
    assert [kind for kind, *_ in told(tmp_path, *lines)] == ["error", "error"]


def test_the_state_of_a_page(tmp_path: Path) -> None:
    lines = (
        "10:12:33.123 app.js:3 [ws] open feed=orders",
        "10:12:34.123 app.js:4 [ws] page hidden",
        "10:12:35.123 app.js:4 navigator.onLine=false",
    )
    assert [kind for kind, *_ in told(tmp_path, *lines)] == ["open", "page", "page"]
