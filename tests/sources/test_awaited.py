"""What a client says to have connected to, in a name of its own, is a WebSocket where it was trying
to just before."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.sources.test_line_silence import assert_same, item_of
from wsdiag.config import Config
from wsdiag.sources import text_log

CLOSED = 'display gateway closed, code=1006 reason="", retrying in 4 s'
KIOSK = [
    "connecting to display gateway",
    "display gateway connected",
    "received 34 bytes",
    CLOSED,
    "connecting to display gateway",
    "display gateway connected",
]


def kinds(tmp_path: Path, lines: list[str], name: str = "") -> list[str]:
    path = tmp_path / "kiosk.log"
    head = f" INFO -- {name}: " if name else " INFO "
    timed = (f"2026-11-22T10:00:{n:02}.250Z{head}{line}\n" for n, line in enumerate(lines))
    path.write_text("".join(timed))
    assert_same(item_of(path), learn_at=3)
    events = text_log.read(item_of(path), Config()).events.lazy().collect()
    return events.sort("pos").filter(pl.col("kind") != "message")["kind"].to_list()


@pytest.mark.parametrize("name", ["", "kiosk"])
def test_each_opening_follows_an_attempt(tmp_path: Path, name: str) -> None:
    assert kinds(tmp_path, KIOSK, name) == ["attempt", "open", "close", "attempt", "open"]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["paper tray connected", *KIOSK[::4], CLOSED], id="before-any-attempt"),
        pytest.param(
            [KIOSK[0], CLOSED, "paper tray connected", KIOSK[0], CLOSED], id="after-a-close"
        ),
        pytest.param(
            [KIOSK[0], "paper tray connected", "websocket connected", CLOSED], id="another-opens"
        ),
        pytest.param([KIOSK[0], "paper tray connected", *KIOSK[1:4]], id="not-each"),
        pytest.param([KIOSK[0], "waiting until gateway connected", CLOSED], id="not-yet"),
        pytest.param([KIOSK[0], "display gateway not connected", CLOSED], id="not"),
        pytest.param([KIOSK[0], "redis connected", CLOSED], id="a-database"),
    ],
)
def test_what_no_attempt_explains_is_none(tmp_path: Path, lines: list[str]) -> None:
    opens = kinds(tmp_path, lines).count("open")
    assert opens == sum("websocket" in line for line in lines)
