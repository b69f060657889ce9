"""The events of a NetLog, numbered from 1 in the order of the file, by the names of their types.

Chrome writes its constants on the first line, then one event a line, so that a file that a killed
browser cut short is read line by line as far as it goes. Numbers of types, phases and sources
differ from version to version: the file's own `constants` name them
(https://www.chromium.org/developers/design-documents/network-stack/netlog/).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec

LONGEST = 8 * 2**20
"""Bytes of a line; a longer one is passed over."""

WHOLE = 64 * 2**20
"""Bytes of a file that is not laid out in lines, as one that was formatted again, read at once."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_SHOWN = ("http/", "sec-websocket-key:", "sec-websocket-accept:", "sec-websocket-version:")


class Constants(msgspec.Struct, rename="camel"):
    """What the numbers of this file mean, and its clock: ms from the epoch to tick 0."""

    log_event_types: dict[str, int]
    log_event_phase: dict[str, int] = {}
    log_source_type: dict[str, int] = {}
    net_error: dict[str, int] = {}
    time_tick_offset: float = 0.0


class _Source(msgspec.Struct):
    id: int
    type: int = 0


class _Event(msgspec.Struct):
    type: int
    source: _Source
    time: float
    phase: int = 0
    params: dict[str, object] = {}


class _Head(msgspec.Struct):
    constants: Constants


class _Whole(msgspec.Struct):
    constants: Constants
    events: list[msgspec.Raw]


class Event(msgspec.Struct):
    """One event: `source` is the number of what it happened to, `ends` is true in phase END."""

    pos: int
    ts: datetime | None
    type: str
    source: int
    ends: bool
    params: dict[str, object]


class NetLog:
    """A NetLog being read; `remarks` and `unread` are complete when the events are through."""

    def __init__(self, path: Path) -> None:
        self.remarks: list[str] = []
        self.unread = 0
        self.errors: dict[int, str] = {}
        self._path = path

    def events(self) -> Iterator[Event]:
        """Every event that can be read."""
        with self._path.open("rb") as file:
            head = file.readline(LONGEST)
            if not file.readline(LONGEST).lstrip().startswith(b'"events"'):
                yield from self._whole()
                return
            try:
                decoded = msgspec.json.decode(head.strip().rstrip(b",") + b"}", type=_Head)
            except _ERRORS as problem:
                self.remarks.append(f"not a NetLog: {problem}")
                return
            yield from self._decoded(decoded.constants, self._lines(file))

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        """One event a line, up to the end of the list."""
        while line := file.readline(LONGEST):
            if len(line) == LONGEST and not line.endswith(b"\n"):
                while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                    pass
                self.unread += 1
                continue
            event = line.strip().removesuffix(b",")
            if last := event.endswith(b"]"):
                event = event[:-1]
            if event:
                yield event
            if last:
                return
        self.remarks.append("cut short: the browser did not end its log")

    def _whole(self) -> Iterator[Event]:
        if self._path.stat().st_size > WHOLE:
            self.remarks.append("a NetLog of this size is read only as the browser wrote it")
            return
        try:
            log = msgspec.json.decode(self._path.read_bytes(), type=_Whole)
        except _ERRORS as problem:
            self.remarks.append(f"not a whole NetLog: {problem}")
            return
        yield from self._decoded(log.constants, log.events)

    def _decoded(
        self, constants: Constants, lines: Iterator[bytes] | list[msgspec.Raw]
    ) -> Iterator[Event]:
        types = {number: name for name, number in constants.log_event_types.items()}
        end = constants.log_event_phase.get("PHASE_END", 2)
        self.errors |= {number: name for name, number in constants.net_error.items()}
        decoder = msgspec.json.Decoder(_Event, strict=False)
        pos = 0
        for pos, line in enumerate(lines, 1):
            try:
                event = decoder.decode(line)
            except _ERRORS:
                self.unread += 1
                continue
            yield Event(
                pos=pos,
                ts=_instant(constants.time_tick_offset + event.time),
                type=types.get(event.type, str(event.type)),
                source=event.source.id,
                ends=event.phase == end,
                params=event.params,
            )
        if self.unread:
            self.remarks.append(f"{self.unread} of {pos} events cannot be read")


def line(event: Event) -> str:
    """An event in one line, raw, what it is first: narrow places cut the rest.

    Without bytes of payload and of headers that may hold secrets.
    """
    params = {name: value for name, value in event.params.items() if name != "bytes"}
    if isinstance(headers := params.get("headers"), list):
        params["headers"] = [
            text for text in headers if isinstance(text, str) and text.lower().startswith(_SHOWN)
        ]
    told = " ".join(f"{name}={value}" for name, value in params.items())
    when = event.ts.isoformat() if event.ts else ""
    end = " end" if event.ends else ""
    return f"{event.type}{end} {told} {when} source {event.source}".strip()


def _instant(ms: float) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except (OverflowError, ValueError):
        return None
