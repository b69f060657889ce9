"""Packets in one line each."""

from __future__ import annotations

import io

import craft
from craft import ACK, C2S, FIN, RST, S2C, SYN, Wire, close, frame

from wsdiag.capture.describe import packets


def lines(wire: Wire, *wanted: int) -> list[str]:
    return list(packets(io.BytesIO(wire.pcap()), wanted).values())


def test_the_life_of_a_connection() -> None:
    wire = Wire().handshake("/ws?token=abc")
    wire.send(C2S, frame(1, b"hello", side=C2S))
    wire.send(S2C, frame(9) + close(4401, "token expired"))
    wire.packet(S2C, FIN | ACK)
    wire.packet(C2S, RST)
    there, back = "10.0.0.1:40000 → 10.0.0.2:8080", "10.0.0.2:8080 → 10.0.0.1:40000"
    assert lines(wire, *range(1, 20)) == [
        f"{there}  TCP SYN",
        f"{back}  TCP SYN ACK",
        f"{there}  TCP ACK",
        f"{there}  HTTP GET /ws?token=abc Upgrade: websocket Sec-WebSocket-Key: {craft.KEY}",
        f"{back}  HTTP/1.1 101 Switching Protocols",
        f"{there}  WebSocket Text 5 bytes (client→server)",
        f"{back}  WebSocket Ping 0 bytes (server→client), "
        'WebSocket Close 4401 "token expired" (server→client)',
        f"{back}  TCP FIN ACK",
        f"{there}  TCP RST",
    ]


def test_a_rejection_with_its_explanation() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, craft.SYN | ACK, at=0)
    wire.send(C2S, craft.request())
    wire.send(S2C, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno origin")
    assert lines(wire, 4) == ["10.0.0.2:8080 → 10.0.0.1:40000  HTTP/1.1 403 Forbidden no origin"]


def test_trouble_of_the_transport() -> None:
    wire = Wire().handshake()
    wire.send(C2S, frame(1, b"x", side=C2S))
    wire.send(C2S, frame(1, b"x", side=C2S), at=wire.sent[C2S] - 7)
    wire.packet(S2C, window=0)
    told = lines(wire, 7, 8)
    assert told[0].endswith("TCP retransmission of 7 bytes")
    assert told[1].endswith("TCP zero window")


def test_broken_rules_stand_beside_the_frame() -> None:
    wire = Wire().handshake()
    wire.send(S2C, frame(3, b"x"))
    assert lines(wire, 6)[0].endswith(
        "WebSocket opcode 3 1 bytes (server→client) [reserved opcode 3]"
    )


def test_refused_and_not_tcp_and_not_there() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, RST | ACK, at=0)
    wire.packets.append((wire.ts, bytes(12) + b"\x08\x06" + bytes(28)))
    assert [line.split("  ")[-1] for line in lines(wire, 2, 3, 9)] == [
        "TCP RST: connection refused",
        "not TCP, 42 bytes",
    ]


def test_tls_shows_its_records() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, b"\x16\x03\x01\x00\x05hello")
    wire.send(S2C, b"\x17\x03\x03\x00\x07" + bytes(7))
    wire.send(S2C, b"\x15\x03\x03\x00\x02\x02\x30")
    assert [text.partition("  ")[2] for text in lines(wire, 3, 4, 5)] == [
        "TLS handshake, 5 bytes",
        "TLS encrypted data, 7 bytes",
        "TLS alert unknown_ca",
    ]
