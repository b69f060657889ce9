"""Take the envelope off a message, by the protocol that it is of.

Read: Socket.IO (https://socket.io/docs/v4/socket-io-protocol), Phoenix channels (v1 objects, v2
arrays), graphql-transport-ws and its elder, SignalR's JSON protocol, STOMP 1.2, Action Cable,
JSON-RPC 2.0, and plain JSON objects.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from wsdiag.contents.unwrapped import (
    APP,
    CONTROL,
    HEARTBEAT,
    MAX_CHARACTERS,
    NAME_KEYS,
    SUBSCRIBE,
    TRACE_KEYS,
    UNSUBSCRIBE,
    Unwrapped,
    carried,
    first,
    plain,
)

MAX_BYTES = 65_536
"""A longer text is not looked into."""

_SOCKET = re.compile(r"4([0-6])(?:\d+-)?(/[^,\[]*,)?(\d+)?(.*)$", re.DOTALL)
_STOMP = re.compile(
    rb"(CONNECT|STOMP|CONNECTED|SEND|SUBSCRIBE|UNSUBSCRIBE|MESSAGE|RECEIPT|ERROR|DISCONNECT|ACK"
    rb"|NACK|BEGIN|COMMIT|ABORT)\r?\n"
)
_RECORD_END = b"\x1e"
_FIELD = re.compile(r"[{]\s*(?:\w+\s*:\s*)?(\w+)")
_DECODE = msgspec.json.Decoder().decode


def unwrap(data: bytes, *, engine_io: bool = False) -> Unwrapped | None:
    """A text message without its envelope; None where it is none of the known shapes."""
    if not data or len(data) > MAX_BYTES:
        return Unwrapped("stomp", HEARTBEAT) if data in (b"\n", b"\r\n") else None
    if engine_io:
        return _socket_io(data.decode("utf-8", "replace"))
    if data in (b"\n", b"\r\n"):
        return Unwrapped("stomp", HEARTBEAT)
    if data[0] == 0x7B and not data.endswith(_RECORD_END):
        value = _json(data)
        return _object(value) if isinstance(value, dict) else None
    if data.endswith(_RECORD_END):
        return _signalr(_json(data.split(_RECORD_END, 1)[0]))
    if found := _STOMP.match(data):
        return _stomp(found[1].decode(), data[found.end() :])
    value = _json(data)
    return _phoenix_array(value) if isinstance(value, list) else None


def _json(data: bytes | str) -> object:
    try:
        return _DECODE(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _object(value: dict[str, Any]) -> Unwrapped:
    if value.get("jsonrpc") == "2.0":
        return _json_rpc(value)
    kind = value.get("type")
    if "identifier" in value or (kind in ("welcome", "ping") and set(value) <= _CABLE):
        return _action_cable(value)
    if "ref" in value and isinstance(value.get("event"), str) and "payload" in value:
        return _phoenix(value.get("topic"), value["event"], value["payload"])
    if (graph := _graphql(kind, value)) is not None:
        return graph
    return plain(value)


_CABLE = frozenset({"type", "message", "reconnect", "reason"})


def _socket_io(text: str) -> Unwrapped | None:
    if text[:1] in ("2", "3"):
        return Unwrapped("socket.io", HEARTBEAT)
    found = _SOCKET.match(text)
    if found is None:
        return Unwrapped("socket.io", CONTROL) if text[:1] in ("0", "1", "5", "6") else None
    kind, namespace, _, body = found.groups()
    if kind not in ("2", "5"):
        return Unwrapped("socket.io", CONTROL)
    value = _json(body)
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        return None
    topic = (namespace or "").strip(",") or None
    return carried("socket.io", value[0], topic, value[1] if len(value) > 1 else None)


def _stomp(command: str, rest: bytes) -> Unwrapped | None:
    head, _, body = rest.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = (line.partition(b":") for line in head.split(b"\n"))
    headers = {
        name.decode("utf-8", "replace"): text.decode("utf-8", "replace") for name, _, text in lines
    }
    topic = headers.get("destination")
    if command in ("SUBSCRIBE", "UNSUBSCRIBE"):
        return Unwrapped("stomp", command.lower(), command, topic)
    if command not in ("SEND", "MESSAGE"):
        return Unwrapped("stomp", CONTROL, command)
    payload = _json(body.rstrip(b"\x00\n"))
    return carried("stomp", None, topic, payload)._replace(role=APP)


def _signalr(value: object) -> Unwrapped | None:
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if kind == 6:
        return Unwrapped("signalr", HEARTBEAT)
    target, arguments = value.get("target"), value.get("arguments")
    if kind not in (1, 4) or not isinstance(target, str) or not isinstance(arguments, list):
        return Unwrapped("signalr", CONTROL)
    return carried("signalr", target, None, arguments[0] if arguments else None)


def _phoenix_array(value: list[Any]) -> Unwrapped | None:
    if len(value) != 5 or not isinstance(value[2], str) or not isinstance(value[3], str):
        return None
    return _phoenix(value[2], value[3], value[4])


def _phoenix(topic: object, event: str, payload: object) -> Unwrapped:
    name = topic if isinstance(topic, str) else None
    roles = {"phx_join": SUBSCRIBE, "phx_leave": UNSUBSCRIBE, "heartbeat": HEARTBEAT}
    if name == "phoenix":
        return Unwrapped("phoenix", HEARTBEAT)
    role = roles.get(event) or (CONTROL if event.startswith("phx_") else APP)
    trace = first(payload, TRACE_KEYS) if isinstance(payload, dict) else None
    whole = {"topic": name, "event": event, "data": payload}
    return Unwrapped("phoenix", role, event, name, trace, payload, whole)


def _action_cable(value: dict[str, Any]) -> Unwrapped:
    kind, command, text = value.get("type"), value.get("command"), value.get("identifier")
    if kind == "ping":
        return Unwrapped("action-cable", HEARTBEAT)
    identifier = _json(text) if isinstance(text, str) else None
    topic = None
    if isinstance(identifier, dict):
        channel = first(identifier, ("channel",)) or ""
        rest = [str(v) for k, v in identifier.items() if k != "channel" and not isinstance(v, dict)]
        topic = ":".join([channel, *rest])[:MAX_CHARACTERS] or None
    if command in ("subscribe", "unsubscribe"):
        return Unwrapped("action-cable", str(command), str(command), topic)
    if kind is not None and "message" not in value:
        return Unwrapped("action-cable", CONTROL, None, topic)
    if kind in ("welcome", "disconnect"):
        return Unwrapped("action-cable", CONTROL)
    payload = value.get("message", value.get("data"))
    if isinstance(payload, str):
        payload = _json(payload)
    event = first(payload, NAME_KEYS) if isinstance(payload, dict) else None
    return carried("action-cable", event, topic, payload)._replace(role=APP)


def _graphql(kind: object, value: dict[str, Any]) -> Unwrapped | None:
    payload = value.get("payload")
    if kind in ("connection_init", "connection_ack", "connection_error", "connection_terminate"):
        return Unwrapped("graphql-ws", CONTROL)
    if kind == "ka":
        return Unwrapped("graphql-ws", HEARTBEAT)
    if "id" not in value:
        return None
    if kind in ("subscribe", "start") and isinstance(payload, dict) and "query" in payload:
        found = _FIELD.search(str(payload["query"]))
        return Unwrapped("graphql-ws", SUBSCRIBE, found[1] if found else None)
    if kind in ("next", "data") and isinstance(payload, dict) and "data" in payload:
        data = payload["data"]
        if isinstance(data, dict) and len(data) == 1:
            name, inner = next(iter(data.items()))
            return carried("graphql-ws", name[:MAX_CHARACTERS], None, inner)._replace(role=APP)
        return Unwrapped("graphql-ws", APP, None, None, None, data, data)
    if kind in ("complete", "stop") and set(value) <= {"id", "type", "payload"}:
        return Unwrapped("graphql-ws", UNSUBSCRIBE)
    if kind == "error" and isinstance(payload, list):
        return Unwrapped("graphql-ws", CONTROL)
    return None


def _json_rpc(value: dict[str, Any]) -> Unwrapped:
    method, params = value.get("method"), value.get("params")
    if not isinstance(method, str):
        return Unwrapped("json-rpc", CONTROL)
    if isinstance(params, list) and len(params) == 1:
        params = params[0]
    return carried("json-rpc", method[:MAX_CHARACTERS], None, params)
