"""Heads that are read at once are those that h11 reads, with the same in them."""

from __future__ import annotations

import craft
import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.capture.http import heads
from wsdiag.capture.http.http1 import Request, RequestReader, Response, ResponseReader

PIECES = (
    *(b"GET /ws HTTP/1.1", b"GET /ws?a=b HTTP/1.1", b"POST / HTTP/1.1", b"GET / HTTP/1.0"),
    *(b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 101", b"HTTP/1.1 101 ", b"HTTP/1.1 200 OK"),
    *(b"\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\xe4", b","),
    *(b"Host: x", b"host:y", b"Host:", b"Host : x", b"Upgrade: websocket", b"X:  a b\t"),
    *(b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"a"),
)
WHOLE = st.lists(st.sampled_from((craft.request(), craft.switching(), *PIECES)), max_size=4)
LINES = st.lists(st.sampled_from([piece for piece in PIECES if piece.strip()]), max_size=5)
DATA = st.one_of(WHOLE.map(b"".join), LINES.map(lambda of: b"\r\n".join((*of, b"", b"body"))))


def asked(data: bytes) -> tuple[Request, bytes]:
    """The request as h11 reads it, for which the bytes come in two parts."""
    reader = RequestReader()
    assert reader.feed(data[:1], 1, 1) is None
    request = reader.feed(data[1:], 2, 2)
    assert request is not None
    return request, reader.rest


def answered(data: bytes) -> tuple[Response, bytes]:
    reader = ResponseReader(Request("GET", "/", {}, 1, 1))
    assert reader.feed(data[:1], 1, 1) is None
    answer = reader.feed(data[1:], 2, 2)
    assert answer is not None
    return answer, reader.rest


def assert_as_h11(data: bytes) -> None:
    if (head := heads.request(data)) is not None:
        request, rest = asked(data)
        assert request == Request("GET", head.told, head.headers, 2, 2)
        assert rest == head.rest
    if (head := heads.switching(data)) is not None:
        answer, rest = answered(data)
        assert answer == Response(answer.request, 101, head.told, head.headers, b"", 2, 2)
        assert rest == head.rest


@given(DATA)
def test_any_head_is_read_as_h11_does(data: bytes) -> None:
    assert_as_h11(data)


@pytest.mark.parametrize("data", [craft.request() + b"\x81\x80", craft.switching() + b"\x81"])
def test_a_handshake_needs_no_h11(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_as_h11(data)
    monkeypatch.setattr(h11, "Connection", None)
    if data.startswith(b"GET"):
        assert RequestReader().feed(data, 1, 1) is not None
    else:
        assert ResponseReader(Request("GET", "/", {}, 1, 1)).feed(data, 1, 1) is not None


@pytest.mark.parametrize(
    "field",
    [
        *("Content-Length: 5", "Transfer-Encoding: chunked", "Host: another", "X : y", " folded"),
        *("Näme: x", "Name: \x01", "Bare\nline: x", "no colon", "Expect: 100-continue"),
    ],
)
def test_what_is_unusual_is_left_to_h11(field: str) -> None:
    data = craft.request(more=f"{field}\r\n")
    assert heads.request(data) is None


def test_a_head_that_goes_on_is_left_to_h11() -> None:
    assert heads.request(craft.request()[:-1]) is None
    assert heads.request(b"GET / HTTP/1.1\r\n\r\n") is None  # without a host
    assert heads.switching(b"HTTP/1.1 200 OK\r\n\r\n") is None
