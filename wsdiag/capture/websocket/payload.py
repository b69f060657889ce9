"""What a message's text says of itself: its type, topic, id, and whether it is a heartbeat.

Read: JSON objects, Engine.IO and Socket.IO (https://socket.io/docs/v4/engine-io-protocol),
Phoenix channels (v1 objects, v2 arrays), graphql-transport-ws, SignalR's JSON protocol.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import polars as pl

from wsdiag.redact import Redactor

MAX_BYTES = 4096
"""A longer text is not looked into."""

MAX_CHARACTERS = 128
"""A member of a JSON object that is longer is no name."""

MAX_HARMLESS = 100_000
"""So many words are remembered."""

# Where a JSON object has one of these, more of it than its members' first names decides.
HEARTBEAT_NAMES = frozenset({"ping", "pong"})
HEARTBEAT_TOPICS = frozenset({"phoenix"})

TRACE_KEYS = (
    *("trace_id", "traceId", "traceparent"),
    *("id", "msg_id", "message_id", "request_id", "correlation_id", "seq", "nonce", "ref"),
    *("msgId", "messageId", "requestId", "correlationId", "invocationId"),
)
NAME_KEYS = ("type", "event", "op", "method", "action", "target")
TOPIC_KEYS = ("topic", "channel", "room")
_SIGNALR_END = b"\x1e"

_ENGINE = re.compile(r"([0-6])(probe)?$")
_SOCKET = re.compile(r"4([0-6])(?:\d+-)?(/[^,\[]*,)?(\d+)?(.*)$", re.DOTALL)
_SOCKET_TYPES = ("connect", "disconnect", "event", "ack", "connect_error", "event", "ack")


class Payload(NamedTuple):
    """Raw text out of a payload: mask it before it is shown. `heartbeat` names its protocol."""

    name: str | None = None
    topic: str | None = None
    trace: str | None = None
    heartbeat: Literal["ping", "pong"] | None = None


NOTHING = Payload()


def is_engine_io(target: str) -> bool:
    """Whether it is the target of an Engine.IO endpoint, where "2" and "3" are a heartbeat."""
    path, _, query = target.partition("?")
    return (
        "socket.io" in path or "engine.io" in path or re.search(r"(?:^|&)EIO=", query) is not None
    )


def read(data: bytes | None, engine_io: bool) -> Payload:
    """What a text message tells; nothing where it is none of the known shapes."""
    if not data or len(data) > MAX_BYTES:
        return NOTHING
    if engine_io:
        return _engine_io(data)
    if data[0] not in b'{[ \n"':
        return NOTHING
    if data.endswith(_SIGNALR_END):
        return _signalr(data)
    value = _json(data)
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        return _phoenix(value)
    return NOTHING


def _json(data: bytes | str) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _object(value: dict[str, object]) -> Payload:
    name, topic = _first(value, NAME_KEYS), _first(value, TOPIC_KEYS)
    trace = _first(value, TRACE_KEYS)
    heartbeat: Literal["ping", "pong"] | None = None
    if topic == "phoenix" and name in ("heartbeat", "phx_reply"):
        return Payload("phoenix", None, trace, "ping" if name == "heartbeat" else "pong")
    if name in ("ping", "pong") and set(value) <= {"type", "payload"}:
        heartbeat = "ping" if name == "ping" else "pong"
        return Payload("graphql-ws", None, None, heartbeat)
    return Payload(name, topic, trace)


def _phoenix(value: list[object]) -> Payload:
    """[join_ref, ref, topic, event, payload]"""
    if len(value) != 5 or not isinstance(value[2], str) or not isinstance(value[3], str):
        return NOTHING
    as_object: dict[str, object] = {"ref": value[1], "topic": value[2], "event": value[3]}
    return _object(as_object)


def _signalr(data: bytes) -> Payload:
    """One JSON object or several, each ended by a record separator; type 6 is a ping."""
    value = _json(data.split(_SIGNALR_END, 1)[0])
    if not isinstance(value, dict):
        return NOTHING
    if value == {"type": 6}:
        return Payload("signalr", None, None, "ping")
    found = _object(value)
    return found._replace(name=_first(value, ("target",)) or found.name)


def _engine_io(data: bytes) -> Payload:
    text = data.decode("utf-8", "replace")
    if heartbeat := _ENGINE.match(text):
        kind, probe = heartbeat.groups()
        if kind == "2":
            return Payload("engine.io", None, probe, "ping")
        if kind == "3":
            return Payload("engine.io", None, probe, "pong")
    if (packet := _SOCKET.match(text)) is None:
        return NOTHING
    kind, namespace, ack, body = packet.groups()
    name, value = _SOCKET_TYPES[int(kind)], _json(body)
    trace = ack
    if isinstance(value, list) and value:
        if name == "event" and isinstance(value[0], str):
            name = value[0]
        found = next((_first(v, TRACE_KEYS) for v in value if isinstance(v, dict)), None)
        trace = ack or found
    return Payload(name, (namespace or "").strip(",") or None, trace)


def _first(value: dict[str, object], keys: tuple[str, ...]) -> str | None:
    """The first of `keys` that holds a short text or an integer."""
    for key in keys:
        found = value.get(key)
        if isinstance(found, str) and 0 < len(found) <= MAX_CHARACTERS:
            return found
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
    return None


class Masking:
    """Texts out of payloads as columns may hold them. Words without a secret are remembered."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._harmless: set[str] = set()

    def __call__(self, text: str | None) -> str | None:
        """The text masked, None where there is none."""
        if not text or text in self._harmless:
            return text or None
        shown = self._redactor.mask(text)
        if shown == text and len(self._harmless) < MAX_HARMLESS:
            self._harmless.add(text)
        return shown or None

    def many(self, texts: Sequence[str | None]) -> pl.Series | None:
        """The same for many texts; None where there is none at all."""
        counted = Counter(texts)
        unknown = counted.pop(None, 0)
        if unknown == len(texts):
            return None
        shown = dict[str, str | None]()
        for text, count in counted.items():
            if not text or text in self._harmless:
                continue
            before = self._redactor.counts.copy()
            shown[text] = self(text)
            hidden = self._redactor.counts - before
            for rule, found in hidden.items():
                self._redactor.counts[rule] += found * (count - 1)
        changed = any(masked != text for text, masked in shown.items())
        if changed:
            texts = [shown.get(text, text) if text else None for text in texts]
        return pl.Series(texts, dtype=pl.String)
