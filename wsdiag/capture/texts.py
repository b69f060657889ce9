"""What many text messages tell of themselves, read at once: as payload.py reads one.

JSON objects, which most are, are decoded as lines of one text, and only the members that tell
something are made into values.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from wsdiag.capture import payload
from wsdiag.capture.payload import (
    HEARTBEAT_NAMES,
    HEARTBEAT_TOPICS,
    MAX_BYTES,
    MAX_CHARACTERS,
    NAME_KEYS,
    TOPIC_KEYS,
    TRACE_KEYS,
    Payload,
)
from wsdiag.capture.websocket import is_utf8

_LINES = 4096
"""Messages decoded as one text; where one of them is no JSON, each is read by itself."""

_BRACE, _SIGNALR_END = 0x7B, 0x1E

_Members = msgspec.defstruct(
    "_Members",
    [(key, Any, None) for key in dict.fromkeys(NAME_KEYS + TOPIC_KEYS + TRACE_KEYS)],
    gc=False,
)
_DECODER = msgspec.json.Decoder(_Members)


class Said(NamedTuple):
    """What messages tell, raw, one entry a message: mask it before it is shown.

    `beats` has those that are a heartbeat, `broken` those that are not UTF-8.
    """

    name: list[str | None]
    topic: list[str | None]
    trace: list[str | None]
    beats: dict[int, Payload]
    broken: list[int]


def read(texts: Sequence[bytes | None], engine_io: Sequence[bool]) -> Said:
    """Read messages; None is one whose text is not known."""
    empty: list[str | None] = [None] * len(texts)
    said = Said(empty, empty.copy(), empty.copy(), {}, _broken(texts))
    objects, others = list[int](), list[int]()
    for at, (text, engine) in enumerate(zip(texts, engine_io, strict=True)):
        if text and len(text) <= MAX_BYTES:
            plain = text[0] == _BRACE and text[-1] != _SIGNALR_END and b"\n" not in text
            (objects if plain and not engine else others).append(at)
    for begin in range(0, len(objects), _LINES):
        lines = objects[begin : begin + _LINES]
        if not _as_lines(said, lines, texts):
            others += lines
    for at in others:
        _alone(said, at, texts[at], engine_io[at])
    return said


def _broken(texts: Sequence[bytes | None]) -> list[int]:
    """The texts that are not UTF-8."""
    known = [text for text in texts if text is not None]
    if is_utf8(b"\n".join(known)):  # no character reaches across the line's end
        return []
    return [at for at, text in enumerate(texts) if text is not None and not is_utf8(text)]


def _as_lines(said: Said, lines: list[int], texts: Sequence[bytes | None]) -> bool:
    """Read messages as one text, each of which is a line; whether all are JSON objects."""
    text = b"\n".join([texts[at] or b"" for at in lines])
    try:
        members = _DECODER.decode_lines(text)
        text.decode()  # what is passed over is not looked at
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    if len(members) != len(lines):
        return False
    found = [_first(members, keys) for keys in (NAME_KEYS, TOPIC_KEYS, TRACE_KEYS)]
    for column, values in zip((said.name, said.topic, said.trace), found, strict=True):
        if values.count(None) < len(values):
            for at, value in zip(lines, values, strict=True):
                column[at] = value
    names, topics, _ = found
    if not HEARTBEAT_NAMES.isdisjoint(names) or not HEARTBEAT_TOPICS.isdisjoint(topics):
        for at, name, topic in zip(lines, names, topics, strict=True):
            if name in HEARTBEAT_NAMES or topic in HEARTBEAT_TOPICS:
                _alone(said, at, texts[at], engine_io=False)
    return True


def _first(members: Sequence[object], keys: tuple[str, ...]) -> list[str | None]:
    """Of each object the first of `keys` that holds a short text or an integer."""
    found: list[str | None] = [None] * len(members)
    for key in keys:
        values = list(map(attrgetter(key), members))
        if values.count(None) == len(values):
            continue
        found = [
            before
            if before is not None
            else value
            if type(value) is str and 0 < len(value) <= MAX_CHARACTERS
            else str(value)
            if type(value) is int
            else None
            for before, value in zip(found, values, strict=True)
        ]
    return found


def _alone(said: Said, at: int, text: bytes | None, engine_io: bool) -> None:
    """Read one message by itself."""
    told = payload.read(text, engine_io)
    said.name[at], said.topic[at], said.trace[at] = told.name, told.topic, told.trace
    if told.heartbeat:
        said.beats[at] = told
