"""What a free-form application message says about a WebSocket connection or its server."""

from __future__ import annotations

from collections.abc import Mapping


def rows_of(message: str, fields: Mapping[str, object]) -> list[dict[str, object]]:
    """The EVENT rows (column name → value) that a message and its structured fields state."""
    return []


def split_fields(message: str) -> dict[str, str]:
    """The key=value, logfmt and `key: value` pairs in a message."""
    return {}


def speaks_as_client(message: str, fields: Mapping[str, object]) -> bool:
    """True when only a client writes such a sentence."""
    return False
