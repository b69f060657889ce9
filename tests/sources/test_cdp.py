"""Logs of DevTools events: connections, messages, failed handshakes, and what is no such log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wsdiag.config import Config
from wsdiag.evidence import Reading, collect
from wsdiag.sources import cdp, choose, json_log

KEY = "CrV7B6hwtdr56hkOQvofaA=="
SECRET = "s3cr3t-t0ken-value-0123456789"
WALL = 1795391433.912381


def event(what: str, conn: str = "7.2", **params: Any) -> dict[str, Any]:
    return {"method": f"Network.webSocket{what}", "params": {"requestId": conn, **params}}


def handshake(conn: str = "7.2", at: float = 100.0, status: int = 101) -> list[dict[str, Any]]:
    asked = {"headers": {"Sec-WebSocket-Key": KEY, "Cookie": f"session={SECRET}"}}
    told = [
        event("Created", conn, url=f"ws://live.example.com/live?token={SECRET}"),
        event("WillSendHandshakeRequest", conn, timestamp=at, wallTime=WALL, request=asked),
    ]
    if status:
        answer = {"status": status, "headers": {}}
        told.append(event("HandshakeResponseReceived", conn, timestamp=at + 0.02, response=answer))
    return told


def frame(way: str, text: str, at: float, opcode: int = 1, conn: str = "7.2") -> dict[str, Any]:
    response = {"opcode": opcode, "mask": way == "Sent", "payloadData": text}
    return event(f"Frame{way}", conn, timestamp=at, response=response)


def read(tmp_path: Path, *lines: dict[str, Any] | str) -> Reading:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(it if isinstance(it, str) else json.dumps(it) for it in lines))
    with collect([str(file)]) as found:
        (item,) = found.inputs
        assert choose(item) is cdp
        return cdp.read(item, Config())


def frame_of(reading: Reading) -> pl.DataFrame:
    return reading.events.lazy().collect()


def test_a_connection_from_handshake_to_end(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        *handshake(),
        frame("Sent", '{"type": "chat.message", "id": "m-1"}', 101.0),
        frame("Received", '{"type": "chat.message.ack", "id": "m-1"}', 101.1),
        frame("Received", "AAEC", 101.2, opcode=2),
        event("Closed", timestamp=130.5),
    )
    told = frame_of(reading)
    assert told["kind"].to_list() == ["attempt", "open", "message", "message", "message", "end"]
    assert told["dir"].to_list() == [None, "s2c", "c2s", "s2c", "s2c", None]
    assert told["key"].drop_nulls().unique().to_list() == [KEY]
    assert told["trace"].drop_nulls().to_list() == ["m-1", "m-1"]
    assert told["bytes"].to_list()[-2] == 3
    assert told["name"].to_list()[0] == "/live"
    assert told["vantage"].unique().to_list() == ["client"]
    assert told["ts"].dt.epoch("us").to_list()[0] == pytest.approx(WALL * 1e6, abs=1)
    assert told["ts"].dt.epoch("us").to_list()[-1] == pytest.approx((WALL + 30.5) * 1e6, abs=1)
    assert told["ms"].drop_nulls().to_list() == [pytest.approx(20, abs=0.01)]


def test_no_secret_is_in_the_events(tmp_path: Path) -> None:
    told = frame_of(read(tmp_path, *handshake()))
    assert SECRET not in told.write_csv()
    assert told["token"].drop_nulls().n_unique() == 1


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        ("Error during WebSocket handshake: Unexpected response code: 403", "rejected", 403),
        ("net::ERR_CONNECTION_REFUSED", "refused", None),
        ("Error in connection establishment: net::ERR_NAME_NOT_RESOLVED", "error", None),
    ],
)
def test_a_handshake_that_fails(tmp_path: Path, message: str, kind: str, code: int | None) -> None:
    told = frame_of(
        read(
            tmp_path,
            *handshake(status=0),
            event("FrameError", timestamp=100.1, errorMessage=message),
            event("Closed", timestamp=100.2),
        )
    )
    assert told["kind"].to_list() == ["attempt", kind]
    assert told["code"].to_list()[-1] == code


def test_a_connection_that_lives_ends_with_the_evidence(tmp_path: Path) -> None:
    told = frame_of(read(tmp_path, *handshake()))
    assert told["reason"].to_list()[-1] == "evidence-stops"


def test_over_http_2_the_answer_is_200(tmp_path: Path) -> None:
    assert "open" in frame_of(read(tmp_path, *handshake(status=200)))["kind"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda it: {"m": it["method"], "p": it["params"], "t": "2026-11-22T23:50:34.095Z"},
        lambda it: {
            "level": "INFO",
            "timestamp": 1795391434000,
            "message": json.dumps({"message": it, "webview": "F00"}),
        },
    ],
)
def test_other_names_for_the_same(tmp_path: Path, wrap: Any) -> None:
    told = frame_of(read(tmp_path, *map(wrap, [*handshake(), event("Closed", timestamp=110)])))
    assert told["kind"].to_list() == ["attempt", "open", "end"]


@pytest.mark.parametrize(
    "line",
    [
        '{"method": "Network.webSocketFrameSent", "params": []}',
        '{"method": "Network.webSocketFrameSent", "params": {"requestId": 7, "timestamp": "x"}}',
        '{"method": "Network.webSocketHandshakeResponseReceived", "params": {"response": 5}}',
        '{"method": "Network.webSocketClosed", "params": {"timestamp": 1e308}}',
        '{"method": "Network.webSocketFrameReceived", "params": {"response": {"opcode": 1e30}}}',
        "[" * 5000,
        '{"a":' * 5000,
        '{"method": "Network.webSo',
        "\x00\xff",
    ],
)
def test_what_is_malformed_is_counted_or_passed_over(tmp_path: Path, line: str) -> None:
    reading = read(tmp_path, *handshake(), line)
    assert frame_of(reading)["kind"].to_list()[:2] == ["attempt", "open"]


def test_a_log_of_an_application_is_none(tmp_path: Path) -> None:
    file = tmp_path / "app.jsonl"
    file.write_text('{"method": "GET", "msg": "client connected", "conn": "a1"}\n' * 3)
    with collect([str(file)]) as found:
        assert choose(found.inputs[0]) is json_log
