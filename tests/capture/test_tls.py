"""What TLS shows without keys. The ClientHello is that of Python's ssl module."""

from __future__ import annotations

import ssl
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.capture import tls
from wsdiag.capture.tls import Alert, Tls

CLIENT, SERVER = 0, 1
SECOND = 1_000_000


def client_hello(name: str = "live.example.com", *protocols: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    out = ssl.MemoryBIO()
    talk = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    return out.read()


def record(kind: int, body: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(body)) + body


def server_hello(*extensions: tuple[int, bytes]) -> bytes:
    told = b"".join(struct.pack(">HH", kind, len(body)) + body for kind, body in extensions)
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\x13\x01\0" + struct.pack(">H", len(told)) + told
    return record(tls.HANDSHAKE, b"\x02" + len(body).to_bytes(3) + body)


def test_a_handshake_of_1_3() -> None:
    talk = Tls()
    talk.feed(CLIENT, client_hello("live.example.com", "http/1.1"), 4, 1_000)
    talk.feed(SERVER, server_hello((43, b"\x03\x04")), 5, 9_000)
    talk.feed(SERVER, record(tls.CHANGE_CIPHER, b"\1") + record(23, bytes(900)), 5, 9_000)
    talk.feed(CLIENT, record(tls.CHANGE_CIPHER, b"\1"), 6, 20_000)
    assert talk.ready is None
    talk.feed(CLIENT, record(tls.APPLICATION, bytes(60)), 7, 21_000)
    assert (talk.client, talk.server_name, talk.version) == (CLIENT, "live.example.com", "TLS 1.3")
    assert (talk.offered, talk.chosen) == (("http/1.1",), "")
    assert (talk.begun, talk.ready) == (1_000, 21_000)


def test_a_handshake_of_1_2() -> None:
    talk = Tls()
    talk.feed(CLIENT, client_hello("a.example", "h2", "http/1.1"), 4, 1_000)
    talk.feed(SERVER, server_hello((16, b"\0\x09\x08http/1.1")), 5, 9_000)
    talk.feed(CLIENT, record(tls.CHANGE_CIPHER, b"\1"), 6, 20_000)
    talk.feed(SERVER, record(tls.CHANGE_CIPHER, b"\1"), 7, 30_000)
    assert (talk.version, talk.chosen, talk.ready) == ("TLS 1.2", "http/1.1", 30_000)
    assert talk.offered == ("h2", "http/1.1")


def test_a_hello_in_pieces() -> None:
    talk, hello = Tls(), client_hello("in.pieces.example")
    for at in range(len(hello)):
        talk.feed(CLIENT, hello[at : at + 1], 4 + at, at)
    assert (talk.server_name, talk.begun) == ("in.pieces.example", len(hello) - 1)


def test_alerts_in_clear_and_encrypted() -> None:
    talk = Tls()
    assert talk.feed(CLIENT, record(tls.ALERT, b"\x02\x30"), 8, 5) == [Alert(CLIENT, 2, 48, 8, 5)]
    assert talk.feed(CLIENT, record(tls.ALERT, bytes(26)), 9, 6) == []
    assert tls.ALERTS[48] == "unknown_ca"


def beats(*gaps_us: int, size: int = 28) -> Tls:
    talk, ts = Tls(), 0
    for gap in gaps_us:
        ts += gap
        talk.feed(SERVER, record(tls.APPLICATION, bytes(size)), 10, ts)
    return talk


def test_small_records_at_a_steady_pace_may_be_heartbeats() -> None:
    beat = beats(*([25 * SECOND] * 6)).beat()
    assert beat is not None
    assert (beat.side, beat.every_us, beat.times) == (SERVER, 25 * SECOND, 6)


@pytest.mark.parametrize(
    "talk",
    [
        beats(*([25 * SECOND] * 4)),
        beats(*([SECOND // 10] * 50)),
        beats(*[SECOND * seconds for seconds in (3, 9, 4, 15, 2, 8, 30)]),
        beats(*([25 * SECOND] * 6), size=tls.SMALL_BYTES + 1),
    ],
    ids=["too few", "too fast", "uneven", "too large"],
)
def test_what_is_no_heartbeat(talk: Tls) -> None:
    assert talk.beat() is None


def test_after_a_hole_records_are_found_again() -> None:
    talk = Tls()
    talk.feed(SERVER, record(23, bytes(50))[:20], 1, 1)
    talk.lose(SERVER)
    talk.feed(SERVER, b"the end of some record", 2, 2)
    talk.feed(SERVER, record(23, bytes(7)), 3, 3)
    assert [it.size for it in talk.records] == [7]


def test_a_busy_connection_is_not_followed() -> None:
    talk = Tls()
    for _ in range(tls.MAX_RECORDS + 10):
        talk.feed(SERVER, record(23, bytes(3)), 1, 1)
    assert (talk.is_full, len(talk.records)) == (True, tls.MAX_RECORDS)


HELLO = client_hello("some.example", "http/1.1")


@given(st.binary(max_size=60), st.integers(0, len(HELLO)), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_damage_makes_no_client_of_the_server(data: bytes, at: int, byte: int) -> None:
    talk = Tls()
    talk.feed(CLIENT, HELLO[:at] + bytes([byte]) + HELLO[at + 1 :] + data, 1, 1)
    talk.feed(SERVER, record(22, b"\x02\0\0" + bytes([len(data)]) + data), 1, 1)
    assert talk.client in (None, CLIENT)
    assert talk.beat() is None
