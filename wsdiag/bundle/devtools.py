"""DevTools events as they may leave: those of the connections that are needed, made anew from what
is read of them. Other lines are empty, so that each keeps its number.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from wsdiag.bundle import browser, texts
from wsdiag.capture.websocket.payload import is_engine_io
from wsdiag.redact import Redactor
from wsdiag.sources.browser.cdp_lines import Event, event_of
from wsdiag.sources.browser.har_items import TEXT


def write(source: Path, target: Path, needed: Collection[int]) -> None:
    """Copy the events of the connections of which any stands at these places."""
    redactor = Redactor(rereadable=True)
    kept = {event.text("requestId") for pos, event in _events(source) if event and pos in needed}
    urls: dict[str, str] = {}
    with target.open("wb") as file:
        for _, event in _events(source):
            told: dict[str, Any] | None = None
            if event and event.method.startswith("Network.webSocket"):
                conn = event.text("requestId")
                urls.setdefault(conn, event.text("url"))
                told = _told(event, urls[conn], redactor) if conn in kept else None
            elif event and event.number("wallTime") and event.number("timestamp"):
                told = _clock(event)
            if event and told is not None:
                stamped = {"t": event.written} if event.written else {}
                line = msgspec.json.encode({"method": event.method, "params": told, **stamped})
                if event.logged is not None:
                    line = msgspec.json.encode(
                        {"timestamp": event.logged, "message": line.decode("utf-8")}
                    )
                file.write(line)
            file.write(b"\n")


def _events(source: Path) -> Iterator[tuple[int, Event | None]]:
    with source.open("rb") as file:
        for pos, line in enumerate(file, 1):
            yield pos, event_of(line)


def _clock(event: Event) -> dict[str, Any]:
    return {name: event.params[name] for name in ("timestamp", "wallTime") if event.number(name)}


def _told(event: Event, url: str, redactor: Redactor) -> dict[str, Any]:
    told: dict[str, Any] = {"requestId": event.text("requestId"), **_clock(event)}
    if own := event.text("url"):
        told["url"] = redactor.mask(own)
    if failure := event.text("errorMessage"):
        told["errorMessage"] = redactor.mask(failure)
    if headers := event.headers("request"):
        told["request"] = {"headers": browser.headers(headers, redactor)}
    if "response" in event.params:
        answer = {name: event.inner("response", name) for name in ("status", "opcode")}
        told["response"] = {name: int(value) for name, value in answer.items() if value}
    if event.method.endswith(("FrameSent", "FrameReceived")):
        text = event.inner_text("response", "payloadData")
        told["response"]["payloadData"] = _alike(
            text, int(event.inner("response", "opcode")), is_engine_io(url), redactor
        )
    return told


def _alike(text: str, opcode: int, engine_io: bool, redactor: Redactor) -> str:
    """A payload as long as it was, which says what is read of it."""
    if opcode != TEXT:
        try:
            size = len(base64.b64decode(text, validate=True))
        except ValueError:
            return "-" * len(text.encode("utf-8", "surrogatepass"))
        return base64.b64encode(bytes(size)).decode()
    data = text.encode("utf-8", "surrogatepass")
    said = texts.alike(data, engine_io, redactor)
    return texts.of_size(said, len(data)).decode("utf-8", "replace")
