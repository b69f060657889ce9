"""JSON, `wsdiag.report/1`: the Report field for field, for other programs.

The wire names are the Report's own; a change of meaning needs a new schema name and a new module.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from wsdiag.report import SCHEMA, Report


def render(report: Report) -> str:
    """The report as `encode` writes it."""
    return encode(report)


def encode(told: Any) -> str:
    """Indented JSON of structs; times are RFC 3339 in UTC with Z; a number that is not finite is
    null."""
    wire = _wire(msgspec.to_builtins(told, builtin_types=(datetime,)))
    return msgspec.json.format(msgspec.json.encode(wire), indent=2).decode() + "\n"


def schema(kind: type[msgspec.Struct] = Report, name: str = SCHEMA) -> dict[str, Any]:
    """The JSON Schema of what `encode` writes of a `kind`, by default of what `render` writes."""
    generated = msgspec.json.schema(kind)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{name.replace('/', ':')}",
        "title": f"wsdiag {name.partition('.')[2].partition('/')[0]} ({name})",
    } | generated


def _wire(value: Any) -> Any:
    if isinstance(value, dict):
        return {_wire(name): _wire(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_wire(item) for item in value]
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat(
            timespec="microseconds"
        ).removesuffix("+00:00") + "Z"
    # A file name that is not UTF-8 arrives with lone surrogates, which JSON cannot carry.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
