"""Messages' texts that say what wsdiag reads of them and nothing else, as long as they were."""

from __future__ import annotations

import hashlib
import json

from wsdiag.capture.websocket import payload
from wsdiag.capture.websocket.protocol import is_utf8
from wsdiag.redact import Redactor, ping_payload

_KEPT = frozenset((*payload.NAME_KEYS, *payload.TOPIC_KEYS, *payload.TRACE_KEYS))
_SEPARATOR = b"\x1e"  # of SignalR


def alike(data: bytes, engine_io: bool, redactor: Redactor) -> bytes:
    """The shortest text found that is read as `data` is, its secrets hidden; it may be longer."""
    if not is_utf8(data):
        return b"\xff"
    said = payload.read(data, engine_io)
    if said == payload.NOTHING:
        return b""
    wanted = _shown(said)
    end = _SEPARATOR if data.endswith(_SEPARATOR) else b""
    body = data.split(_SEPARATOR, 1)[0] if end else data
    for plain in (_reduced(body, redactor), body):
        text = redactor.mask(plain.decode()).encode() + end
        if _shown(payload.read(text, engine_io)) == wanted:
            return text
    return b""


def of_size(text: bytes, size: int) -> bytes:
    """A text made longer by blanks; one that is too long says nothing."""
    if len(text) > size:
        return b" " * size if is_utf8(text) else b"\xff" * size
    if text == b"\xff":
        return b"\xff" * size
    end = _SEPARATOR if text.endswith(_SEPARATOR) else b""
    return text.removesuffix(end).ljust(size - len(end)) + end


def reason(data: bytes, redactor: Redactor) -> bytes:
    """The payload of a Close frame with nothing secret in its reason."""
    if not is_utf8(data[2:]):
        return data[:2] + b"\xff" * len(data[2:])
    shown = redactor.mask(data[2:].decode())
    if shown.encode() == data[2:]:
        return data
    room = len(data) - 2
    return data[:2] + shown.encode()[:room].decode("utf-8", "ignore").encode().ljust(room)


def beat(data: bytes) -> bytes:
    """The payload of a Ping or Pong: another, the same for the same, where it holds a secret."""
    if ping_payload(data) == (data.hex() or None):
        return data
    return hashlib.sha256(b"wsdiag:payload:" + data).digest().ljust(len(data), b"\0")[: len(data)]


def _shown(said: payload.Payload) -> payload.Payload:
    mask = payload.Masking(Redactor())
    return payload.Payload(mask(said.name), mask(said.topic), mask(said.trace), said.heartbeat)


def _reduced(body: bytes, redactor: Redactor) -> bytes:
    """The JSON of a text without what is not read; what stands before it stays."""
    begin = min((at for at in map(body.find, (b"{", b"[")) if at >= 0), default=len(body))
    try:
        told = json.loads(body[begin:])
    except (ValueError, RecursionError):
        return body[:begin]
    kept = json.dumps(_members(told, redactor), ensure_ascii=False, separators=(",", ":"))
    return body[:begin] + kept.encode("utf-8", "replace")


def _members(told: object, redactor: Redactor) -> object:
    if isinstance(told, list):
        return [_item(item, redactor) for item in told[:5]]
    if not isinstance(told, dict):
        return 0
    kept = {name: _leaf(value, redactor) for name, value in told.items() if name in _KEPT}
    # One that is no heartbeat must not become one for want of its other members.
    return kept if set(told) <= {*_KEPT, "payload"} else {**kept, "_": 0}


def _item(item: object, redactor: Redactor) -> object:
    return _members(item, redactor) if isinstance(item, dict) else _leaf(item, redactor)


def _leaf(value: object, redactor: Redactor) -> object:
    if isinstance(value, str):
        return redactor.mask(value) if len(value) <= payload.MAX_CHARACTERS else ""
    return value if value is None or isinstance(value, int) else 0
