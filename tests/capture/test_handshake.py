"""Requests, answers and what they tell of who asks."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import craft
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag import redact
from wsdiag.capture.http.handshake import broken_rules, credential, trace
from wsdiag.capture.http.http1 import (
    Request,
    RequestReader,
    Response,
    ResponseReader,
    UnreadableError,
)
from wsdiag.redact import Redactor


def ask(data: bytes) -> Request:
    found = RequestReader().feed(data, 1, 10)
    assert found is not None
    return found


def answer(data: bytes, request: bytes = b"") -> Response:
    found = ResponseReader(ask(request or craft.request())).feed(data, 2, 20)
    assert found is not None
    return found


def test_an_upgrade() -> None:
    reader = RequestReader()
    data = craft.request("/chat?room=1", "Cookie: a=b\r\n") + b"\x81\x80frame"
    assert reader.feed(data[:30], 1, 10) is None
    request = reader.feed(data[30:], 2, 20)
    assert request is not None
    assert (request.method, request.target, request.path) == ("GET", "/chat?room=1", "/chat")
    assert request.is_upgrade
    assert request.headers["sec-websocket-key"] == craft.KEY
    assert (request.pos, request.ts, reader.rest) == (2, 20, b"\x81\x80frame")


def test_a_proxy_that_drops_upgrade_still_passes_the_key() -> None:
    data = craft.request().replace(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"")
    assert ask(data).is_upgrade
    assert not ask(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n").is_upgrade


def test_the_101_and_the_frames_behind_it() -> None:
    reader = ResponseReader(ask(craft.request()))
    response = reader.feed(craft.switching() + craft.frame(9), 2, 20)
    assert response is not None
    assert response.status == 101
    assert reader.rest == craft.frame(9)


@pytest.mark.parametrize(
    ("head", "body", "told"),
    [
        ("403 Forbidden", b"", "Forbidden"),
        ("401 Unauthorized", b"token expired", "token expired"),
        ("400 Bad Request", b'{"code":1,"message":"Session ID unknown"}', "Session ID unknown"),
        ("502 Bad Gateway", b"<html><body>nginx</body></html>", "Bad Gateway"),
        ("503 Service Unavailable", b"\x1f\x8b\x08\x00\xff\xfe", "Service Unavailable"),
    ],
)
def test_a_rejection_explains_itself(head: str, body: bytes, told: str) -> None:
    data = f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    response = answer(data)
    assert response.status == int(head[:3])
    assert told in response.explanation()


def test_a_long_body_is_cut() -> None:
    response = answer(b"HTTP/1.1 500 No\r\nContent-Length: 900\r\n\r\n" + b"x" * 900)
    assert response.explanation() == "x" * 200


def test_other_informational_answers_are_not_the_answer() -> None:
    data = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + craft.switching()
    assert answer(data).status == 101


def test_what_is_not_http() -> None:
    with pytest.raises(UnreadableError):
        ask(b"HELO mail.example\r\n\r\n")


SECONDS = 1_800_000_000
JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "HS256"}, {"sub": "alice", "exp": SECONDS}, {"not": "a signature"})
)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (f"/ws?token={JWT}", {}),
        ("/ws", {"authorization": f"Bearer {JWT}"}),
        ("/ws", {"sec-websocket-protocol": f"chat, {JWT}"}),
    ],
)
def test_a_credential_wherever_it_is_carried(target: str, headers: dict[str, str]) -> None:
    found = credential(target, headers)
    assert found.token == redact.token(JWT)
    assert found.expires == datetime.fromtimestamp(SECONDS, UTC)


def test_the_user_by_pseudonym() -> None:
    found = credential("/ws?x=1&user=alice", {})
    assert found.user == redact.user("alice")
    assert "alice" not in str(found.user)
    assert credential("/ws?room=1", {"cookie": "token=abc"}) == (None, None, None)


def test_trace_ids() -> None:
    parent = "00-37b7671c37ea4256b66a23eb98593f17-b7ad6b7169203331-01"
    masks = Redactor()
    assert trace({"x-request-id": "abc-1", "traceparent": parent}, masks) == "abc-1"
    assert trace({"traceparent": parent}, masks) == "37b7671c37ea4256b66a23eb98593f17"
    assert trace({}, masks) is None


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_unreadable_at_worst(data: bytes, plausible: bool) -> None:
    request, response = (b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n") if plausible else (b"", b"")
    for read in (
        lambda: RequestReader().feed(request + data + b"\r\n\r\n", 1, 1),
        lambda: ResponseReader(ask(craft.request())).feed(response + data + b"\r\n\r\n", 1, 1),
    ):
        try:
            read()
        except UnreadableError:
            continue


@pytest.mark.parametrize(
    ("asked", "given", "broken"),
    [
        ("", "", []),
        ("Sec-WebSocket-Protocol: v1, v2\r\n", "Sec-WebSocket-Protocol: v2\r\n", []),
        ("", "Sec-WebSocket-Protocol: v2\r\n", ["a subprotocol"]),
        (
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
            [],
        ),
        ("", "Sec-WebSocket-Extensions: permessage-deflate\r\n", ["an extension"]),
    ],
)
def test_what_the_server_may_choose(asked: str, given: str, broken: list[str]) -> None:
    told = answer(craft.switching(given), craft.request(more=asked))
    assert broken_rules(told) == [
        f"the server chose {what} that was not asked for" for what in broken
    ]


@pytest.mark.parametrize("header", ["", "Sec-WebSocket-Accept: c29tZXRoaW5nIGVsc2U=\r\n"])
def test_an_accept_that_does_not_match(header: str) -> None:
    lines = craft.switching().decode().splitlines(keepends=True)
    other = "".join(line for line in lines if "Accept" not in line).removesuffix("\r\n")
    told = answer(f"{other}{header}\r\n".encode())
    assert broken_rules(told) == ["Sec-WebSocket-Accept does not match the key"]
    bare = told.request._replace(headers={"host": "x"})  # a proxy may take the key off
    assert broken_rules(told._replace(request=bare)) == []
