"""Make sense of one JSON object of a log: its time, its message, its fields, or what it wraps.

Names differ by library (pino, zap, zerolog, structlog, python-json-logger, bunyan, logrus, GELF,
ECS, OpenTelemetry, docker's json-file, journald): the first name of each list that holds wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from wsdiag.sources.line import stamps
from wsdiag.sources.line.stamps import Stamp

TIME_NAMES = (
    "@timestamp", "timestamp", "time", "ts", "t", "msec", "datetime", "date", "asctime",
    "eventtime", "event_time", "log_time", "logtime", "timeunixnano", "observedtimeunixnano",
    "requesttime", "requesttimeepoch", "start_time", "startutc", "edgeendtimestamp", "wall_time",
    "_time", "created", "instant", "when", "at", "__realtime_timestamp",
    "zeit", "zeitstempel", "horodatage", "fecha",
)  # fmt: skip
MESSAGE_NAMES = (
    "msg", "message", "event", "text", "log", "short_message", "body", "description", "m", "line",
    "ev", "action", "name", "textpayload", "jsonpayload.message", "jsonpayload.msg",
    "fields.message", "properties.message", "meldung", "nachricht", "mensaje", "what", "note",
)  # fmt: skip
"""What holds the message: of common loggers, of Google's and Azure's exports, of Rust's tracing."""

_WORDS = frozenset({"line", "name"})
"""Of these a value of one word may be another thing: the line of a telephone, a person's name."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
_CLOCK = re.compile(
    r"(?:^|[^a-z])(?:ts|time|unix|unixtime|epoch|stamp|timestamp|clock)(?:[^a-z]|$)"
)
_OTHER_MOMENT = re.compile(
    r"exp|until|next|last|since|start|begin|end|creat|updat|valid|issued|due"
)

MAX_LINES = 500
"""An object that is written over more lines than this is no record."""

MAX_DEPTH = 6
MAX_FIELDS = 400

_ANY_VALUE = frozenset({"stringValue", "intValue", "doubleValue", "boolValue"})
"""What OpenTelemetry's JSON wraps each value in; a 64-bit integer is a string."""

Scalar = str | int | float | bool


def flatten(record: Mapping[str, object]) -> dict[str, Scalar]:
    """Dotted lower-case names; a list of one is its element, longer lists of scalars are joined."""
    flat: dict[str, Scalar] = {}
    _into(flat, "", record, 0)
    return flat


def _into(flat: dict[str, Scalar], name: str, value: object, depth: int) -> None:
    if len(flat) >= MAX_FIELDS or depth > MAX_DEPTH:
        return
    if isinstance(value, Mapping) and len(value) == 1 and value.keys() & _ANY_VALUE:
        _into(flat, name, next(iter(value.values())), depth + 1)
    elif isinstance(value, list) and value and all(_is_attribute(item) for item in value):
        _into(flat, name, {item["key"]: item["value"] for item in value}, depth + 1)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _into(flat, f"{name}.{key}".lower() if name else str(key).lower(), inner, depth + 1)
    elif isinstance(value, list):
        if len(value) == 1:
            _into(flat, name, value[0], depth + 1)
        elif value and all(isinstance(item, str | int | float) for item in value):
            flat[name] = ", ".join(str(item) for item in value[:20])
    elif isinstance(value, str | int | float):
        flat[name] = value


def _is_attribute(item: object) -> bool:
    """True for an attribute in OpenTelemetry's JSON: `{"key": …, "value": {"intValue": "1"}}`."""
    return isinstance(item, dict) and item.keys() == {"key", "value"} and type(item["key"]) is str


def log_records(record: Mapping[str, object]) -> list[object]:
    """The log records in one OTLP/JSON export (opentelemetry-proto, logs/v1); else the record."""
    found: list[object] = [record]
    for level in ("resourceLogs", "scopeLogs", "logRecords"):
        inner = [one.get(level) for one in found if isinstance(one, Mapping)]
        if not any(isinstance(one, list) for one in inner):
            return [record]
        found = [part for one in inner if isinstance(one, list) for part in one]
    return found


def stamp_of(flat: Mapping[str, object]) -> Stamp | None:
    """The record's time."""
    for name in TIME_NAMES:
        value = flat.get(name)
        if value is not None and (stamp := stamps.of_value(value)):
            return stamp
    # Under whatever name: what is written as a moment, and is not said to be another's.
    for name, value in flat.items():
        if isinstance(value, str) and _MOMENT.match(value) and not _OTHER_MOMENT.search(name):
            return stamps.of_value(value)
    for name, value in flat.items():
        if (
            isinstance(value, int | float)
            and _CLOCK.search(name)
            and not _OTHER_MOMENT.search(name)
        ):
            return stamps.of_value(value)
    return None


def record_stamp(text: str) -> Stamp | None:
    """The time of a record as it is written. Raises `msgspec.DecodeError` where it is none."""
    return stamp_of(flatten(msgspec.json.decode(text)))


def message_of(flat: Mapping[str, object]) -> str:
    """The record's message; empty when it has none."""
    told = ((name, flat.get(name)) for name in MESSAGE_NAMES)
    found = [(name, value) for name, value in told if isinstance(value, str) and value]
    sentences = (value for name, value in found if name not in _WORDS or " " in value)
    return next(sentences, found[0][1] if found else "")


def wrapped(record: Mapping[str, object]) -> tuple[str, Stamp | None, bool] | None:
    """What docker's json-file or journald's json carries: text, time, and if the line ends here."""
    text = record.get("log")
    if isinstance(text, str) and "stream" in record and isinstance(record.get("time"), str):
        return text.rstrip("\r\n"), stamps.of_value(record["time"]), text.endswith("\n")
    if "__REALTIME_TIMESTAMP" in record and "MESSAGE" in record:
        carried = record["MESSAGE"]
        if isinstance(carried, list):  # bytes, where the message is not plain UTF-8
            octets = [b for b in carried if isinstance(b, int) and 0 <= b < 256]
            carried = bytes(octets).decode("utf-8", "replace")
        text = carried if isinstance(carried, str) else ""
        return text, stamps.of_value(record["__REALTIME_TIMESTAMP"]), True
    return None


def wrapped_text(line: str) -> tuple[str, Stamp | None] | None:
    """What such a line carries, as it is written; None where it is none or does not end there."""
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    carried = wrapped(record) if isinstance(record, dict) else None
    return carried[:2] if carried and carried[2] else None


class SpreadRecords:
    """Collects records that are written over several lines, from a `{` alone to its `}`."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __len__(self) -> int:
        """The lines of the record that goes on."""
        return len(self._lines)

    def take(self, line: str) -> list[str] | None:
        """The lines that are complete with this one; None while a record goes on.

        A record comes back as one line; what turns out not to be one, line by line.
        """
        if not self._lines and line != "{":
            return [line]
        self._lines.append(line)
        if line.rstrip(",") != "}" and len(self._lines) < MAX_LINES:
            return None
        return self.rest()

    def rest(self) -> list[str]:
        """What was collected so far."""
        lines, self._lines = self._lines, []
        text = "\n".join(lines).rstrip(",")
        try:
            return [msgspec.json.encode(msgspec.json.decode(text)).decode()]
        except (msgspec.DecodeError, RecursionError):
            return lines
