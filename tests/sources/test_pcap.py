"""Captures as events."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag import redact
from wsdiag.config import Config
from wsdiag.event import EVENTS
from wsdiag.evidence import InputFile, Reading, collect
from wsdiag.sources import pcap

sys.path.append(str(Path(__file__).parents[1] / "capture"))
import craft
from craft import ACK, C2S, FIN, RST, S2C, SYN, Wire, close, frame

ROOT = Path(__file__).parents[2]
FIXTURES = sorted(ROOT.glob("fixtures/*/evidence/*.pcap*"))
OVER_HTTP2 = ROOT / "fixtures/multiplexed-idle-cut/evidence/wire.pcapng"
RECORDED = ROOT.parent / "shared" / "real-logs"
STACK = RECORDED / "stack" / "stack.pcap"
BEGIN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # craft.START
CONN = "10.0.0.1:40000-10.0.0.2:8080"

recorded = pytest.mark.skipif(
    not STACK.is_file(), reason="the recorded proxies are not beside the checkout"
)


def as_input(path: Path) -> InputFile:
    return InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size)


def read(data: bytes, folder: Path) -> Reading:
    path = folder / "wire.pcap"
    path.write_bytes(data)
    return pcap.read(as_input(path), Config())


def rows(wire: Wire, folder: Path, *columns: str) -> list[tuple[Any, ...]]:
    chosen = columns or ("kind", "pos", "dir")
    return read(wire.pcap(), folder).events.select(chosen).rows()


def test_a_connection_from_its_syn_to_its_end(tmp_path: Path) -> None:
    wire = Wire().handshake("/ws?user=alice", "X-Request-ID: r-17\r\n")
    wire.send(C2S, frame(1, b'{"type":"order","id":7,"topic":"orders:42"}', side=C2S))
    wire.send(S2C, frame(9, b"\x01\x02"))
    wire.send(C2S, frame(10, b"\x01\x02", side=C2S))
    wire.send(S2C, close(4401, "token expired"))
    wire.packet(S2C, FIN | ACK)
    wire.packet(C2S, RST)
    reading = read(wire.pcap(), tmp_path)
    assert (reading.format, reading.vantage, reading.remarks) == ("pcap", "network", ())
    assert reading.events.schema == EVENTS
    shown = [
        {name: value for name, value in row.items() if value is not None}
        for row in reading.events.drop("vantage", "source").iter_rows(named=True)
    ]
    who = {
        "conn": CONN,
        "key": craft.KEY,
        "peer": "10.0.0.1:40000",
        "user": redact.user("alice"),
        "name": "/ws",
        "trace": "r-17",
    }

    def at(pos: int, kind: str, **columns: object) -> dict[str, object]:
        return {
            "ts": BEGIN + timedelta(milliseconds=pos),
            "pos": pos,
            "conn": CONN,
            "kind": kind,
            **columns,
        }

    assert shown == [
        at(1, "attempt", **who),
        at(5, "open", dir="s2c", code=101, ms=4.0, **who),
        at(6, "message", dir="c2s", bytes=43, name="order", topic="orders:42", trace="7"),
        at(7, "ping", dir="s2c", bytes=2, trace="0102"),
        at(8, "pong", dir="c2s", bytes=2, trace="0102", ms=1.0),
        at(9, "close", dir="s2c", code=4401, reason="token expired", bytes=15),
        at(10, "end", dir="s2c", reason="fin"),
        at(11, "end", dir="c2s", reason="rst"),
    ]
    assert set(reading.events["source"]) == {"wire.pcap"}


def test_a_connection_that_outlives_the_capture(tmp_path: Path) -> None:
    wire, later = Wire().handshake(), Wire(client=("10.0.0.9", 9))
    later.ts = wire.ts + 60_000_000
    later.packet(C2S)
    wire.packets += later.packets
    assert rows(wire, tmp_path)[-1] == ("end", 6, None)
    assert rows(wire, tmp_path, "reason", "ts")[-1] == (
        "evidence-stops",
        BEGIN + timedelta(microseconds=later.ts - craft.START),
    )


def test_refused(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, RST | ACK, at=0)
    assert rows(wire, tmp_path, "kind", "pos", "conn", "peer") == [
        ("attempt", 1, CONN, "10.0.0.1:40000"),
        ("refused", 2, CONN, "10.0.0.1:40000"),
    ]


def test_never_answered(tmp_path: Path) -> None:
    wire = Wire()
    for pause in (0, 1_000_000, 2_000_000):
        wire.syn(after_us=pause)
    assert rows(wire, tmp_path, "kind", "pos", "reason") == [
        ("attempt", 1, None),
        ("retransmit", 2, None),
        ("retransmit", 3, None),
        ("end", 3, "timeout"),
    ]


def test_each_side_ends_once(tmp_path: Path) -> None:
    wire = Wire().handshake()
    for side in (S2C, C2S):
        wire.packet(side, FIN | ACK)
        wire.packet(side, RST)
    assert rows(wire, tmp_path, "kind", "pos", "dir", "reason")[2:] == [
        ("end", 6, "s2c", "fin"),
        ("end", 8, "c2s", "fin"),
    ]


def test_given_up_before_an_answer(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(C2S, RST)
    assert rows(wire, tmp_path, "kind", "pos", "reason") == [
        ("attempt", 1, None),
        ("end", 2, "rst"),
    ]


def test_rejected(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, craft.request("/ws", "Authorization: Bearer abcdefgh12345678\r\n"))
    body = b'{"message":"token abcdefgh12345678 expired"}'
    head = f"HTTP/1.1 401 Unauthorized\r\nContent-Length: {len(body)}\r\n\r\n"
    wire.send(S2C, head.encode() + body)
    reading = read(wire.pcap(), tmp_path)
    found = reading.events.filter(kind="rejected").row(0, named=True)
    assert (found["code"], found["pos"], found["dir"], found["name"]) == (401, 4, "s2c", "/ws")
    assert found["token"] == redact.token("abcdefgh12345678")
    assert "abcdefgh12345678" not in reading.events.write_csv()
    assert "expired" in found["reason"]
    assert reading.events["kind"].to_list() == ["attempt", "rejected"]


def test_a_second_attempt_on_the_same_connection_begins_at_its_request(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, craft.request())
    wire.send(S2C, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    wire.send(C2S, craft.request(), after_us=5_000_000)
    wire.send(S2C, craft.switching())
    assert rows(wire, tmp_path, "kind", "pos", "ms")[:4] == [
        ("attempt", 1, None),
        ("rejected", 4, None),
        ("attempt", 5, None),
        ("open", 6, 1.0),
    ]


def test_without_a_syn_the_handshake_is_measured_from_the_request(tmp_path: Path) -> None:
    wire = Wire()
    wire.send(C2S, craft.request())
    wire.send(S2C, craft.switching(), after_us=7_000)
    assert rows(wire, tmp_path, "kind", "pos", "ms")[:2] == [
        ("attempt", 1, None),
        ("open", 2, 7.0),
    ]


def test_polling_gives_requests_and_answers_but_no_connection(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, b"GET /favicon.ico HTTP/1.1\r\nHost: x\r\n\r\n")
    wire.send(S2C, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    wire.send(C2S, b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
    wire.send(S2C, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 7\r\n\r\nunknown")
    wire.packet(C2S, FIN | ACK)
    assert rows(wire, tmp_path, "kind", "pos", "name", "code", "reason", "ms") == [
        ("request", 5, "/socket.io/", None, None, None),
        ("response", 6, "/socket.io/", 400, "unknown", 1.0),
    ]


def test_other_traffic_gives_nothing(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, b"\x16\x03\x01\x00\x05hello")
    wire.send(C2S, b"\x16\x03\x01\x00\x05hello", at=1, after_us=300_000)
    wire.packet(C2S, RST)
    reading = read(wire.pcap(), tmp_path)
    assert reading.events.is_empty()
    assert reading.remarks == (
        "1 connections are encrypted (TLS): what they carry is not read; --keylog FILE with a "
        "client's key log (SSLKEYLOGFILE) opens them",
        "encrypted connections ended by: the client (RST) ×1",
    )


def test_a_fatal_alert_of_tls_in_clear(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, b"\x16\x03\x01\x00\x05hello")
    wire.send(S2C, b"\x15\x03\x03\x00\x02\x02\x28")
    wire.packet(S2C, FIN | ACK)
    assert rows(wire, tmp_path, "kind", "pos", "dir", "code", "reason") == [
        ("attempt", 1, None, None, None),
        ("tls_alert", 4, "s2c", 40, "handshake_failure"),
        ("end", 5, "s2c", None, "fin"),
    ]


def test_heartbeats_in_tls_are_only_probable(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.packet(C2S)
    wire.send(C2S, b"\x16\x03\x01\x00\x05hello")
    for _ in range(6):
        wire.send(S2C, b"\x17\x03\x03\x00\x1c" + bytes(28), after_us=25_000_000)
    wire.packet(S2C, FIN | ACK, after_us=60_000_000)
    reading = read(wire.pcap(), tmp_path)
    assert reading.events.is_empty()
    assert reading.remarks[1:] == (
        "small encrypted records of one size at a steady pace, probably heartbeats: every 25 s by "
        "the server ×1 (wire.pcap#5)",
        "encrypted connections ended by: the server (FIN) ×1",
        "silence of encrypted connections before their end: median 60.0 s",
    )


def test_a_reused_port_is_numbered(tmp_path: Path) -> None:
    first, second = Wire().handshake(), Wire(isn=[70_000, 90_000])
    first.packet(C2S, RST)
    second.ts = first.ts
    second.handshake()
    first.packets += second.packets
    reading = read(first.pcap(), tmp_path)
    assert reading.events["conn"].unique(maintain_order=True).to_list() == [CONN, f"{CONN}#2"]


def test_retransmissions_and_zero_windows(tmp_path: Path) -> None:
    wire = Wire().handshake()
    wire.send(S2C, frame(1, b"x"))
    wire.send(S2C, frame(1, b"x"), at=wire.sent[S2C] - 3)
    wire.packet(C2S, window=0)
    found = read(wire.pcap(), tmp_path).events.select("kind", "pos", "dir", "bytes").rows()
    assert ("retransmit", 7, "s2c", 3) in found
    assert ("zero_window", 8, "c2s", None) in found
    assert len(found) == 6


def test_broken_rules_once_for_each_side(tmp_path: Path) -> None:
    wire = Wire().handshake()
    for _ in range(3):
        wire.send(C2S, frame(1, b"x", masked=False))
    wire.send(S2C, frame(3))
    assert rows(wire, tmp_path, "kind", "pos", "reason")[2:-1] == [
        ("error", 6, "frame from the client is not masked"),
        ("message", 6, None),
        ("message", 7, None),
        ("message", 8, None),
        ("error", 9, "reserved opcode 3"),
    ]


@pytest.mark.parametrize(
    ("target", "ping", "pong", "name"),
    [
        ("/socket.io/?EIO=4", "2", "3", "engine.io"),
        ("/ws", '{"type":"ping"}', '{"type":"pong"}', "graphql-ws"),
        (
            "/live/websocket?vsn=2.0.0",
            '[null,"4","phoenix","heartbeat",{}]',
            '[null,"4","phoenix","phx_reply",{}]',
            "phoenix",
        ),
    ],
)
def test_heartbeats_of_applications(
    target: str, ping: str, pong: str, name: str, tmp_path: Path
) -> None:
    wire = Wire().handshake(target)
    wire.send(S2C, frame(1, ping.encode()))
    wire.send(C2S, frame(1, pong.encode(), side=C2S), after_us=3_000)
    assert rows(wire, tmp_path, "kind", "dir", "name", "ms")[2:4] == [
        ("ping", "s2c", name, None),
        ("pong", "c2s", name, 3.0),
    ]


def test_a_plain_2_is_a_message_elsewhere(tmp_path: Path) -> None:
    wire = Wire().handshake("/ws")
    wire.send(S2C, frame(1, b"2"))
    assert rows(wire, tmp_path)[2] == ("message", 6, "s2c")


def test_a_pong_answers_the_latest_ping_of_its_payload(tmp_path: Path) -> None:
    wire = Wire().handshake()
    for payload in (b"a", b"b", b"b"):
        wire.send(S2C, frame(9, payload))
    for payload in (b"b", b"zzz"):
        wire.send(C2S, frame(10, payload, side=C2S))
    assert rows(wire, tmp_path, "kind", "ms")[5:7] == [("pong", 1.0), ("pong", None)]


def test_missing_bytes_are_remarked(tmp_path: Path) -> None:
    wire = Wire().handshake()
    wire.sent[S2C] += 20
    wire.send(S2C, b"the rest of a frame")
    reading = read(wire.pcap(), tmp_path)
    assert "message" not in reading.events["kind"].to_list()
    assert reading.remarks == (
        "20 bytes of 1 WebSocket connections are missing in the capture, lost or cut off (tcpdump "
        "-s 0 keeps whole packets): they are not read",
    )


def test_a_connection_whose_handshake_was_lost(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.sent = [200, 200]
    wire.send(S2C, frame(9))
    wire.send(C2S, frame(10, side=C2S))
    wire.packet(C2S, FIN | ACK)
    assert rows(wire, tmp_path, "kind", "pos", "dir") == [
        ("attempt", 1, None),
        ("ping", 3, "s2c"),
        ("pong", 4, "c2s"),
        ("end", 5, "c2s"),
    ]


def test_public_addresses_are_pseudonyms(tmp_path: Path) -> None:
    wire = Wire(client=("8.8.8.8", 1234), server=("2606:4700::1111", 80))
    wire.server = ("1.1.1.1", 80)
    reading = read(wire.handshake().pcap(), tmp_path)
    text = reading.events.write_csv()
    assert "8.8.8.8" not in text
    assert "1.1.1.1" not in text
    client, server = redact.address("8.8.8.8"), redact.address("1.1.1.1")
    assert set(reading.events["conn"]) == {f"{client}:1234-{server}:80"}


def test_ipv6(tmp_path: Path) -> None:
    wire = Wire(client=("fd00::1", 1234), server=("fd00::2", 80)).handshake()
    wire.send(S2C, close(1001))
    found = read(wire.pcap(), tmp_path).events
    assert found["kind"].to_list() == ["attempt", "open", "close", "end"]
    assert found["peer"][0] == "fd00::1:1234"


def test_a_capture_cut_short_says_so(tmp_path: Path) -> None:
    wire = Wire().handshake()
    wire.send(S2C, close(1000))
    reading = read(wire.pcap()[:-5], tmp_path)
    assert reading.remarks == ("capture is cut short after packet 5",)
    assert reading.events["kind"].to_list() == ["attempt", "open", "end"]


def test_sniff() -> None:
    assert pcap.sniff(Wire().pcap(), "x") == 1.0
    assert pcap.sniff(craft.section(), "x") == 1.0
    assert pcap.sniff(b"2026-01-01 INFO started", "wire.pcap") == 0.0


def test_excerpt_with_context(tmp_path: Path) -> None:
    wire = Wire().handshake()
    wire.send(S2C, close(4401, "token expired"))
    path = tmp_path / "wire.pcap"
    path.write_bytes(wire.pcap())
    found = pcap.excerpt(as_input(path), [6], context=1)
    assert found == {
        5: "10.0.0.2:8080 → 10.0.0.1:40000  HTTP/1.1 101 Switching Protocols",
        6: '10.0.0.2:8080 → 10.0.0.1:40000  WebSocket Close 4401 "token expired" (server→client)',
    }


@given(
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=30), st.integers(0, 900)
)
@settings(max_examples=80, deadline=None)
def test_damaged_captures_never_raise(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]], cut: int
) -> None:
    wire = Wire().handshake("/socket.io/?EIO=4")
    wire.send(S2C, frame(1, b'42["a",{"id":1}]') + frame(9, b"x") + close(1000))
    wire.send(C2S, frame(1, b"3", side=C2S), at=1 << 20)
    data = bytearray(wire.pcap())
    for at, value in damage:
        data[24 + at % (len(data) - 24)] = value
    folder = tmp_path_factory.mktemp("damaged")
    for name in ("wire.pcap", "unread.pcap"):
        (folder / name).write_bytes(bytes(data[: max(30, len(data) - cut)]))
    item = as_input(folder / "wire.pcap")
    assert pcap.read(item, Config()).events.schema == EVENTS
    told = pcap.excerpt(item, [1, 5, 8], 1)  # by what was learned when it was read
    assert told == pcap.excerpt(as_input(folder / "unread.pcap"), [1, 5, 8], 1)


BROKEN_FRAMES = {
    "caddy-reload": "frame from the client is not masked",  # Caddy's own Close to the backend
    "compression-not-negotiated": "reserved bits set without a negotiated extension",
    "invalid-utf8": "text message is not UTF-8",
    "reserved-code-sent": "close code 1006 must not be sent",
}
UNANSWERED = {"descriptors-exhausted", "worker-connections"}
"""Cases in which the kernel takes connections that the server does not."""


@pytest.mark.parametrize("path", FIXTURES, ids=[path.parts[-3] for path in FIXTURES])
def test_the_recorded_cases_end_every_attempt(path: Path) -> None:
    with collect(path) as found:
        case, reading = path.parts[-3], pcap.read(found.inputs[0], Config())
    kinds = Counter(reading.events["kind"].to_list())
    assert reading.unread_lines == 0
    answered = kinds["open"] + kinds["rejected"] + kinds["refused"]
    assert (kinds["attempt"] > answered) is (case in UNANSWERED)
    assert kinds["attempt"] >= answered
    broken = set(reading.events.filter(kind="error")["reason"])
    assert broken == ({BROKEN_FRAMES[case]} if case in BROKEN_FRAMES else set())
    ended = reading.events.filter(pl.col("kind").is_in(["end", "refused", "rejected"]))
    tried = reading.events.filter(pl.col("kind").is_in(["attempt", "open"]))
    assert set(tried["conn"]) <= set(ended["conn"])


TSHARK_FIELDS = (
    *("frame.number", "websocket.opcode", "http.response.code", "http.response_in"),
    *("http.sec_websocket_key", "http.upgrade"),
)


def _tshark(
    path: Path, wanted: str = "websocket || http", fields: Sequence[str] = TSHARK_FIELDS
) -> list[list[str]]:
    columns = [part for field in fields for part in ("-e", field)]
    done = subprocess.run(
        [
            *("tshark", "-r", str(path), "-o", "tcp.reassemble_out_of_order:TRUE"),
            *("-Y", wanted, "-T", "fields", *columns),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize(
    "path",
    [*(it for it in FIXTURES if it != OVER_HTTP2), *([STACK] if STACK.is_file() else [])],
    ids=lambda path: path.parts[-3] if path.parts[-2] == "evidence" else path.stem,
)
def test_frames_and_statuses_as_tshark_sees_them(path: Path) -> None:
    with collect(path) as found:  # tshark reads packed files too, to the end of what is read here
        events = pcap.read(found.inputs[0], Config()).events
    seen = _tshark(path)
    theirs = Counter((int(pos), int(op)) for pos, ops, *_ in seen if ops for op in ops.split(","))
    opcodes = {"message": 1, "close": 8, "ping": 9, "pong": 10}
    ours = Counter(
        (pos, opcodes[kind])
        for pos, kind, name in events.select("pos", "kind", "name").iter_rows()
        if kind in opcodes
        for _ in [0]
        if not (kind in ("ping", "pong") and name)
    )
    spoken = events.filter(pl.col("kind").is_in(["ping", "pong"]) & pl.col("name").is_not_null())
    ours.update((pos, 1) for pos in spoken["pos"])
    assert ours == theirs
    upgrades = events.filter(pl.col("kind").is_in(["open", "rejected"]))
    asked = {answer for *_, answer, key, upgrade in seen if key or upgrade}
    wanted = {(int(pos), int(code)) for pos, _, code, *_ in seen if code and pos in asked}
    assert wanted <= set(upgrades.select("pos", "code").rows())


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_handshakes_over_http2_as_tshark_sees_them() -> None:
    """It tells heads and streams; what WebSockets say on them it does not."""
    heads = ("frame.number", "http2.streamid", "http2.headers.method", "http2.headers.status")
    with collect(OVER_HTTP2) as found:
        events = pcap.read(found.inputs[0], Config()).events
    seen = _tshark(OVER_HTTP2, "http2.headers", heads)
    asked = {stream: int(pos) for pos, stream, method, _ in seen if method == "CONNECT"}
    answered = {(int(pos), int(code), of) for pos, of, _, code in seen if of in asked and code}
    told = events.with_columns(stream=pl.col("conn").str.split("/").list.last())
    tries, opens = (told.filter(kind=kind) for kind in ("attempt", "open"))
    assert dict(tries.select("stream", "pos").iter_rows()) == asked
    assert set(opens.select("pos", "code", "stream").iter_rows()) == answered


@recorded
@pytest.mark.parametrize("proxy", ["nginx", "haproxy", "caddy"])
def test_the_recorded_clients_are_found_on_the_wire(proxy: str) -> None:
    events = pcap.read(as_input(STACK), Config()).events
    text = (RECORDED / proxy / "client.jsonl").read_text()
    said = [json.loads(line) for line in text.splitlines()]
    said = [entry for entry in said if entry["sc"] != "plainget"]  # asks for no upgrade
    keys = {entry["key"]: entry for entry in said if entry["ev"] == "connect" and "key" in entry}
    statuses: dict[str, int] = {}
    current: dict[str, str] = {}
    for entry in said:
        if entry["ev"] == "connect" and "key" in entry:
            current[entry["sc"]] = entry["key"]
        elif entry["ev"] == "response" and entry["sc"] in current:
            found = re.match(r"HTTP/1.1 (\d{3})", entry["status"])
            if found:
                statuses[current[entry["sc"]]] = int(found[1])
    seen = events.filter(pl.col("key").is_in(list(keys)))
    assert set(seen["key"]) == set(keys)
    answers = seen.filter(pl.col("kind").is_in(["open", "rejected"]))
    for key, status in statuses.items():
        peer = "{}:{}".format(*keys[key]["local"])
        leg = answers.filter((pl.col("key") == key) & (pl.col("peer") == peer))
        assert leg["code"].to_list() == [status]
        assert leg["trace"][0] in (keys[key].get("rid"), keys[key].get("traceid"))
        attempt = seen.filter((pl.col("kind") == "attempt") & (pl.col("peer") == peer))
        assert abs(attempt["ts"][0] - datetime.fromisoformat(keys[key]["t"])) < timedelta(seconds=1)
