"""One line of a log of DevTools events: the method, its parameters, and when it was written.

Names differ by who writes: `method` and `params`, or `m` and `p`; ChromeDriver's performance log
carries the event as text in `message`, with its own `timestamp` in milliseconds.
"""

from __future__ import annotations

import math
import re

import msgspec

_METHOD = re.compile(r"(?:Network|Page|Runtime|Log|Target|Security|Performance|Fetch|Console)\.\w+")
_WRAPPED = 3
"""An event is not wrapped deeper than this."""


class Event(msgspec.Struct):
    """One event; `written` is a time in ISO 8601, `logged` an epoch, where the line has one."""

    method: str
    params: dict[str, object]
    written: str = ""
    logged: float | None = None

    def number(self, name: str) -> float:
        """A parameter that is a number; 0 where it is none."""
        return _number(self.params.get(name))

    def text(self, name: str) -> str:
        """A parameter that is a text."""
        value = self.params.get(name)
        return value if isinstance(value, str) else ""

    def inner(self, name: str, of: str) -> float:
        """A number inside a parameter."""
        value = self.params.get(name)
        return _number(value.get(of)) if isinstance(value, dict) else 0.0

    def inner_text(self, name: str, of: str) -> str:
        """A text inside a parameter."""
        value = self.params.get(name)
        text = value.get(of) if isinstance(value, dict) else None
        return text if isinstance(text, str) else ""

    def headers(self, name: str) -> dict[str, str]:
        """The headers inside a parameter, by lower-case name."""
        value = self.params.get(name)
        told = value.get("headers") if isinstance(value, dict) else None
        if not isinstance(told, dict):
            return {}
        return {key.lower(): text for key, text in told.items() if isinstance(text, str)}


def event_of(line: bytes) -> Event | None:
    """The event on a line; None where there is none."""
    if not line.lstrip().startswith(b"{"):
        return None
    record, logged = _decode(line), None
    for _ in range(_WRAPPED):
        method = record.get("method", record.get("m"))
        if isinstance(method, str) and _METHOD.fullmatch(method):
            params = record.get("params", record.get("p"))
            when = record.get("t", record.get("time"))
            return Event(
                method=method,
                params=params if isinstance(params, dict) else {},
                written=when if isinstance(when, str) else "",
                logged=logged,
            )
        inner = record.get("message")
        logged = _number(record.get("timestamp")) or logged
        record = inner if isinstance(inner, dict) else _decode(inner)
    return None


def _decode(text: object) -> dict[str, object]:
    if not isinstance(text, bytes | str):
        return {}
    try:
        record = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return record if isinstance(record, dict) else {}


def _number(value: object) -> float:
    """A number that can be one of a time, a status or an opcode."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if math.isfinite(value) and abs(value) < 2**53 else 0.0
