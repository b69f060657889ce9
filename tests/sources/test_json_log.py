"""JSON lines of any library, wrappers in JSON, and what stands torn among them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import json_log
from wsdiag.sources.line import json_record


@pytest.mark.parametrize(
    "record",
    [
        {"time": 1795391723016, "level": 30, "msg": "ws closed", "code": 1006},
        {"ts": 1795391723.016, "msg": "ws closed", "code": 1006},
        {"timestamp": "2026-11-22T23:55:23.016Z", "event": "ws closed", "code": 1006},
        {"asctime": "2026-11-22 23:55:23,016", "message": "ws closed", "code": 1006},
        {"@timestamp": "2026-11-22T23:55:23.016Z", "message": "ws closed", "ws": {"code": 1006}},
        {"expires_time": 1895392523, "ts_unix": 1795391723.016, "event": "ws closed", "code": 1006},
        {"clock": "2026-11-22T23:55:23.016Z", "line": "north", "what": "ws closed", "code": 1006},
        {
            "expires_at": "2026-11-23T23:55:23.016Z",
            "seen": "2026-11-22T23:55:23.016Z",
            "what": "ws closed",
            "code": 1006,
        },
    ],
)
def test_records_of_many_libraries(tmp_path: Path, record: dict[str, object]) -> None:
    rows = _read(tmp_path, json.dumps(record)).events.to_dicts()
    assert [(r["kind"], r["code"], r["pos"]) for r in rows] == [("close", 1006, 1)]
    assert rows[0]["ts"].isoformat() == "2026-11-22T23:55:23.016000+00:00"


def test_docker_wraps_text_and_splits_long_lines(tmp_path: Path) -> None:
    line = 'INFO:     127.0.0.1:52794 - "WebSocket /ws/echo" [accepted]\n'
    parts = [
        {"log": part, "stream": "stderr", "time": "2026-11-22T23:45:36.1Z"}
        for part in (line[:30], line[30:])
    ]
    reading = _read(tmp_path, "\n".join(map(json.dumps, parts)))
    row = reading.events.row(0, named=True)
    assert (row["kind"], row["peer"], row["pos"]) == ("open", "127.0.0.1:52794", 2)
    assert row["ts"].isoformat() == "2026-11-22T23:45:36.100000+00:00"
    assert reading.format == "uvicorn"


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        (["connect", "open", "close"], ["attempt", "open", "end"]),
        (["connect", "close"], ["open", "end"]),
        (["open", "connect", "close"], ["open", "open", "end"]),  # as socket.io's manager tells
        (["connect", "open", "close"] * 2, ["attempt", "open", "end"] * 2),
        (["connect"], ["attempt"]),
    ],
)
def test_connect_is_a_try_or_an_opening(tmp_path: Path, told: list[str], kinds: list[str]) -> None:
    """In some clients' words it is told when they begin to, in others' when they have."""
    lines = [
        json.dumps({"ts": 1795391723.0 + n, "ev": event, "conn": "c1", "ws": True})
        for n, event in enumerate(told)
    ]
    assert _read(tmp_path, "\n".join(lines)).events["kind"].to_list() == kinds


@pytest.mark.parametrize("message", ["text", [27, 91, 51, 50, 109], None])
def test_journald_wraps_text_and_bytes(tmp_path: Path, message: object) -> None:
    line = 'INFO:     127.0.0.1:52794 - "WebSocket /ws/echo" [accepted]'
    if message == "text":
        message = line
    elif isinstance(message, list):
        message = [*message, *line.encode()]
    record = {"__REALTIME_TIMESTAMP": "1795391433906000", "MESSAGE": message}
    rows = _read(tmp_path, json.dumps(record)).events
    assert rows["kind"].to_list() == (["open"] if message else [])


def test_opentelemetry_records_alone_and_in_an_export(tmp_path: Path) -> None:
    attributes = [
        {"key": "conn.id", "value": {"stringValue": "c7"}},
        {"key": "ws.close_code", "value": {"intValue": "4401"}},
    ]
    record = {
        "timeUnixNano": "1795391433906000000",
        "body": {"stringValue": "websocket closed"},
        "attributes": attributes,
    }
    scope = {"scope": {"name": "gateway"}, "logRecords": [record, record]}
    export = {"resourceLogs": [{"resource": {}, "scopeLogs": [scope]}]}
    rows = _read(tmp_path, f"{json.dumps(record)}\n{json.dumps(export)}").events.to_dicts()
    assert [(r["pos"], r["conn"], r["code"]) for r in rows] == [
        (1, "c7", 4401),
        (2, "c7", 4401),
        (2, "c7", 4401),
    ]
    assert {r["ts"].isoformat() for r in rows} == {"2026-11-22T23:50:33.906000+00:00"}


def test_torn_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    good = json.dumps({"time": "2026-11-22T23:55:23Z", "msg": "ws closed", "code": 1006})
    reading = _read(tmp_path, f"{good}\n{good[:30]}\nplain words\n[1, 2]\n{{}}\n{good}")
    assert reading.events["pos"].to_list() == [1, 6]
    assert reading.unread_lines == 1


def test_records_spread_over_lines(tmp_path: Path) -> None:
    record = {
        "timestamp": "2026-11-22T23:55:23Z",
        "body": "ws closed",
        "attributes": {"code": 1006},
    }
    text = json.dumps(record, indent=4)
    reading = _read(tmp_path, f"{text}\n{text}\n{{\nheaders: {{}},\n}}\n{{\n  1,")
    size = text.count("\n") + 1
    assert reading.events["code"].to_list() == [1006, 1006]
    assert reading.events["pos"].to_list() == [size, 2 * size]


def test_sniff() -> None:
    line = json.dumps({"msg": "x"}).encode()
    assert json_log.sniff(line + b"\n" + line, "app.log") == 0.8
    assert json_log.sniff(b"plain\ntext\n" + line, "app.log") == 0
    assert json_log.sniff(b"", "app.log") == 0
    assert json_log.sniff(b'{"schema":"wsdiag.report/1"}\n', "report.json") == 0


def test_flatten_is_bounded() -> None:
    deep: dict[str, object] = {}
    for _ in range(50):
        deep = {"a": deep, "b": 1}
    wide = {f"k{n}": n for n in range(5000)}
    assert len(json_record.flatten(deep)) <= json_record.MAX_DEPTH + 1
    assert len(json_record.flatten(wide)) == json_record.MAX_FIELDS


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    ["time", "ts", "msg", "log", "stream", "MESSAGE", "code", "status", "logger"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(_KEYS, _JSON), max_size=4))
def test_any_records(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]]
) -> None:
    text = "\n".join(json.dumps(record) for record in records)
    _read(tmp_path_factory.mktemp("json"), text)


def _read(folder: Path, text: str) -> Reading:
    path = folder / "app.jsonl"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    item = InputFile(name="app.jsonl", path=path, sha256="", bytes=path.stat().st_size)
    reading = json_log.read(item, Config())
    assert reading.events.select(pl.col("vantage").null_count()).item() == 0
    return reading
