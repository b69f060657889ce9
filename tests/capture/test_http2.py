"""WebSockets over HTTP/2 are recognised by the frame that asks for one, however it is written."""

from __future__ import annotations

from io import BytesIO

import craft
import oracle
import pytest
from craft import C2S, S2C, Wire

from wsdiag.capture.http.http2 import MAX_BYTES, PREFACE, Http2
from wsdiag.capture.packets.records import Notes
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.reader import read_capture

HEADERS, DATA, SETTINGS, CONTINUATION = 1, 0, 4, 9
HUFFMAN = bytes.fromhex("4087b95d8749c87a3f87f058d072752a7f")  # as hpack 4.1 writes it
PLAIN = b"\x40\x09:protocol\x09websocket"
CONNECT = bytes.fromhex("4287bdab4e9c17b7ff")  # :method CONNECT


def frame(kind: int, payload: bytes = b"", stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, 4)) + stream.to_bytes(4) + payload


BEGUN = PREFACE + frame(SETTINGS, stream=0)


@pytest.mark.parametrize("told", [HUFFMAN, PLAIN])
@pytest.mark.parametrize("kind", [HEADERS, CONTINUATION])
def test_an_extended_connect(told: bytes, kind: int) -> None:
    http2 = Http2()
    for byte in BEGUN + frame(kind, CONNECT + told):
        assert not http2.asks
        http2.feed(bytes((byte,)))
    assert http2.asks
    assert http2.is_over


@pytest.mark.parametrize(
    "sent", [frame(DATA, PLAIN), frame(HEADERS, CONNECT), frame(HEADERS, PLAIN[:-1])]
)
def test_what_asks_for_none(sent: bytes) -> None:
    http2 = Http2()
    http2.feed(BEGUN + sent)
    assert not http2.asks
    assert not http2.is_over


def test_who_never_asks_is_left_alone() -> None:
    http2 = Http2()
    http2.feed(BEGUN + frame(DATA, bytes(MAX_BYTES)))
    http2.feed(frame(HEADERS, PLAIN))
    assert http2.is_over


@pytest.mark.parametrize(("told", "count"), [(HUFFMAN, 1), (b"", 0)])
def test_a_capture_says_so(told: bytes, count: int) -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, craft.SYN | craft.ACK, at=0)
    wire.packet(C2S)
    wire.send(C2S, BEGUN)
    wire.send(S2C, frame(SETTINGS, b"\0\x08\0\0\0\1", stream=0))
    wire.send(C2S, frame(HEADERS, CONNECT + told))
    wire.send(S2C, frame(HEADERS, b"\x88"))
    wire.send(C2S, frame(DATA, craft.frame(1, b"hidden", side=C2S)))
    data = craft.pcap(wire.packets)
    slow = oracle.read(BytesIO(data), "wire.pcap")
    assert slow.events.is_empty()
    assert sum("over HTTP/2" in remark for remark in slow.remarks) == count
    for size in (200, 1 << 20):
        notes, book = Notes(), Book("wire.pcap")
        read_capture(BytesIO(data), book, notes, size)
        assert oracle.told(book, notes)[1:] == slow[1:]
