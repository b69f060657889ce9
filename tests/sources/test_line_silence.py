"""Lines passed over in columns give what they give one by one: row for row, count for count."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import text_log
from wsdiag.sources.blocks import block_columns, block_reader, line_blocks, told_lines
from wsdiag.sources.formats.line_format import all_formats
from wsdiag.sources.templates import template_book, template_columns

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "real-logs"
NOT_LINES = {".pcap", ".pcapng", ".har", ".cmd", ".toml", ".netlog"}
LOGS = [
    path
    for path in sorted([*ROOT.glob("fixtures/*/evidence/*"), *REAL.glob("*/*")])
    if path.is_file() and path.suffix not in NOT_LINES
]
LINES = [
    line
    for made in all_formats()
    for sample in made.document.sample
    for line in (sample.lines or [sample.line])
]
WRAPPERS = [
    "2026-11-22T23:45:36.906123456Z stdout F ",
    "2026-11-22T23:45:37.906123456Z stderr F ",
    "2026-11-22T23:45:37.906123456Z stderr P ",
    "2026-11-22T23:45:36.906000000Z ",
    "Nov 22 23:45:37 web1 haproxy[27820]: ",
    "<134>Nov 22 23:45:37 haproxy[27820]: ",
    "<132>1 2026-11-22T23:55:20.912228+00:00 vm wsapp 4321 - - ",
    "Nov 22 23:45:37 web1 app: ",
    "web-1  | ",
    "[pod/web-5/app] ",
    "[pod/web-5/app] 2026-11-22T23:45:36.906000000Z ",
    "",
]
_SERVER, _CLIENT = "DEBUG websockets.server ", "DEBUG    websockets.client "
TALK = [
    *[
        logger + text
        for logger in (_SERVER, _CLIENT)
        for text in (
            "= connection is CONNECTING",
            "< GET /ws HTTP/1.1",
            "> GET /ws HTTP/1.1",
            "< Sec-WebSocket-Key: RQtttxlg/8LfR+nC1AFrpQ==",
            "> HTTP/1.1 101 Switching Protocols",
            "= connection is OPEN",
            "> PING f9 61 4b cb [binary, 4 bytes]",
            "< PONG f9 61 4b cb [binary, 4 bytes]",
            "> PING 74 6f 6b 65 6e 3d 61 62 63 64 65 66 67 68 [binary, 14 bytes]",
            "> PING 70 77 3d 61 [binary, 4 bytes]",
            "< PONG 26 61 3d 62 [binary, 4 bytes]",
            "> PING 'text' [text, 4 bytes]",
            "< PING [0 bytes]",
            "% sent keepalive ping",
            "< CLOSE 1000 (OK) bye [5 bytes]",
            "= connection is CLOSED",
            "= connection is CLOSED  ",
            "> HTTP/1.1 503 Service Unavailable",
            "< User-Agent: Mozilla/5.0 node_modules/ws/ gunicorn",
            "< CLOSE 1011 (internal error) keepalive ping timeout [22 bytes]",
            "> EOF",
            "x half-closing TCP connection",
        )
    ],
    *[f"{_SERVER}< TEXT 'hello' [{size} bytes]" for size in (1, 5, 6, 7, 8)],
    *[f"{_SERVER}> TEXT 'on 404 or 502' [{size} bytes]" for size in (21, 22)],
    f"{_SERVER}< BINARY 00 01 [binary, 2 bytes, continued]",
    f"{_SERVER}< TEXT 'connection closed 4' [19 bytes]",
    f'{_SERVER}< TEXT \'{{"token": "x"}}\' [19 bytes]',
    "INFO websockets.server connection open",
    "INFO app client 41f2a9 connected from 10.0.0.9:50001",
    "INFO app client 41f2a9 disconnected code=1001",
    "INFO app the cache is warm",
    "    < TEXT 'hello' [5 bytes]",
    "  > PING f9 61 4b cb [binary, 4 bytes]",
]
RECORDS = [
    '{"level":30,"time":1795391723016,"pid":17,"msg":"order stored","total":12.5}',
    '{"level":30,"msg":"nothing","at":"2026-11-22T23:45:36Z"}',
    '{"time":"2026-11-22T23:45:36.5Z","level":"info","message":"the ws closed","code":1006}',
    '{"time":"2026-11-22T23:45:37.5Z","level":"info","message":"the w\\u0073 closed","code":1006}',
    '{"time":"2026-11-22T23:45:38Z","process":{"mem_rss":1048576000}}',
    '{"time":"2026-11-22T23:45:39Z","message":"cut',
    '{"time":"2026-11-22T23:45:40Z"},{"message":"two"}',
    '{"log":"10:00:01 INFO the cache is warm\\n","stream":"stdout","time":"2026-11-22T23:45:41Z"}',
    '{"log":"ws closed: ","stream":"stdout","time":"2026-11-22T23:45:42Z"}',
    '{"log":"1006\\n","stream":"stdout","time":"2026-11-22T23:45:43Z"}',
    '{"ts":1795391723.5,"msg":"> GET /ws HTTP/1.1"}',
    '{"ts":1795391724.5,"msg":"- timed out waiting for keepalive pong"}',
    "ws closed: 1001",
]
BY_LINE = [made for made in all_formats() if made.document.reads == "line"]
NUMBERS = ["7", "07", "59", "60", "99", "101", "403", "502", "1005", "2025", "+5", "-1", "-", "1e5"]
NUMBERS += ["9999", "1969"]
NUMBERS += ["nan", "0.0005", "1.0015", "12,5", "99999999999", "99999999999999999999", "#é", ""]
SELDOM = st.sampled_from([True, *[False] * 7])
REQUESTS = [
    '10.0.0.1 - - [22/Nov/2026:23:45:39 +0000] "GET /a.js HTTP/1.1" 200 2612 "-" "Mozilla/5.0"',
    '10.0.0.1 - - [22/Nov/2026:23:45:40 +0000] "GET /101 HTTP/1.1" 404 101 "-" "ws" 0.101',
    '10.0.0.2 - - [22/Nov/2026:23:45:41 +0000] "GET /newsroom?u=x HTTP/1.1" 503 12 "-" "curl"',
    '10.0.0.2 - - [22/Nov/2026:23:45:42 +0000] "GET /ws HTTP/1.1" 101 12 "-" "Mozilla/5.0"',
    '10.0.0.2 - - [22/Nov/2026:23:45:42 +0000] "GET /apiws?a=1 HTTP/1.1" 502 12 "-" "Mozilla/5.0"',
    "{",
    '"level": "info",',
    "}",
    "10:00:01 INFO the cache is warm",
    "\tdeep below",
    "Nov 22 23:45:37 box app: nothing new",
    "  at Socket.emit (node:events:518:28)",
    "a line of no time about a websocket that closed with code 1006",
    "\x1b[32mINFO\x1b[0m:     connection open",
    "",
]


PLAIN = Config()


def one_by_one(item: InputFile, config: Config) -> Reading:
    """The oracle: no line is passed over; those of NUL bytes are told by how many they are."""
    notes: Counter[str] = Counter()
    lines = (
        (block.first + n, text)
        for block in line_blocks.blocks(item.path, notes)
        for n, text in enumerate(block.lines)
        if text is not None
    )
    reading = text_log.read_lines(item, config, lines)
    assert reading.lines is not None
    lost = notes["binary"]
    counts = msgspec.structs.replace(
        reading.lines, read=reading.lines.read + lost, unread=reading.lines.unread + lost
    )
    return msgspec.structs.replace(reading, lines=counts)


def assert_same(item: InputFile, config: Config = PLAIN, learn_at: int = 25) -> None:
    slow = one_by_one(item, config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_reader, "FEW_LINES", 0)
        patch.setattr(told_lines, "FEW_LINES", 0)
        patch.setattr(block_columns, "FEW_LINES", 0)
        patch.setattr(template_columns, "FEW_LINES", 0)
        patch.setattr(template_book, "LEARN_AT", learn_at)
        patch.setattr(template_book, "PLAN_AT", 1)
        fast = text_log.read(item, config)
    assert_frame_equal(fast.events, slow.events)
    assert fast.lines is not None
    sorts = msgspec.structs.asdict(fast.lines)
    content = item.path.read_bytes()
    read = content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
    assert (sorts.pop("read"), sum(sorts.values())) == (read, read)
    told = ("format", "vantage", "resolution_ms", "redactions", "stacks", "doubtful", "lines")
    assert [getattr(fast, name) for name in told] == [getattr(slow, name) for name in told]


def in_json_file(line: str) -> str:
    """A line as docker's json-file holds it: whole, but for those in two parts."""
    record = {"log": line + "\n", "stream": "stdout", "time": "2026-11-22T23:45:41.5Z"}
    if len(line) % 19 == 0:
        record["log"] = line
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def item_of(path: Path) -> InputFile:
    return InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_recorded_logs(path: Path) -> None:
    if text_log.is_text(path.read_bytes()[:65536]):
        assert_same(item_of(path))


@settings(max_examples=35, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(LINES), st.sampled_from(REQUESTS)), max_size=40),
    st.integers(20, 2000),
)
def test_mixed_lines_in_small_blocks(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], size: int
) -> None:
    path = tmp_path_factory.mktemp("mixed") / "app.log"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "BLOCK_BYTES", size)
        assert_same(item_of(path))


@settings(max_examples=35, deadline=None)
@given(st.data())
def test_lines_of_one_format_with_other_numbers(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Times, durations, sizes and ids of many notations, usual and not."""
    one = data.draw(st.sampled_from(BY_LINE))
    number = re.compile(r"\d+(?:\.\d+)?")

    def changed(found: re.Match[str]) -> str:
        return data.draw(st.sampled_from(NUMBERS)) if data.draw(SELDOM) else found.group()

    samples = [line for sample in one.document.sample for line in sample.lines or [sample.line]]
    lines = data.draw(st.lists(st.sampled_from(samples), min_size=2, max_size=20))
    path = tmp_path_factory.mktemp("one") / "access.log"
    path.write_text("\n".join(number.sub(changed, line) for line in lines), encoding="utf-8")
    assert_same(item_of(path), Config(tz=data.draw(st.sampled_from(["UTC", "Europe/Paris"]))))


@settings(max_examples=35, deadline=None)
@given(st.lists(st.sampled_from(TALK), min_size=2, max_size=60), st.integers(200, 4000))
def test_transcripts(tmp_path_factory: pytest.TempPathFactory, said: list[str], size: int) -> None:
    """Frames of connections that open and close, alone or mixed, and lines of their program."""
    lines = (
        line if line[0] == " " else f"2026-11-22 23:43:{at // 9:02},{at * 7:03} {line}"
        for at, line in enumerate(said)
    )
    path = tmp_path_factory.mktemp("talk") / "server.log"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "BLOCK_BYTES", size)
        assert_same(item_of(path))


@settings(max_examples=35, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(WRAPPERS), st.sampled_from([*REQUESTS, *LINES, *TALK, *RECORDS * 4])
        ),
        max_size=40,
    ),
    st.booleans(),
    st.booleans(),
    st.integers(200, 4000),
)
def test_wrapped_lines(
    tmp_path_factory: pytest.TempPathFactory,
    wrapped: list[tuple[str, str]],
    one: bool,
    docker: bool,
    size: int,
) -> None:
    """Lines and records of containers, of syslog, of both and of none."""
    path = tmp_path_factory.mktemp("wrapped") / "app.log"
    lines = [f"{wrapped[0][0] if one else wrapper}{line}" for wrapper, line in wrapped]
    if docker:
        lines = [in_json_file(line) for line in lines]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "BLOCK_BYTES", size)
        assert_same(item_of(path))
