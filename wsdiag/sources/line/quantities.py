"""Numbers, durations, sizes and moments as programs write them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

_SECONDS_OF = {
    **dict.fromkeys(("ns", "nanos", "nanoseconds", "nanosecond"), 1e-6),
    **dict.fromkeys(("us", "µs", "μs", "micros", "microseconds", "microsecond"), 1e-3),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "milliseconds", "millisecond"), 1.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1e3),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 6e4),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3.6e6),
}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*\(?(ns|µs|μs|us|[a-z]{1,12})?\)?")
_CLOCK = re.compile(r"^(\d{1,3}):(\d{2}):(\d{2}(?:\.\d{1,9})?)$")
_SIZE = re.compile(r"^(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(i?b|i?bytes?|)$")
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def number(text: str | None, low: int, high: int) -> int | None:
    """The whole number that `text` is, or begins with (`1006 (abnormal)`), when it is in range."""
    found = re.match(r"(?!-)\D{0,2}(\d{1,6})(?![\d.])", text) if text else None
    value = int(found[1]) if found else None
    return value if value is not None and low <= value <= high else None


def millis(text: str, unit: str | None = None) -> float | None:
    """A stated duration in ms: `12.3ms`, `1m30s`, `00:00:01`, `5 (s)`; bare: in `unit`."""
    plain = text.strip().strip("\"'~").lower().replace(",", "")
    clock = _CLOCK.match(plain)
    if clock:
        return float(clock[1]) * 3.6e6 + float(clock[2]) * 6e4 + float(clock[3]) * 1e3
    total, place = 0.0, 0
    while found := _AMOUNT.match(plain, place):
        scale = _SECONDS_OF.get(found[2] or unit or "")
        if scale is None:
            return None
        total, place = total + float(found[1]) * scale, found.end()
    return total if place and math.isfinite(total) else None


def size(text: str | None, unit: str = "") -> int | None:
    """A stated size in bytes: `2097152`, `2 MB`, `1.5GiB` (1024 based)."""
    found = _SIZE.match(text.strip().lower().replace(",", "")) if text else None
    if not found:
        return None
    value = float(found[1]) * 1024 ** _POWER[found[2] or unit]
    return int(value) if value < 2**62 else None


@lru_cache(4096)
def instant(text: str) -> datetime | None:
    """A moment as epoch (seconds to nanoseconds) or ISO 8601 (no zone: UTC)."""
    plain = text.strip().strip("\"'")
    try:
        seconds = float(plain)
    except ValueError:
        try:
            moment = datetime.fromisoformat(plain)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    for _ in range(3):
        if seconds > 1e11:
            seconds /= 1e3
    return datetime.fromtimestamp(seconds, UTC) if 1e9 < seconds < 1e11 else None
