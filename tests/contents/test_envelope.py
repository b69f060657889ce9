"""Envelopes: what every protocol's message is about."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.contents import unwrap
from wsdiag.contents.reference import deviations, topic_fault
from wsdiag.contents.shape import fields_of, is_signal, shape_of
from wsdiag.contents.unwrapped import ANSWER, APP, CONTROL, HEARTBEAT, SUBSCRIBE, UNSUBSCRIBE

ROLES = (APP, ANSWER, SUBSCRIBE, UNSUBSCRIBE, CONTROL, HEARTBEAT)
WS_EVENT = {
    "topic": "order:7",
    "event": "UPDATED",
    "data": {"entity_id": "7", "payload": {"n": 1}, "timestamp": "2026-01-05T10:00:00Z"},
    "trace_id": "t-1",
}
TEXT = json.dumps(WS_EVENT)
CABLE = json.dumps({"identifier": '{"channel":"Orders","id":7}', "message": WS_EVENT})
STOMP = f"MESSAGE\ndestination:/topic/orders\nsubscription:1\n\n{TEXT}\0"
HUB = json.dumps({"type": 1, "target": "Changed", "arguments": [WS_EVENT]}) + "\x1e"
NEXT = json.dumps({"id": "1", "type": "next", "payload": {"data": {"orderChanged": WS_EVENT}}})
RPC = json.dumps({"jsonrpc": "2.0", "method": "changed", "params": WS_EVENT})


@pytest.mark.parametrize(
    ("envelope", "text"),
    [
        ("json", TEXT),
        ("socket.io", f'42["changed",{TEXT}]'),
        ("signalr", HUB),
        ("stomp", STOMP),
        ("action-cable", CABLE),
        ("graphql-ws", NEXT),
        ("json-rpc", RPC),
    ],
)
def test_an_event_in_any_envelope_is_the_same(envelope: str, text: str) -> None:
    told = unwrap(text.encode(), engine_io=envelope == "socket.io")
    assert told
    assert (told.envelope, told.role) == (envelope, "app")
    assert (told.topic, told.event, told.trace) == ("order:7", "UPDATED", "t-1")
    assert deviations(told.topic, told.event, told.payload) == []


def test_phoenix_has_topic_and_event_of_its_own() -> None:
    told = unwrap(json.dumps([None, None, "order:7", "UPDATED", WS_EVENT["data"]]).encode())
    assert told
    assert (told.envelope, told.topic, told.event) == ("phoenix", "order:7", "UPDATED")
    assert deviations(told.topic, told.event, told.payload) == []


@pytest.mark.parametrize(
    ("text", "role", "engine_io"),
    [
        ('["1","1","order:7","phx_join",{}]', "subscribe", False),
        ('["1","1","order:7","phx_reply",{"status":"ok"}]', "control", False),
        ('[null,"7","phoenix","heartbeat",{}]', "heartbeat", False),
        (
            '{"id":"1","type":"subscribe","payload":{"query":"subscription{a{b}}"}}',
            "subscribe",
            False,
        ),
        ('{"type":"connection_init"}', "control", False),
        ('{"type":"subscribe","topic":"order:7"}', "subscribe", False),
        ('{"type":"chat.message.ack","id":3}', "answer", False),
        ('{"command":"subscribe","identifier":"{\\"channel\\":\\"Orders\\"}"}', "subscribe", False),
        ('{"type":"ping","message":1700000000}', "heartbeat", False),
        ('{"jsonrpc":"2.0","id":1,"result":{}}', "control", False),
        ("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0", "subscribe", False),
        ("\n", "heartbeat", False),
        ("2", "heartbeat", True),
        ('0{"sid":"x"}', "control", True),
        ('40{"sid":"x"}', "control", True),
        ('42["join","order:7"]', "subscribe", True),
        ('{"type":6}\x1e', "heartbeat", False),
        ('{"protocol":"json","version":1}\x1e', "control", False),
    ],
)
def test_roles(text: str, role: str, engine_io: bool) -> None:
    told = unwrap(text.encode(), engine_io=engine_io)
    assert told
    assert told.role == role


@pytest.mark.parametrize("text", ["", "hello", "[1,2]", '"text"', "{broken", "42[", '{"a":'])
def test_what_is_no_message_of_a_known_shape(text: str) -> None:
    assert unwrap(text.encode()) is None


@given(st.binary(max_size=200), st.booleans())
def test_any_text_has_a_known_role_or_none(data: bytes, engine_io: bool) -> None:
    told = unwrap(data, engine_io=engine_io)
    assert told is None or told.role in ROLES


def test_deviations_hold_nothing_of_the_message() -> None:
    data = {"entity_id": "7", "timestamp": "2026-01-05T10:00:00", "secret": "hunter2"}
    assert deviations("Orders", "changed", data) == [
        "topic is not resource:identifier",
        "event is none of ADDED, UPDATED, DELETED, STATUS_CHANGED",
        "no data.payload",
        "data.timestamp without zone",
    ]
    assert deviations(None, None, "text") == ["no topic", "no event", "no data object"]


@pytest.mark.parametrize(
    ("topic", "fault"),
    [
        ("gift-list:family-123", None),
        ("user:456", None),
        ("user:ann@example.com", "holds personal data"),
        ("orders", "no colon between resource type and identifier"),
        ("Gift_List:1", "the resource type is not in lower case with hyphens"),
        ("order:", "not resource-type:identifier"),
    ],
)
def test_topics(topic: str, fault: str | None) -> None:
    assert topic_fault(topic) == fault


def test_shapes_are_names_and_types() -> None:
    one, other = {"b": [1], "a": {"x": None}}, {"a": {"x": None}, "b": [2, 3]}
    assert shape_of(one) == shape_of(other) == "{a:{x:null}, b:[integer]}"


def test_a_signal_says_only_what_changed() -> None:
    assert is_signal({"type": "order", "id": 7})
    assert is_signal({"entity_id": "7", "timestamp": "2026-01-05T10:00:00Z"})
    assert not is_signal({"type": "order", "id": 7, "status": "paid"})
    assert not is_signal({"type": "tick"})


def test_fields_are_alike_wherever_they_stand() -> None:
    answer = fields_of({"id": 7, "status": "paid", "total": 12.5})
    message = fields_of({"entity_id": 7, "payload": {"status": "paid", "total": 12.5, "id": 7}})
    assert set(answer) <= set(message)
