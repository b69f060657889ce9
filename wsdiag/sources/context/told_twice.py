"""What a log tells twice: by two handlers of one logger, or by exceptions that led to the last."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.sources.context.open_connections import Row

Spoken = tuple[str, bool, int]
"""The latest message, whether a time or level stood before it, and how many rows it gave."""

NOTHING: Spoken = ("", False, 0)

_TWIN_CHARS = 12
"""Shorter messages are repeated by chance."""


def is_twin(before: Spoken, message: str, headed: bool) -> bool:
    """True for a line that a second log handler wrote again, once bare and once with a head."""
    told, before_headed, _ = before
    if headed == before_headed or min(len(message), len(told)) < _TWIN_CHARS:
        return False
    return message.endswith(told) or told.endswith(message)


def without(rows: Sequence[Row], told: Sequence[Row]) -> list[Row]:
    """The rows but these very ones: a traceback's last line says the same better."""
    marked = {id(row) for row in told}
    return [row for row in rows if id(row) not in marked]
