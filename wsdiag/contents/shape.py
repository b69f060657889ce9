"""What a payload looks like: its shape, the fields in it, the thing that it is about.

Fields are digests of a member's name and value: they tell that two texts say the same, not what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

MAX_FIELDS = 64
"""So many members of a payload are compared."""

MAX_IDS = 2000
MAX_DEPTH = 6
MAX_SHAPE = 400
"""Characters of a shape that are kept."""

ID_KEYS = ("entity_id", "entityId", "id", "_id", "uuid", "key", "pk", "ref_id")
# What a bare signal names.
_SUBJECTS = frozenset(
    [
        "id",
        "_id",
        "uuid",
        "entity",
        "entity_id",
        "entityId",
        "key",
        "keys",
        "queryKey",
        "ids",
        "resource",
        "invalidate",
        "model",
        "table",
    ]
)
# What a bare signal may hold beside them: words that say what changed, not how it is now.
_SIGNAL_KEYS = _SUBJECTS | {
    "type",
    "entity_type",
    "entityType",
    "event",
    "topic",
    "op",
    "action",
    "timestamp",
    "ts",
    "time",
    "at",
    "seq",
    "ref",
    "trace_id",
    "traceId",
    "version",
    "user_id",
    "userId",
    "kind",
    "channel",
    "operation",
    "room",
    "reason",
}
_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def shape_of(value: object, name: Callable[[str], str] = str) -> str:
    """Sorted members with their types: `{id:string, tags:[string]}`; `name` masks each name."""
    return _shape(value, 0, name)[:MAX_SHAPE]


def _shape(value: object, depth: int, name: Callable[[str], str]) -> str:
    if isinstance(value, dict):
        if depth >= MAX_DEPTH:
            return "object"
        if len(value) > MAX_FIELDS:
            return "map"
        members = [f"{name(key)}:{_shape(value[key], depth + 1, name)}" for key in sorted(value)]
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return f"[{_shape(value[0], depth + 1, name)}]" if value and depth < MAX_DEPTH else "[]"
    return _NAMES.get(type(value), "string")


def fields_of(value: object) -> list[int]:
    """Digests of the members that hold a plain value, at most `MAX_FIELDS`, sorted."""
    found: set[int] = set()
    for name, plain in _leaves("", value, 0):
        found.add(crc32(f"{name}\0{plain}".encode("utf-8", "replace")))
        if len(found) >= MAX_FIELDS:
            break
    return sorted(found)


def _leaves(name: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(key, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value[:MAX_FIELDS]:
            yield from _leaves(name, inner, depth + 1)
    else:
        yield name, value


def digest(text: str) -> int:
    """A digest of a name or id."""
    return crc32(text.encode("utf-8", "replace"))


def entity_of(payload: object) -> str | None:
    """The id of what a payload is about, looked for in it and in what it wraps."""
    if not isinstance(payload, dict):
        return None
    for key in ID_KEYS:
        found = payload.get(key)
        if (isinstance(found, str) and 0 < len(found) <= 128) or type(found) is int:
            return str(found)
    for inner in ("payload", "data", "entity", "item", "record"):
        if isinstance(payload.get(inner), dict) and (told := entity_of(payload[inner])):
            return told
    return None


def ids_of(value: object) -> list[str]:
    """The ids of all things in an answer, at most `MAX_IDS`."""
    found: dict[str, None] = {}
    waiting = [value]
    while waiting and len(found) < MAX_IDS:
        one = waiting.pop()
        if isinstance(one, dict):
            told = (one.get(key) for key in ID_KEYS)
            found |= {str(it): None for it in told if isinstance(it, str) or type(it) is int}
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return list(found)


def is_signal(payload: object) -> bool:
    """Whether it says only that something changed: `{type, id}`, and nothing of how it is now."""
    if not isinstance(payload, dict) or not payload:
        return False
    names: set[str] = set()
    _names(payload, names, 0)
    return names <= _SIGNAL_KEYS and not names.isdisjoint(_SUBJECTS)


def _names(value: dict[str, Any], names: set[str], depth: int) -> None:
    for key, inner in value.items():
        if isinstance(inner, dict) and depth < MAX_DEPTH:
            if inner:
                _names(inner, names, depth + 1)
        elif inner is not None:
            names.add(key)
