"""A browser's records as they may leave: the connections that are needed, of a HAR or NetLog.

Made anew from what is read of them. Other entries and events are empty, so that each keeps its
number.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from wsdiag import redact
from wsdiag.bundle import lines, texts
from wsdiag.capture.websocket.payload import is_engine_io
from wsdiag.capture.websocket.protocol import unmask
from wsdiag.redact import Redactor
from wsdiag.sources.browser import har_items
from wsdiag.sources.browser.har_items import TEXT
from wsdiag.sources.browser.netlog_items import Event, NetLog

_CLOSE, _PING, _PONG = 8, 9, 10
_HEADERS = frozenset(
    {"sec-websocket-key", "sec-websocket-protocol", "authorization", "x-request-id", "traceparent"}
)
_EMPTY: dict[str, Any] = {"request": {"url": ""}}
_NUMBERS = ("net_error", "byte_count", "opcode", "payload_length", "source_dependency")
_WORDS = ("url", "message", "internal_reason")
_NO_BYTES = "AA=="
_CLOSE_HEAD, _LONGEST_CLOSE = 0x88, 6 + 125
_NAME = re.compile(r"[A-Z0-9_]{1,80}")


def write_har(source: Path, target: Path, needed: Collection[int]) -> None:
    """Copy the entries that events came from, at these places, with their messages."""
    redactor, entries, engine_io = Redactor(rereadable=True), list[dict[str, Any]](), False
    for kept, entry, parts in _entries(source, needed):
        if isinstance(entry, str):
            entries.append({})
            continue
        told = _entry(entry, redactor) if kept else dict(_EMPTY)
        engine_io = is_engine_io(entry.request.url)
        if kept or parts:
            messages = [_message(part, engine_io, redactor) if kept else {} for part in parts]
            if entry.messages is not None:
                told["_webSocketMessages"] = messages
        entries.append(told)
    log = {"version": "1.2", "creator": {"name": "wsdiag", "version": ""}, "entries": entries}
    target.write_bytes(msgspec.json.encode({"log": log}))


def _entries(
    source: Path, needed: Collection[int]
) -> Iterator[tuple[bool, har_items.Entry | str, list[har_items.Message | str]]]:
    """Each entry with its messages, and whether any event came from it."""
    entry: har_items.Entry | str | None = None
    kept, parts = False, list[har_items.Message | str]()
    for pos, item, message in har_items.items(source.read_bytes()):
        if message is not None:
            parts.append(message)
            kept = kept or pos in needed
            continue
        if entry is not None:
            yield kept, entry, parts
        entry, kept, parts = (item if pos else None), pos in needed, []
    if entry is not None:
        yield kept, entry, parts


def headers(told: Mapping[str, str], redactor: Redactor) -> dict[str, str]:
    """Of headers, by name, those that are read, masked."""
    kept = {name: value for name, value in told.items() if name.lower() in _HEADERS}
    return {name: _value(name, value, redactor) for name, value in kept.items()}


def _entry(entry: har_items.Entry, redactor: Redactor) -> dict[str, Any]:
    headers = [
        {"name": header.name, "value": _value(header.name, header.value, redactor)}
        for header in entry.request.headers
        if header.name.lower() in _HEADERS
    ]
    answer = entry.response
    return {
        "startedDateTime": entry.started_date_time,
        "time": entry.time,
        "timings": {
            name: spent for name, spent in entry.timings.items() if isinstance(spent, int | float)
        },
        "request": {
            "method": redactor.mask(entry.request.method),
            "url": redactor.mask(entry.request.url),
            "headers": headers,
        },
        "response": {
            "status": answer.status,
            "_failureText": answer.failure and redactor.mask(answer.failure),
            "_error": answer.error and redactor.mask(answer.error),
        },
        "_resourceType": redactor.mask(entry.resource_type),
    }


def _message(
    message: har_items.Message | str, engine_io: bool, redactor: Redactor
) -> dict[str, Any]:
    """A message as long as it was, which says what is read of it."""
    if isinstance(message, str):
        return {"time": []}
    told = {"type": redactor.mask(message.type), "time": message.time, "opcode": message.opcode}
    if message.type not in ("send", "receive"):
        return {**told, "data": redactor.mask(message.data or "")}
    data = har_items.content(message)
    if message.opcode == TEXT:
        text = texts.alike(data, engine_io, redactor)
        return {**told, "data": texts.of_size(text, len(data)).decode("utf-8", "replace")}
    if message.opcode == _CLOSE:
        data = texts.reason(data, redactor)
    elif message.opcode in (_PING, _PONG):
        data = texts.beat(data)
    else:
        data = bytes(len(data))
    return {**told, "data": base64.b64encode(data).decode()}


def write_netlog(source: Path, target: Path, needed: Collection[int]) -> None:
    """Copy the events of the requests that wsdiag's events came from, and of their sockets."""
    redactor, log = Redactor(rereadable=True), NetLog(source)
    sources = _concerned(source, needed)
    types, told, last = {"": 0}, list[dict[str, Any]](), 0
    for event in log.events():
        told += [{}] * (event.pos - last - 1)  # what could not be read
        last = event.pos
        kept = event.source in sources and _NAME.fullmatch(event.type) is not None
        number = types.setdefault(event.type, len(types)) if kept else 0
        told.append(
            {
                "type": number,
                "source": {"id": event.source if kept else 0},
                "time": _milliseconds(event.ts) if kept else 0,
                "phase": 2 if event.ends else 0,
                "params": _params(event, redactor) if kept else {},
            }
        )
    constants = {
        "logEventTypes": types,
        "logEventPhase": {"PHASE_END": 2},
        "netError": {name: no for no, name in log.errors.items() if _NAME.fullmatch(name)},
        "timeTickOffset": 0,
    }
    rows = b",\n".join(msgspec.json.encode(event) for event in told)
    head = b'{"constants":' + msgspec.json.encode(constants)
    target.write_bytes(head + b',\n"events": [\n' + rows + b"]\n}\n")


def _concerned(source: Path, needed: Collection[int]) -> set[int]:
    """The requests at these places, the jobs that they wait for, and the sockets of these."""
    depends: dict[int, set[int]] = {}
    found = set[int]()
    for event in NetLog(source).events():
        if event.pos in needed:
            found.add(event.source)
        other = event.params.get("source_dependency")
        if isinstance(other, dict) and isinstance(other.get("id"), int):
            depends.setdefault(event.source, set()).add(other["id"])
    for _ in range(3):  # request, job, socket
        found |= set[int]().union(*(depends.get(one, set()) for one in found))
    return found


def _params(event: Event, redactor: Redactor) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in event.params.items():
        if name in _NUMBERS:
            told[name] = lines.tree(value, redactor)
        elif name in _WORDS and isinstance(value, str):
            told[name] = redactor.mask(value)
        elif name == "local_address" and isinstance(value, str):
            host, colon, port = value.rpartition(":")
            told[name] = redact.stand_in(host.strip("[]")) + colon + port
        elif name == "headers" and isinstance(value, list):
            told[name] = [_header(text, redactor) for text in value if isinstance(text, str)]
        elif name == "bytes" and isinstance(value, str):
            told[name] = _close(value, redactor)
    return told


def _header(text: str, redactor: Redactor) -> str:
    """A header, or a status line; empty where nobody reads it."""
    name, _, value = text.partition(":")
    if text.startswith("HTTP/"):
        return redactor.mask(text)
    kept = name.strip().lower() in _HEADERS
    return f"{name}: {_value(name, value.strip(), redactor)}" if kept else ""


def _value(name: str, value: str, redactor: Redactor) -> str:
    """The value of a header, masked by what its name says."""
    return redactor.mask(f"{name}: {value}").partition(":")[2].strip()


def _close(encoded: str, redactor: Redactor) -> str:
    """Bytes from a socket: the Close frame that they end with, and no other."""
    try:
        data = base64.b64decode(encoded, validate=True)[-_LONGEST_CLOSE:]
    except ValueError:
        return _NO_BYTES
    for at in range(len(data) - 1):
        frame = data[at:]
        size, begin = frame[1] & 0x7F, 6 if frame[1] & 0x80 else 2
        if frame[0] == _CLOSE_HEAD and len(frame) == begin + size:
            mask = frame[2:begin]
            told = texts.reason(unmask(frame[begin:], mask), redactor)
            return base64.b64encode(frame[:begin] + unmask(told, mask)).decode()
    return _NO_BYTES


def _milliseconds(ts: datetime | None) -> float:
    return (ts - datetime.fromtimestamp(0, UTC)).total_seconds() * 1e3 if ts else 1e300
