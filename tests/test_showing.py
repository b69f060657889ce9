"""One connection's life: which of its moments the line itself dates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from wsdiag.cli import main
from wsdiag.showing import timeline
from wsdiag.sources.text_log import is_dated

LINES = """\
2026-01-05 10:00:00,120 INFO app: client connected conn=ab12 user=u1
client disconnected conn=ab12 code=1006
2026-01-05 10:00:09,500 INFO app: client connected conn=cd34 user=u2
2026-01-05 10:00:12,000 INFO app: client disconnected conn=cd34 code=1000
"""


@pytest.fixture
def log(tmp_path: Path) -> str:
    file = tmp_path / "server.log"
    file.write_text(LINES)
    return str(file)


def test_a_line_without_a_time_is_marked(log: str) -> None:
    told = timeline("server.log:1", [log])
    assert [(moment.pointer, moment.borrowed) for moment in told] == [
        ("server.log:1", False),
        ("server.log:2", True),
    ]
    assert not any(moment.borrowed for moment in timeline("server.log:3", [log]))


def test_the_mark_is_explained(log: str) -> None:
    shown = CliRunner().invoke(main, ["timeline", "server.log:1", log]).stdout
    assert "10:00:00.120~" in shown
    assert "~: the line states no time" in shown
    assert "~" not in CliRunner().invoke(main, ["timeline", "server.log:3", log]).stdout
    told = json.loads(
        CliRunner().invoke(main, ["timeline", "server.log:1", log, "--format", "json"]).stdout
    )
    assert [moment["borrowed"] for moment in told] == [False, True]


@pytest.mark.parametrize(
    ("line", "dated"),
    [
        ("2026-01-05 10:00:00,120 INFO app: connected", True),
        ('10.0.0.1 - - [05/Jan/2026:10:00:00 +0000] "GET /ws HTTP/1.1" 101 0 "-" "-"', True),
        ('{"level":30,"time":1767607200000,"msg":"connected"}', True),
        ('{"log":"connection open\\n","stream":"stderr","time":"2026-01-05T10:00:00Z"}', True),
        ("2026-01-05T10:00:00.000000000Z stdout F connection open", True),
        ("\x1b[32mINFO\x1b[0m:     connection open", False),
        ('INFO:     127.0.0.1:50000 - "WebSocket /ws" [accepted]', False),
        ('{"msg":"connection open"}', False),
    ],
)
def test_what_dates_a_line(line: str, dated: bool) -> None:
    assert is_dated(line) is dated
