"""Broken and hostile HAR, NetLog and DevTools logs: a counted remark, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import har, netlog

DEEP = 200_000
CONSTANTS = '{"constants": {"logEventTypes": {"REQUEST_ALIVE": 1}, "logEventPhase": {}},\n'
ENTRY: dict[str, Any] = {
    "request": {"method": "GET", "url": "wss://a.test/ws", "headers": []},
    "response": {"status": 101},
    "startedDateTime": "2026-11-22T23:50:33.500Z",
    "_resourceType": "websocket",
    "_webSocketMessages": [],
}


def reading(source: Any, path: Path) -> Reading:
    item = InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size)
    return source.read(item, Config())


def of(source: Any, text: str | bytes, folder: Path) -> Reading:
    path = folder / "evidence"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return reading(source, path)


def entries(*told: object) -> str:
    return json.dumps({"log": {"creator": {"name": "x"}, "entries": list(told)}})


@pytest.mark.parametrize(
    "text",
    [
        '{"log": {"entries": ' + "[" * DEEP,
        '{"log": {"entries": ' + '{"a":' * DEEP,
        '{"log": {"entries": {}}}',
        '{"log": {"entries": [{}, {}, {}]',
        '{"log": {"creator"',
        '{"log": ' + "9" * DEEP,
        b"\xff\xfe" * 100,
        "",
    ],
)
def test_what_is_no_whole_har(text: str | bytes, tmp_path: Path) -> None:
    told = of(har, text, tmp_path)
    assert told.unread_lines == 1
    assert told.remarks
    assert len(told.events) == 0


@pytest.mark.parametrize(
    "odd",
    [
        7,
        None,
        [],
        {"request": 7},
        {"request": {"url": 7}},
        ENTRY | {"_webSocketMessages": {"a": 1}},
        ENTRY | {"response": []},
        ENTRY | {"timings": "soon"},
        ENTRY | {"request": {"url": "ws://a", "headers": [7]}},
    ],
)
def test_an_entry_of_wrong_types_is_counted_and_the_rest_is_read(odd: Any, tmp_path: Path) -> None:
    told = of(har, entries(odd, ENTRY), tmp_path)
    assert told.unread_lines == 1
    assert told.remarks == ("1 entries or messages are not as HAR 1.2 has them",)
    assert told.events["kind"].to_list() == ["attempt", "open", "end"]


@pytest.mark.parametrize(
    "odd",
    [
        "7",
        '"x"',
        "[" * DEEP,
        '{"a":' * DEEP,
        '{"type": "x", "source": {"id": 1}, "time": "0"}',
        '{"type": 1, "source": 7, "time": "0"}',
        '{"type": 1, "source": {"id": []}, "time": "0"}',
        '{"type": 1, "source": {"id": 1}, "time": {}}',
        '{"type": 1, "source": {"id": 1}, "time": "0", "params": 7}',
        '{"type": 1, "source": {"id": 1',
    ],
)
def test_an_event_of_wrong_types_is_counted_and_the_rest_is_read(odd: str, tmp_path: Path) -> None:
    good = '{"type": 1, "source": {"id": 1}, "time": "9", "phase": 1, "params": {"url": "ws://a/"}}'
    told = of(netlog, f'{CONSTANTS}"events": [\n{good},\n{odd},\n{good}],\n"x": 1}}\n', tmp_path)
    assert told.unread_lines == 1
    assert any(remark.startswith("1 of 3 events cannot be read") for remark in told.remarks)
    assert "attempt" in told.events["kind"]


@pytest.mark.parametrize(
    "text",
    ['{"constants": {"a"', '{"constants": {"logEventTypes": 7},\n"events": [\n]}', CONSTANTS],
)
def test_what_is_no_netlog(text: str, tmp_path: Path) -> None:
    told = of(netlog, text, tmp_path)
    assert told.remarks
    assert len(told.events) == 0


def test_a_har_beyond_all_measure_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(har, "LARGEST", 100)
    told = of(har, entries(ENTRY), tmp_path)
    assert told.unread_lines == 1
    assert "is not read" in told.remarks[0]


LARGE = 200 * 2**20
MOST_MIB = 900
READ = """
import resource, sys
from pathlib import Path
from wsdiag.config import Config
from wsdiag.evidence import InputFile
from wsdiag.sources import cdp, har, netlog
path = Path(sys.argv[2])
item = InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size)
told = {"har": har, "netlog": netlog, "cdp": cdp}[sys.argv[1]].read(item, Config())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, told.unread_lines, told.remarks)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "begins", "goes_on"),
    [
        ("har", '{"log": {"entries": [{"request": {"url": "', "x"),
        ("netlog", f'{CONSTANTS}"events": [\n', "x" * 1000),
        ("netlog", '{"constants": {"logEventTypes": {"', "x" * 1000),
        ("cdp", '{"method": "Network.webSocketCreated", "params": {"url": "', "x" * 1000),
    ],
)
def test_two_hundred_megabytes_that_never_end(
    source: str, begins: str, goes_on: str, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    chunk = (goes_on * (2**20 // len(goes_on))).encode()
    with path.open("wb") as file:
        file.write(begins.encode())
        for _ in range(LARGE // len(chunk)):
            file.write(chunk)
    command = [sys.executable, "-c", READ, source, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    mib, unread, remarks = said.split(maxsplit=2)
    assert int(mib) < MOST_MIB
    assert int(unread) >= 1 or remarks.strip() != "()"
