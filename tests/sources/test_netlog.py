"""NetLogs as events."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.config import Config
from wsdiag.event import EVENTS
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import netlog

RECORDED = Path(__file__).parents[3] / "shared" / "real-logs" / "chromium"
TYPES = [
    *("REQUEST_ALIVE", "HTTP_STREAM_REQUEST_BOUND_TO_JOB", "SOCKET_POOL_BOUND_TO_SOCKET"),
    *("TCP_CONNECT", "SOCKET_ALIVE", "SOCKET_BYTES_RECEIVED", "SOCKET_BYTES_SENT"),
    *("SOCKET_READ_ERROR", "HTTP_TRANSACTION_SEND_REQUEST_HEADERS", "WEBSOCKET_UPGRADE_FAILURE"),
    *("HTTP_TRANSACTION_READ_RESPONSE_HEADERS", "WEBSOCKET_INVALID_FRAME"),
    *("WEBSOCKET_SENT_FRAME_HEADER", "WEBSOCKET_RECV_FRAME_HEADER"),
]
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
REQUEST, JOB, SOCKET = 95, 97, 99
Step = tuple[str, int, int, dict[str, Any]]
"""Type, source, phase and parameters of an event; one is logged each millisecond."""


def begin(url: str = "wss://example.test/ws?user=alice&token=s3cr3tvalue") -> list[Step]:
    headers = ["Host: example.test", "Cookie: sid=s3cr3tvalue", f"Sec-WebSocket-Key: {KEY}"]
    return [
        ("REQUEST_ALIVE", REQUEST, 1, {"url": url}),
        ("TCP_CONNECT", SOCKET, 2, {"local_address": "10.0.0.7:50006"}),
        ("SOCKET_POOL_BOUND_TO_SOCKET", JOB, 0, {"source_dependency": {"id": SOCKET}}),
        ("HTTP_STREAM_REQUEST_BOUND_TO_JOB", REQUEST, 0, {"source_dependency": {"id": JOB}}),
        ("HTTP_TRANSACTION_SEND_REQUEST_HEADERS", REQUEST, 0, {"headers": headers}),
    ]


def opened() -> list[Step]:
    answer = {"headers": ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket"]}
    return [
        *begin(),
        ("HTTP_TRANSACTION_READ_RESPONSE_HEADERS", REQUEST, 0, answer),
        ("REQUEST_ALIVE", REQUEST, 2, {"net_error": -173}),
    ]


def received(opcode: int, size: int) -> Step:
    return (
        "WEBSOCKET_RECV_FRAME_HEADER",
        REQUEST,
        0,
        {"opcode": opcode, "payload_length": size, "final": True, "masked": False},
    )


def sent(opcode: int, size: int) -> Step:
    return ("WEBSOCKET_SENT_FRAME_HEADER", REQUEST, 0, received(opcode, size)[3])


def chunk(side: str, data: bytes) -> Step:
    params = {"byte_count": len(data), "bytes": base64.b64encode(data).decode()}
    return f"SOCKET_BYTES_{side}", SOCKET, 0, params


def written(steps: list[Step], numbered_from: int = 1) -> bytes:
    """A NetLog as Chrome lays it out; its types have any numbers."""
    numbers = {name: numbered_from + 3 * i for i, name in enumerate(TYPES)}
    constants = {
        "logEventTypes": numbers,
        "logEventPhase": {"PHASE_BEGIN": 1, "PHASE_END": 2, "PHASE_NONE": 0},
        "netError": {"ERR_CONNECTION_RESET": -101, "ERR_CONNECTION_REFUSED": -102},
        "timeTickOffset": 1795390227578,
    }
    lines = [
        json.dumps(
            {
                "params": params,
                "phase": phase,
                "source": {"id": source, "start_time": "1", "type": 1},
                "time": str(1000 + at),
                "type": numbers[name],
            }
        )
        for at, (name, source, phase, params) in enumerate(steps)
    ]
    head = json.dumps({"constants": constants})[:-1]
    body = ",\n".join(lines)
    return f'{head},\n"events": [\n{body}],\n"polledData": [{{}}]\n}}\n'.encode()


def read(data: bytes, folder: Path) -> Reading:
    path = folder / "net-export.json"
    path.write_bytes(data)
    return netlog.read(as_input(path), Config())


def as_input(path: Path) -> InputFile:
    return InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size)


def told(reading: Reading, *columns: str) -> list[tuple[object, ...]]:
    return reading.events.select(columns).rows()


@pytest.mark.parametrize("numbered_from", [1, 700])
def test_a_connection(tmp_path: Path, numbered_from: int) -> None:
    """Address, key and codes come from the events, whatever numbers this version gives them."""
    closing = b"\x88\x0b" + (1011).to_bytes(2) + b"unexpected"[:9]
    masked = b"\x88\x82\x01\x02\x03\x04" + bytes([0x03 ^ 1, 0xF3 ^ 2])
    steps = [
        *opened(),
        sent(1, 12),
        received(9, 4),
        sent(10, 4),
        chunk("RECEIVED", b"\x81\x02hi" + closing),
        received(1, 2),
        received(8, 11),
        sent(8, 2),
        chunk("SENT", masked),
        ("SOCKET_BYTES_RECEIVED", SOCKET, 0, {"byte_count": 0}),
        ("SOCKET_ALIVE", SOCKET, 2, {}),
    ]
    reading = read(written(steps, numbered_from), tmp_path)
    assert reading.format == "netlog"
    assert reading.remarks == ()
    assert told(reading, "kind", "dir", "code", "bytes", "reason") == [
        ("attempt", None, None, None, None),
        ("open", "s2c", 101, None, None),
        ("message", "c2s", None, 12, None),
        ("ping", "s2c", None, 4, None),
        ("pong", "c2s", None, 4, None),
        ("message", "s2c", None, 2, None),
        ("close", "s2c", 1011, 11, "unexpecte"),
        ("close", "c2s", 1011, 2, None),
        ("end", "s2c", None, None, "fin"),
    ]
    first = reading.events.row(0, named=True)
    assert (first["peer"], first["key"], first["name"]) == ("10.0.0.7:50006", KEY, "/ws")
    assert reading.events["ms"].drop_nulls().to_list() == [5.0]
    assert reading.events["conn"].n_unique() == 1
    assert "s3cr3tvalue" not in reading.events.write_csv()


def test_without_bytes_no_code_is_claimed(tmp_path: Path) -> None:
    """The default capture mode keeps no payload; an empty Close frame has no code all the same."""
    reading = read(written([*opened(), received(8, 5), sent(8, 0)]), tmp_path)
    closes = reading.events.filter(pl.col("kind") == "close")
    assert closes["code"].to_list() == [None, 1005]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (("SOCKET_READ_ERROR", SOCKET, 0, {"net_error": -101}), ("end", "s2c", "rst")),
        (("SOCKET_ALIVE", SOCKET, 2, {}), ("end", "c2s", "fin")),
        (received(9, 0), ("end", None, "evidence-stops")),
    ],
)
def test_how_the_socket_ends(tmp_path: Path, step: Step, expected: tuple[object, ...]) -> None:
    reading = read(written([*opened(), step]), tmp_path)
    assert told(reading, "kind", "dir", "reason")[-1] == expected
    assert reading.events.filter(pl.col("kind") == "end").height == 1


@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        (
            (
                "WEBSOCKET_UPGRADE_FAILURE",
                REQUEST,
                0,
                {"message": "Error during WebSocket handshake: Unexpected response code: 403"},
            ),
            "rejected",
            403,
        ),
        (("REQUEST_ALIVE", REQUEST, 2, {"net_error": -102}), "refused", None),
        (("REQUEST_ALIVE", REQUEST, 2, {"net_error": -9999}), "error", None),
    ],
)
def test_a_failed_handshake(tmp_path: Path, step: Step, kind: str, code: int | None) -> None:
    """It fails once, though the request's own end repeats it, and never ends."""
    again: Step = ("REQUEST_ALIVE", REQUEST, 2, {"net_error": -320})
    reading = read(written([*begin(), step, again]), tmp_path)
    assert told(reading, "kind", "code") == [("attempt", None), (kind, code)]


def test_requests_that_are_no_websocket_are_passed_over(tmp_path: Path) -> None:
    reading = read(written(begin("https://example.test/")), tmp_path)
    assert reading.events.is_empty()


def test_a_file_formatted_again(tmp_path: Path) -> None:
    data = written([*opened(), received(9, 0)])
    again = json.dumps(json.loads(data), indent=1).encode()
    assert read(again, tmp_path).events.equals(read(data, tmp_path).events)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_file_that_is_cut_tells_what_it_has(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut anywhere, the events before the cut are those of the whole, and the cut is told."""
    folder = tmp_path_factory.mktemp("cut")
    whole = written([*opened(), sent(1, 3), received(1, 3), received(8, 0)])
    end = whole.index(b'],\n"polledData"')
    cut = read(whole[: data.draw(st.integers(0, end))], folder)
    all_rows = read(whole, folder).events.filter(pl.col("kind") != "end")
    rows = cut.events.filter(pl.col("kind") != "end")
    names = ["ts", "pos", "kind", "dir", "code", "bytes"]
    assert rows.select(names).equals(all_rows.select(names).head(rows.height))
    assert cut.remarks


HOSTILE = [
    b'{"params":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b'},"time":"1","type":1},\n',
    b'{"type":"x","source":7,"time":[]},\n',
    b'{"type":1,"source":{"id":95},"time":"1","params":[1]},\n',
    b"\xff\xfe\x00 no json\n",
    b'"' + b"x" * (9 * 2**20) + b'",\n',
]


@pytest.mark.parametrize("bad", HOSTILE, ids=range(len(HOSTILE)))
def test_what_cannot_be_read_is_counted(tmp_path: Path, bad: bytes) -> None:
    good = written([*opened(), received(9, 0)])
    mark = b'"events": [\n'
    reading = read(good.replace(mark, mark + bad), tmp_path)
    assert reading.unread_lines == 1
    assert reading.remarks
    assert told(reading, "kind")[-2:] == [("ping",), ("end",)]


@pytest.mark.parametrize("value", [None, 10**30, -(10**30), "x", [], {"id": []}, 1.5, True])
def test_wrong_types_harm_nothing(tmp_path: Path, value: object) -> None:
    """Every parameter of every event may be anything."""
    steps = [*opened(), received(8, 5), chunk("RECEIVED", b"x"), sent(8, 5), chunk("SENT", b"x")]
    spoilt = [
        (name, source, phase, dict.fromkeys(params, value)) for name, source, phase, params in steps
    ]
    for at in range(len(steps)):
        reading = read(written([*steps[:at], spoilt[at], *steps[at + 1 :]]), tmp_path)
        assert reading.events.schema == EVENTS


def test_an_excerpt_shows_neither_payload_nor_cookies(tmp_path: Path) -> None:
    path = tmp_path / "net-export.json"
    path.write_bytes(written([*opened(), chunk("SENT", b"s3cr3tvalue")]))
    shown = netlog.excerpt(as_input(path), [5, 8])
    assert KEY in shown[5]
    assert "Cookie" not in shown[5]
    assert "bytes=" not in shown[8]
    assert shown[5].startswith("HTTP_TRANSACTION_SEND_REQUEST_HEADERS ")  # what it is comes first
    assert sorted(netlog.excerpt(as_input(path), [2], context=1)) == [1, 2, 3]


@pytest.mark.parametrize("head", [b"", b"{}", b'{"log":{"entries":[]}}', b"constants", b"\x00\x01"])
def test_other_files_are_not_taken(head: bytes) -> None:
    assert netlog.sniff(head, "net-export.json") == 0
    assert netlog.sniff(written([]), "x") == 1


@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not at hand")
def test_recorded_in_chromium() -> None:
    """Codes as `onclose` told them; the other recording was cut by a killed browser."""
    reading = netlog.read(as_input(RECORDED / "netlog-playwright.json"), Config())
    closes = reading.events.filter(kind="close", dir="s2c").drop_nulls("code")
    assert closes["code"].to_list()[:11] == [
        *(1000, 1005, 3001, 1000, 1001, 1008, 1011, 1012, 1013, 4401, 1005)
    ]
    assert reading.events.filter(kind="rejected")["code"].to_list() == [403, 401, 200, 302, 503]
    assert reading.events.filter(kind="end", reason="rst").height == 1
    cut = netlog.read(as_input(RECORDED / "netlog-default-capture.json"), Config())
    assert cut.remarks == ("cut short: the browser did not end its log",)
    assert cut.events.filter(kind="open").height == 23
