"""The items of a HAR: its entries and their messages, numbered from 1 in the order of the file.

HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec) with `_webSocketMessages`. A message's time
is an epoch in seconds or milliseconds, by recorder; a failure stands in `_failureText` or `_error`.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

MILLISECONDS_FROM = 1e11
"""An epoch beyond this is in milliseconds (Playwright), below in seconds (DevTools, mitmproxy)."""

TEXT = 1
"""The opcode of text; the data of any other is in base64."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Header(msgspec.Struct):
    """One HTTP header."""

    name: str
    value: str = ""


class Asked(msgspec.Struct):
    """The request of an entry."""

    url: str
    method: str = "GET"
    headers: list[Header] = []


class Answered(msgspec.Struct):
    """The answer of an entry; `status` is 0 or -1 where none came."""

    status: int = 0
    failure: str | None = msgspec.field(default=None, name="_failureText")
    error: str | None = msgspec.field(default=None, name="_error")
    headers: list[Header] = []
    content: msgspec.Raw = msgspec.Raw(b"{}")


class Body(msgspec.Struct, rename="camel"):
    """The body of an answer, where the recorder kept it."""

    text: str | None = None
    encoding: str = ""
    mime_type: str = ""
    size: int | None = None


class Message(msgspec.Struct):
    """A WebSocket message; `type` is send or receive."""

    type: str = ""
    time: float | None = None
    opcode: int = TEXT
    data: str | None = ""


class Entry(msgspec.Struct, rename="camel"):
    """An HTTP exchange, or a WebSocket with its messages; `time` in ms, negative where unknown."""

    request: Asked
    response: Answered = msgspec.field(default_factory=Answered)
    started_date_time: str = ""
    time: float | None = None
    timings: dict[str, object] = {}
    resource_type: str = msgspec.field(default="", name="_resourceType")
    messages: list[msgspec.Raw] | None = msgspec.field(default=None, name="_webSocketMessages")


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Har(msgspec.Struct):
    log: _Log


def items(data: bytes) -> Iterator[tuple[int, Entry | str, Message | str | None]]:
    """Every item: its pos, its entry, and its message or None for the entry itself.

    A text instead of an entry or message says why it cannot be read; pos 0 is the whole file.
    """
    try:
        har = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Har)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        yield 0, f"not a whole HAR: {problem}", None
        return
    pos = 0
    for raw in har.log.entries:
        pos += 1
        try:
            entry = msgspec.json.decode(raw, type=Entry, strict=False)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
            yield pos, str(problem), None
            continue
        yield pos, entry, None
        for part in entry.messages or ():
            pos += 1
            try:
                yield pos, entry, msgspec.json.decode(part, type=Message, strict=False)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
                yield pos, entry, str(problem)


def line(item: Entry | Message | str) -> str:
    """An item in one line, raw."""
    if isinstance(item, str):
        return f"unreadable: {item}"
    if isinstance(item, Message):
        ts = epoch(item.time)
        text = content(item) if item.opcode == TEXT else b""
        told = [item.type, f"opcode {item.opcode}", f"{len(content(item))} bytes"]
        return " ".join([ts.isoformat() if ts else "", *told, text.decode("utf-8", "replace")])
    answer = item.response
    failure = answer.failure or answer.error or ""
    told = [item.started_date_time, item.request.method, item.request.url, f"→ {answer.status}"]
    key = [h.value for h in item.request.headers if h.name.lower() == "sec-websocket-key"]
    return " ".join([*told, *(f"Sec-WebSocket-Key: {value}" for value in key), failure]).rstrip()


def content(message: Message) -> bytes:
    """The payload: text, or base64 of anything else."""
    data = message.data or ""
    if message.opcode != TEXT:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            pass
    return data.encode("utf-8", "surrogatepass")


def body(answer: Answered) -> tuple[bytes | None, Body]:
    """The body of an answer, and what the recorder says of it."""
    try:
        told = msgspec.json.decode(answer.content, type=Body, strict=False)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        told = Body()
    if told.text is None:
        return None, told
    data = told.text.encode("utf-8", "surrogatepass")
    if told.encoding != "base64":
        return data, told
    try:
        return base64.b64decode(data, validate=True), told
    except (binascii.Error, ValueError):
        return None, told


def handshake_ms(entry: Entry) -> float | None:
    """How long the exchange took; None where it is not stated.

    Playwright leaves every timing of a WebSocket at -1 and lets `time` grow with its messages.
    """
    unknown = entry.timings and all(
        isinstance(spent := entry.timings.get(phase), int | float) and spent < 0
        for phase in ("send", "wait", "receive")
    )
    return None if unknown or entry.time is None or entry.time < 0 else entry.time


def instant(text: str) -> datetime | None:
    """The time that ISO 8601 text tells, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def micros(moment: datetime | None) -> int | None:
    """A time in microseconds since 1970."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def epoch(time: float | None) -> datetime | None:
    """The time of a message."""
    if time is None or not math.isfinite(time):
        return None
    seconds = time / 1000 if time > MILLISECONDS_FROM else time
    try:
        return _EPOCH + timedelta(microseconds=round(seconds * 1e6))
    except OverflowError:
        return None
