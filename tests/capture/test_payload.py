"""What texts say of themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.capture.websocket.payload import (
    MAX_BYTES,
    NOTHING,
    Masking,
    Payload,
    is_engine_io,
    read,
)
from wsdiag.redact import Redactor


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"type":"order.created","id":17}', Payload("order.created", None, "17")),
        ('{"event":"x","topic":"orders:42","request_id":"r-1"}', Payload("x", "orders:42", "r-1")),
        ('{"jsonrpc":"2.0","method":"subscribe","id":0}', Payload("subscribe", None, "0")),
        ('{"type":"ping"}', Payload("graphql-ws", heartbeat="ping")),
        ('{"type":"pong","payload":{}}', Payload("graphql-ws", heartbeat="pong")),
        ('{"type":"ping","id":3}', Payload("ping", None, "3")),
        (
            '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}',
            Payload("phoenix", None, "7", "ping"),
        ),
        ('[null,"7","phoenix","heartbeat",{}]', Payload("phoenix", None, "7", "ping")),
        (
            '[null,"7","phoenix","phx_reply",{"status":"ok"}]',
            Payload("phoenix", None, "7", "pong"),
        ),
        ('["1","2","room:9","new_msg",{}]', Payload("new_msg", "room:9", "2")),
        ('{"type":6}\x1e', Payload("signalr", heartbeat="ping")),
        (
            '{"type":1,"target":"Send","invocationId":"4","arguments":[]}\x1e',
            Payload("Send", None, "4"),
        ),
        ("2", NOTHING),
        ("hello", NOTHING),
        ("[1,2,3]", NOTHING),
        ('{"type":', NOTHING),
        ('{"id":true,"type":["x"]}', NOTHING),
    ],
)
def test_shapes(text: str, told: Payload) -> None:
    assert read(text.encode(), engine_io=False) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2", Payload("engine.io", heartbeat="ping")),
        ("3", Payload("engine.io", heartbeat="pong")),
        ("2probe", Payload("engine.io", None, "probe", "ping")),
        ("3probe", Payload("engine.io", None, "probe", "pong")),
        ("5", NOTHING),
        ('42["chat",{"id":9}]', Payload("chat", None, "9")),
        ('42/admin,13["chat","hi"]', Payload("chat", "/admin", "13")),
        ('4313["ok"]', Payload("ack", None, "13")),
        ('40{"sid":"x"}', Payload("connect")),
        ("42[broken", Payload("event")),
        ("2hello", NOTHING),
    ],
)
def test_engine_io(text: str, told: Payload) -> None:
    assert read(text.encode(), engine_io=True) == told


def test_where_engine_io_is_spoken() -> None:
    assert is_engine_io("/socket.io/?EIO=4&transport=websocket")
    assert is_engine_io("/realtime?x=1&EIO=3")
    assert not is_engine_io("/ws?VIDEO=4")


def test_long_texts_are_not_looked_into() -> None:
    assert read(b'{"type":"' + b"x" * MAX_BYTES + b'"}', engine_io=False) == NOTHING
    assert read(b"[" * 4000, engine_io=False) == NOTHING


def test_masking_hides_secrets_and_counts_each() -> None:
    redactor = Redactor()
    masked = Masking(redactor)
    assert [masked("order.created"), masked("order.created"), masked(None)] == [
        "order.created",
        "order.created",
        None,
    ]
    for _ in range(2):
        assert "alice@example.com" not in str(masked("alice@example.com"))
    assert sum(redactor.counts.values()) == 2


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)), st.booleans())
def test_random_texts_never_raise(data: bytes, engine_io: bool) -> None:
    read(data, engine_io)
