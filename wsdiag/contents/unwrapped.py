"""A message without its envelope, and what an application's own names in it mean."""

from __future__ import annotations

from typing import Any, NamedTuple

MAX_CHARACTERS = 128
"""A longer text is no name."""

APP, ANSWER, SUBSCRIBE, UNSUBSCRIBE, CONTROL, HEARTBEAT = (
    "app",
    "answer",
    "subscribe",
    "unsubscribe",
    "control",
    "heartbeat",
)
"""Roles: what the application says, what it only answers, what it listens to, and what only keeps
the protocol going."""

NAME_KEYS = ("event", "type", "op", "method", "action", "target", "kind")
TOPIC_KEYS = ("topic", "channel", "room", "destination", "stream")
TRACE_KEYS = ("trace_id", "traceId", "trace", "correlation_id", "correlationId", "request_id")
PAYLOAD_KEYS = ("data", "payload", "body", "params")

_SUBSCRIBING = frozenset({"subscribe", "sub", "join", "watch", "follow", "listen"})
_LEAVING = frozenset({"unsubscribe", "unsub", "leave", "unwatch", "unfollow"})
_CONTROL = frozenset(
    [
        "ack",
        "welcome",
        "hello",
        "auth",
        "authenticate",
        "authenticated",
        "login",
        "connected",
        "subscribed",
        "unsubscribed",
        "joined",
        "ready",
        "session",
    ]
)
_ANSWERS = frozenset({"ack", "reply", "response", "result", "receipt"})
_BEATS = frozenset({"ping", "pong", "heartbeat", "keepalive", "heartbeat_ack"})


class Unwrapped(NamedTuple):
    """A message without its envelope; all text in it is raw. `whole` is what a schema describes."""

    envelope: str
    role: str
    event: str | None = None
    topic: str | None = None
    trace: str | None = None
    payload: object = None
    whole: object = None


def first(value: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of `keys` that holds a short text or an integer."""
    for key in keys:
        found = value.get(key)
        if isinstance(found, str) and 0 < len(found) <= MAX_CHARACTERS:
            return found
        if type(found) is int:
            return str(found)
    return None


def role_of(event: str | None) -> str:
    """What an application's own word for an event means."""
    word = (event or "").lower().rsplit(".", 1)[-1].rsplit("_", 1)[-1].rsplit(":", 1)[-1]
    whole = (event or "").lower()
    if word in _SUBSCRIBING:
        return SUBSCRIBE
    if word in _LEAVING:
        return UNSUBSCRIBE
    if whole in _BEATS:
        return HEARTBEAT
    if whole in _CONTROL:
        return CONTROL
    return ANSWER if word in _ANSWERS else APP


def carried(envelope: str, event: str | None, topic: str | None, payload: object) -> Unwrapped:
    """An event that a protocol carries; its payload may name topic, event and data itself."""
    if isinstance(payload, dict):
        own = plain(payload)
        if own.topic is not None and own.event is not None:
            return own._replace(envelope=envelope)
        trace = first(payload, TRACE_KEYS)
        return Unwrapped(
            envelope, role_of(event), event, topic or own.topic, trace, payload, payload
        )
    if role_of(event) in (SUBSCRIBE, UNSUBSCRIBE) and isinstance(payload, str) and topic is None:
        topic = payload[:MAX_CHARACTERS]
    return Unwrapped(envelope, role_of(event), event, topic, None, payload, payload)


def plain(value: dict[str, Any]) -> Unwrapped:
    event, topic = first(value, NAME_KEYS), first(value, TOPIC_KEYS)
    payload: object = value
    for key in PAYLOAD_KEYS:
        if isinstance(value.get(key), dict | list):
            payload = value[key]
            break
    if topic is None and isinstance(payload, dict):
        topic = first(payload, TOPIC_KEYS)
    trace = first(value, TRACE_KEYS)
    if trace is None and isinstance(payload, dict):
        trace = first(payload, TRACE_KEYS)
    return Unwrapped("json", role_of(event), event, topic, trace, payload, value)
