"""Text logs: alone, mixed, wrapped, torn; and against what clients really saw."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.config import Config
from wsdiag.event import EVENTS
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import text_log
from wsdiag.sources.blocks import block_reader
from wsdiag.sources.formats.line_format import all_formats

REAL = Path(__file__).parents[3] / "shared" / "real-logs"
needs_real_logs = pytest.mark.skipif(not REAL.is_dir(), reason="the recorded logs are not here")
NOT_LINES = {".pcap", ".har", ".cmd", ".json"}
REAL_FILES = (
    sorted(p for p in REAL.glob("*/*") if p.suffix not in NOT_LINES) if REAL.is_dir() else []
)

OPENS_AND_REJECTIONS = [  # (log, client's record, rejections agree too)
    ("uvicorn/uvicorn-websockets-info.log", "", False),
    ("uvicorn/uvicorn-sansio-trace.log", "", False),
    ("uvicorn/uvicorn-0.23-websockets11-debug.log", "", False),
    ("gunicorn/gunicorn-uvicorn.log", "", False),
    ("websockets/websockets-info.log", "", True),
    ("websockets/websockets-debug.log", "", False),
    ("tornado/tornado.log", "", True),
    ("daphne/daphne.log", "", False),
    ("hypercorn/hypercorn.log", "", False),
    ("haproxy-restart/syslog-udp-raw.log", "haproxy-restart/client.jsonl", True),
    ("caddy/access.log", "caddy/client.jsonl", True),
    ("caddy-restart/access.log", "caddy-restart/client.jsonl", True),
    ("apache/access-detail.log", "apache/client.jsonl", False),
]
CLOSE_CODES = [
    "uvicorn/uvicorn-0.23-websockets11-debug.log",
    "uvicorn/uvicorn-websockets-debug.log",
    "uvicorn/uvicorn-sansio-trace.log",
    "websockets/websockets-debug.log",
    "websockets/websockets11-debug.log",
]


@needs_real_logs
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_recorded_log_reads(path: Path) -> None:
    reading = text_log.read(_item(path), Config())
    assert reading.events.schema == EVENTS
    assert reading.unread_lines <= 2


@needs_real_logs
@pytest.mark.parametrize(("log", "record", "rejections"), OPENS_AND_REJECTIONS)
def test_opens_agree_with_the_client(log: str, record: str, rejections: bool) -> None:
    statuses, _ = _client(REAL / (record or log.replace(".log", ".client.jsonl")))
    rows = text_log.read(_item(REAL / log), Config()).events.to_dicts()
    assert sum(row["kind"] == "open" for row in rows) == statuses["101"]
    refused = Counter(str(row["code"]) for row in rows if row["kind"] == "rejected")
    told = {status: n for status, n in statuses.items() if status != "101"}
    if rejections:
        assert refused == told
    else:
        assert refused["403"] <= told["403"]


@needs_real_logs
@pytest.mark.parametrize("log", CLOSE_CODES)
def test_close_codes_agree_with_the_client(log: str) -> None:
    _, received = _client(REAL / log.replace(".log", ".client.jsonl"))
    rows = text_log.read(_item(REAL / log), Config()).events.to_dicts()
    sent = Counter(r["code"] for r in rows if r["kind"] == "close" and r["dir"] == "s2c")
    for code, count in received.items():
        assert 0 <= sent[code] - count <= 1, code


@needs_real_logs
@pytest.mark.parametrize("log", CLOSE_CODES)
def test_keys_are_the_clients(log: str) -> None:
    text = (REAL / log.replace(".log", ".client.jsonl")).read_text()
    keys = text_log.read(_item(REAL / log), Config()).events["key"].drop_nulls().unique()
    assert len(keys) > 20
    assert sum(key in text for key in keys) >= len(keys) - 1


@needs_real_logs
@pytest.mark.parametrize(
    "name", ["journalctl-short.txt", "journalctl-json.txt", "journalctl-cat.txt"]
)
def test_wrappers_give_the_same_events(name: str) -> None:
    rows = text_log.read(_item(REAL / "wrappers" / name), Config()).events
    assert rows["kind"].to_list() == ["open", "close", "error", "open"]


def test_mixed_formats_and_their_vantages(tmp_path: Path) -> None:
    reading = _read(
        tmp_path,
        'INFO:     10.0.0.1:5000 - "WebSocket /ws" [accepted]',
        "2026/11/22 23:45:36 [info] 1#1: *1 upstream timed out (110: Connection timed out) while "
        'proxying upgraded connection, client: 10.0.0.1, server: , request: "GET /ws HTTP/1.1"',
        "[info] [2026-11-22T23:57:32.088Z] Information: Connection disconnected.",
    )
    kinds = list(zip(reading.events["kind"], reading.events["vantage"], strict=True))
    assert kinds == [
        ("open", "server"),
        ("timeout", "proxy"),
        ("end", "proxy"),
        ("close", "client"),
    ]
    assert set(reading.format.split("+")) == {"uvicorn", "nginx-error", "signalr-client"}
    assert reading.stacks == {"uvicorn", "nginx", "signalr"}


@pytest.mark.parametrize(
    ("name", "line", "vantage"),
    [
        ("app.log", "10:00:00 ws closed code=1006", "server"),
        ("browser-console.log", "10:00:00 ws closed code=1006", "client"),
        ("app.log", "10:00:00 websocket closed wasClean=false, reconnect attempt 2", "client"),
    ],
)
def test_who_wrote_an_application_log(tmp_path: Path, name: str, line: str, vantage: str) -> None:
    assert _read(tmp_path, line, name=name).vantage == vantage


def test_no_secret_becomes_a_column(tmp_path: Path) -> None:
    reading = _read(
        tmp_path,
        'INFO:     8.8.8.8:5000 - "WebSocket /ws?token=s3cr3tvalue&user=alice@x.com" [accepted]',
    )
    row = reading.events.row(0, named=True)
    assert row["name"] == "/ws"
    assert row["token"].startswith("token-")
    assert row["user"].startswith("user-")
    assert row["peer"].startswith("ip-")
    assert not {"s3cr3tvalue", "alice", "8.8.8.8"} & set(" ".join(map(str, row.values())).split())
    assert reading.redactions["token"] == 1


def test_port_zero_is_no_peer(tmp_path: Path) -> None:
    reading = _read(tmp_path, 'INFO:     10.0.0.1:0 - "WebSocket /ws" [accepted]')
    assert reading.events["peer"].to_list() == [None]


def test_a_traceback_says_one_thing(tmp_path: Path) -> None:
    reading = _read(
        tmp_path,
        "2026-11-22 23:43:54,227 ERROR websockets.server connection handler failed",
        "Traceback (most recent call last):",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        "websockets.exceptions.ConnectionClosedError: no close frame received or sent",
    )
    ends = reading.events.filter(reading.events["kind"] == "end")
    assert ends["reason"].to_list() == ["eof"]
    assert ends["ts"].null_count() == 0


TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "/srv/boards.py", line 17, in draw',
    "    turn(stroke['angle'])",
)


@pytest.mark.parametrize(
    ("exception", "closed", "told"),
    [
        ("KeyError: 'angle'", "05.109 INFO viewer #4 disconnected code=1011", "KeyError"),
        ("boards.BadStroke", "05.109 INFO viewer #4 disconnected code=1011", "BadStroke"),
        # whatever failed, it closed nothing
        ("KeyError: 'angle'", "05.109 INFO viewer #4 disconnected code=1001", None),
        ("KeyError: 'angle'", "09.109 INFO viewer #4 disconnected code=1011", None),
        # a line of another sort, an exception that tells of the end
        ("INFO: cache warmed", "05.109 INFO viewer #4 disconnected code=1011", None),
        ("BrokenPipeError: [Errno 32]", "05.109 INFO viewer #4 disconnected code=1011", None),
    ],
)
def test_a_traceback_is_of_the_connection_that_is_closed_with_it(
    tmp_path: Path, exception: str, closed: str, told: str | None
) -> None:
    """Though none of its lines says a word of a connection."""
    reading = _read(
        tmp_path,
        "2026-11-22 10:00:00.100 INFO viewer #3 connected to the websocket",
        "2026-11-22 10:00:00.300 INFO viewer #4 connected to the websocket",
        "2026-11-22 10:00:05.100 ERROR could not apply what viewer #4 drew",
        *TRACEBACK,
        exception,
        f"2026-11-22 10:00:{closed}",
    )
    errors = reading.events.filter(pl.col("kind") == "error")
    assert errors.select("pos", "conn", "reason").rows() == (
        [(7, "4", f"raised {told}")] if told else []
    )
    assert reading.lines.read == 8


def test_a_traceback_far_from_any_close_closed_none(tmp_path: Path) -> None:
    reading = _read(
        tmp_path,
        "2026-11-22 10:00:00.100 INFO viewer #3 connected to the websocket",
        *TRACEBACK,
        "ValueError: no such board",
        *("2026-11-22 10:00:00.200 INFO cache warmed" for _ in range(30)),
        "2026-11-22 10:00:00.300 INFO viewer #3 disconnected code=1011",
    )
    assert "error" not in reading.events["kind"].to_list()


NODE = (
    "    at WebSocket.<anonymous> (/srv/app/boards.js:41:27)",
    *(f"    at next{n} (node:internal/x:{n}:1)" for n in range(9)),
)
JAVA = (
    "\tat com.example.Boards.draw(Boards.java:41)",
    *(f"\tat org.example.Chain.next{n}(Chain.java:{n})" for n in range(60)),
)
DOTNET = ("   at Boards.Hub.Draw(String stroke) in /src/Hub.cs:line 41",)


@pytest.mark.parametrize(
    ("exception", "calls", "closed", "told"),
    [
        ("TypeError: stroke is undefined", NODE, "05.109", "TypeError"),
        ("TypeError [ERR_INVALID_ARG_TYPE]: stroke", NODE, "05.109", "TypeError"),
        ("java.lang.NullPointerException: stroke is null", JAVA, "05.109", "NullPointerException"),
        ("com.example.BadStrokeException", JAVA, "05.109", "BadStrokeException"),
        ("System.NullReferenceException: not set", DOTNET, "05.109", "NullReferenceException"),
        # no calls, too long before, an error that tells of the end
        ("TypeError: stroke is undefined", ("INFO drawn",), "05.109", None),
        ("TypeError: stroke is undefined", NODE, "09.109", None),
        ("Error: read ECONNRESET", NODE, "05.109", None),
        ("java.io.EOFException: null", JAVA, "05.109", None),
        ("java.lang.IllegalStateException: the session has been closed", JAVA, "05.109", None),
    ],
)
def test_a_stack_is_of_the_connection_that_is_closed_below_it(
    tmp_path: Path, exception: str, calls: tuple[str, ...], closed: str, told: str | None
) -> None:
    before = (
        "2026-11-22 10:00:00.100 INFO viewer #3 connected to the websocket",
        "2026-11-22 10:00:00.300 INFO viewer #4 connected to the websocket",
    )
    after = f"2026-11-22 10:00:{closed} INFO viewer #4 disconnected code=1011"
    for filler in (0, 2_000):  # line by line, and in columns
        reading = _read(
            tmp_path,
            *before,
            *("2026-11-22 10:00:01.000 INFO drawn" for _ in range(filler)),
            "2026-11-22 10:00:05.100 ERROR could not apply what viewer #4 drew",
            exception,
            *calls,
            after,
        )
        errors = reading.events.filter(
            (pl.col("kind") == "error") & pl.col("reason").str.starts_with("raised")
        )
        assert errors.select("pos", "conn", "reason").rows() == (
            [(4 + filler, "4", f"raised {told}")] if told else []
        )
        assert reading.lines.read == 5 + filler + len(calls)


def test_records_of_two_lines_have_one_time(tmp_path: Path) -> None:
    """As java.util.logging writes them."""
    for filler in (0, 2_000):
        reading = _read(
            tmp_path,
            "Jun 03, 2025 10:00:00 AM org.example.Chat onOpen",
            "INFO: WebSocket session 3 opened",
            *("INFO: drawn" for _ in range(filler)),
            "Jun 03, 2025 10:00:05 AM org.example.Chat onError",
            "WARNING: could not draw",
            "WARNING: will try once more",
            "INFO: WebSocket session 3 closed: 1011",
        )
        times = reading.events["ts"].dt.strftime("%T").to_list()
        assert times == ["10:00:00", "10:00:05"]


def test_a_programs_own_name_joins_its_librarys_lines(tmp_path: Path) -> None:
    reading = _read(
        tmp_path,
        "2026-11-23 09:20:23,538 INFO websockets.server: connection open",
        "2026-11-23 09:20:23,538 INFO app.ws: client connected conn=c273 ip=10.1.0.11:41673",
        "2026-11-23 09:20:23,540 INFO websockets.server: connection open",
        "2026-11-23 09:20:23,540 INFO app.ws: client connected conn=a72c ip=10.1.0.15:59763",
        "2026-11-23 09:20:58,553 INFO websockets.server: connection closed",
        "2026-11-23 09:20:58,554 INFO app.ws: disconnected conn=c273 code=1001",
    )
    rows = reading.events.select("pos", "kind", "conn", "peer", "code").rows()
    assert rows == [
        (1, "open", "c273", "10.1.0.11:41673", None),
        (3, "open", "a72c", "10.1.0.15:59763", None),
        (5, "close", "c273", None, None),
        (6, "close", "c273", None, 1001),
    ]


def test_those_who_come_count_where_the_log_tells_how_they_leave(tmp_path: Path) -> None:
    reading = _read(
        tmp_path,
        "2026-11-22 10:00:00 INFO visitor 7 came in, board=a",
        "2026-11-22 10:00:03 INFO visitor 8 came in, shop=b",
        "2026-11-22 10:00:09 INFO visitor 7 left, code=1001",
    )
    rows = reading.events.select("kind", "conn", "reason").rows()
    assert rows == [("open", "7", None), ("close", "7", None)]


def test_a_refusal_on_a_path_that_opens_is_a_handshakes(tmp_path: Path) -> None:
    line = '10.4.1.2 - - [22/Nov/2026:23:45:{:02} +0000] "GET {} HTTP/1.1" {} 26 "-" "Mozilla/5.0"'
    asked = [("/stream?v=2", 403), ("/admin", 403), ("/", 403), ("/stream", 101), ("/", 101)]
    lines = [line.format(n, *each) for n, each in enumerate(asked)]
    reading = _read(tmp_path, *lines)
    rows = reading.events.filter(kind="rejected").select("code", "name", "reason").rows()
    assert rows == [(403, "/stream", None)]
    assert _read(tmp_path, *lines[:3]).events.is_empty()


def test_lines_without_an_id_stay_without_while_several_can_be_meant(tmp_path: Path) -> None:
    opened = 'INFO:     10.0.0.1:{} - "WebSocket /ws" [accepted]'
    closed = "INFO:     connection closed"
    reading = _read(
        tmp_path, opened.format(1), opened.format(2), closed, closed, opened.format(3), closed
    )
    assert reading.events["conn"].to_list() == ["@1", "@2", None, None, "@5", "@5"]


def test_klog_lines_of_other_programs_are_not_the_ingress_controllers(tmp_path: Path) -> None:
    line = "E1122 10:00:01.123456       1 proxy.go:52] websocket: close 1006 (abnormal closure)"
    assert _read(tmp_path, line).events["code"].to_list() == [1006]


def test_an_engine_io_session_id_is_shown_as_a_pseudonym(tmp_path: Path) -> None:
    line = '2026-11-22T23:48:12.259Z engine handshaking client "v1YdnoyJgKQpQik9AAAA"'
    reading = _read(tmp_path, line)
    assert reading.events["conn"][0].startswith("session-")
    assert reading.redactions["session"] == 1


@pytest.mark.parametrize("silent", ["2026-03-04 10:05:00 cache warmed", "10:05:00.000 [info] up"])
def test_the_last_words_of_a_process_lie_before_the_next_line(tmp_path: Path, silent: str) -> None:
    reading = _read(
        tmp_path,
        "2026-03-04 10:00:00 ws connected 10.0.0.9:50001",
        "panic: runtime error: invalid memory address",
        "goroutine 41 [running]:",
        silent,
        "2026-03-04 10:05:02 ws connected 10.0.0.9:50002",
    )
    stop = reading.events.filter(reading.events["kind"] == "server_stop")
    assert [f"{at:%H:%M:%S}" for at in stop["ts"]] == ["10:05:00"]


def test_last_words_at_the_end_have_the_time_before(tmp_path: Path) -> None:
    lines = ("2026-03-04 10:00:00 ws connected 10.0.0.9:50001", "panic: boom")
    assert _read(tmp_path, *lines).events["ts"].n_unique() == 1


def test_a_fault_known_by_its_words_is_found_in_a_long_reason(tmp_path: Path) -> None:
    line = (
        "2026-03-04 10:00:00 ERROR ws connection error: the loop of the listener on port 9100"
        " with 812 clients connected could not go on and is going to sleep for 5 ms: accept4:"
        " too many open files"
    )
    reasons = _read(tmp_path, line).events["reason"].drop_nulls()
    assert reasons.str.contains("too many open files").any()
    assert reasons.str.len_bytes().max() <= 123


def test_broken_lines_are_counted(tmp_path: Path) -> None:
    line = '10.0.0.1 - - [22/Nov/2026:23:45:39 +0000] "GET /ws HTTP/1.1" 101 26 "-" "x"'
    reading = _read(tmp_path, *[line] * 20, line[:40])
    assert reading.events.height == 40
    assert reading.unread_lines == 1


def test_bytes_of_all_kinds(tmp_path: Path) -> None:
    line = b'INFO:     10.0.0.1:5000 - "WebSocket /ws" [accepted]\r\n'
    path = tmp_path / "app.log"
    path.write_bytes(b"\xff\xfe bad\n" + b"nul \x00\n" + b"x" * 3_000_000 + b"\n" + line)
    reading = text_log.read(_item(path), Config())
    assert reading.events["pos"].to_list() == [4]
    assert reading.unread_lines == 2
    assert len(reading.remarks) == 3


def test_many_rows_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_reader, "ROWS_PER_BATCH", 3)
    line = "2026-11-22T23:45:36Z ws closed code=1006"
    assert _read(tmp_path, *[line] * 10).events["pos"].to_list() == list(range(1, 11))


def test_sniff() -> None:
    assert text_log.sniff(b"hello\nworld\n", "a.log") == 0.1
    assert text_log.sniff(b'1.1.1.1 - - [x] "GET / HTTP/1.1" 200 1 "-" "-"\n', "a.log") == 0.5
    assert text_log.sniff(b"\x00\x01\x02" * 100, "a.bin") == 0
    assert text_log.sniff(bytes(range(1, 32)) * 10, "a.bin") == 0
    assert text_log.sniff(b"# Incident\n## WebSocket Debug: x\n", "report.md") == 0
    assert text_log.sniff(b"", "empty.log") == 0


SAMPLES = [
    (made, sample)
    for made in all_formats()
    for sample in made.document.sample
    if not made.document.anonymous and sample.line and sample.events
    # What counts only where no other line tells the like is told by others here.
    if not made.document.fallback and made.id != "haproxy-tcplog"
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SAMPLES), min_size=2, max_size=6))
def test_interleaved_formats_give_the_union(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[object, object]]
) -> None:
    lines = [sample.line for _, sample in chosen]  # type: ignore[attr-defined]
    mixed = _read(tmp_path_factory.mktemp("mixed"), *lines).events
    for pos, (_, sample) in enumerate(chosen, 1):
        rows = mixed.filter(mixed["pos"] == pos)
        expected = [event["kind"] for event in sample.events]  # type: ignore[attr-defined]
        assert rows["kind"].to_list() == expected


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.log"
    path.write_bytes(content)
    text_log.read(_item(path), Config())
    text_log.sniff(content, "x.log")


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_torn_and_mangled_lines(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random
) -> None:
    lines = []
    for _ in range(8):
        _, sample = chance.choice(SAMPLES)
        start = chance.randrange(len(sample.line))
        piece = sample.line[chance.choice([0, start]) : chance.choice([start, len(sample.line)])]
        lines.append(piece.replace(chance.choice('0123456789:" '), chance.choice('9-x"{\u202e')))
    _read(tmp_path_factory.mktemp("torn"), *lines)


def test_an_access_log_is_read_fast(tmp_path: Path) -> None:
    plain = (
        '10.0.0.1 - - [22/Nov/2026:23:45:39 +0000] "GET /a.js HTTP/1.1" 200 2612 "-" '
        '"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"'
    )
    path = tmp_path / "access.log"
    path.write_text((plain + "\n") * 20_000)
    begun = time.process_time()
    text_log.read(_item(path), Config())
    assert path.stat().st_size / (time.process_time() - begun) > 2_000_000  # on a busy machine


def _client(path: Path) -> tuple[Counter[str], Counter[int]]:
    """What the client saw: statuses of handshakes, codes of Close frames."""
    statuses: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record.get("ev") == "response":
            statuses[[*record["status"].split(), "", ""][1]] += 1
        elif record.get("ev") == "close_frame_received":
            codes[record["code"]] += 1
    return statuses, codes


def _item(path: Path) -> InputFile:
    return InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size)


def _read(folder: Path, *lines: str, name: str = "app.log") -> Reading:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    return text_log.read(_item(path), Config())
