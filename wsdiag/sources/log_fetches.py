"""The plain HTTP requests in access logs, for a review: what a page asks for beside its socket.

Any line counts that names client, request and status: by a known format, or as web servers commonly
write it (`127.0.0.1:5000 - "GET /api/orders/7 HTTP/1.1" 200`). What asks for an upgrade, for a
transport of its own, or for a page's own files is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from wsdiag import contents, redact
from wsdiag.config import Config
from wsdiag.evidence import InputFile
from wsdiag.sources.formats.line_format import Format, formats_with
from wsdiag.sources.formats.words import PEER, Fields
from wsdiag.sources.line import json_record, stamps
from wsdiag.sources.line.wrapper import Unwrapper, strip_colours

MAX_LINE = 64 * 1024
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_METHOD = re.compile(rf'method"?\s*[=:]\s*"?(?P<method>{"|".join(METHODS)})\b', re.IGNORECASE)
_ASKS = re.compile(rb"\b(?:%s)\b" % "|".join(METHODS).encode())
_OWN_FILES = re.compile(
    r"/$|\.(?:js|mjs|css|map|html?|png|jpe?g|gif|svg|ico|webp|woff2?|ttf|txt|wasm)$", re.IGNORECASE
)
_GENERAL = re.compile(
    rf"(?<![\w.:])(?P<client>\[?[0-9a-fA-F.:]{{3,}}\]?(?::\d+)?)[^\"]*"
    rf"\"(?P<request>(?:{'|'.join(METHODS)}) /[^\" ]* HTTP/[\d.]+)\" (?P<status>\d{{3}})\b"
)
_TRANSPORT = re.compile(r"transport=(?:polling|websocket)|/negotiate\b")
_NAMES = {
    "method": ("req.method", "request.method", "http.method", "http.request.method", "method"),
    "path": ("req.url", "request.url", "http.target", "url.path", "url", "path"),
    "status": ("res.statuscode", "response.status", "http.status_code", "statuscode", "status"),
    "client": ("req.remoteaddress", "client.address", "client_ip", "remote_addr", "remoteaddress"),
    "ms": ("responsetime", "duration_ms", "elapsed_ms", "latency_ms"),
}
"""What web frameworks call it in JSON: pino-http, Bunyan, OpenTelemetry, structlog."""
_DECODE = msgspec.json.Decoder().decode


class _Line(NamedTuple):
    """What a line says: whether its time is the `start` or `end` of the request, its words, and the
    time of what wraps it."""

    means: str
    fields: Fields
    outer: stamps.Stamp | None = None


def note(item: InputFile, config: Config) -> None:
    """Note the plain requests of a log, where a review asks for them."""
    notebook = contents.current()
    if notebook is None:
        return
    from wsdiag.sources.text_reader import clock_of

    clock = clock_of(item, config)
    for pos, (means, fields, outer) in _lines(item, formats_with(tuple(config.formats))):
        method, status = _method(fields), fields["status"]
        path, host = fields["path"], _host(fields)
        plain = path.partition("?")[0]
        if not (method and path and status.isdecimal()) or status == "101":
            continue
        if fields["websocket"] or _TRANSPORT.search(path) or _OWN_FILES.search(plain):
            continue
        stamp = stamps.of_value(fields["time"]) or outer or stamps.find(fields["message"])
        at, ms = clock.instant(stamp) if stamp else None, fields.duration_ms()
        if at and means == "end":
            at -= timedelta(milliseconds=ms or 0.0)
        notebook.fetch(
            item.name,
            pos,
            _micros(at),
            redact.address(host) if host else None,
            method,
            path,
            int(status),
            ms,
            None,
            size=int(fields["bytes"]) if fields["bytes"].isdecimal() else None,
            late_ms=stamp.resolution_ms if stamp else 0.0,
        )


def _lines(item: InputFile, formats: Sequence[Format]) -> Iterator[tuple[int, _Line]]:
    """Each line with a request, and its place."""
    by_line = [one for one in formats if one.document.reads == "line" and one.document.pattern]
    by_record = [one for one in formats if one.document.reads == "record"]
    unwrapper, pos = Unwrapper(), 0
    with item.path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            place, pos = pos + 1, pos + line.endswith(b"\n")
            if not _ASKS.search(line):
                continue
            text = strip_colours(line.decode("utf-8", "replace").rstrip("\r\n"))
            peeled = unwrapper.peel(text)
            text, outer = (peeled.text, peeled.stamp) if peeled else (text, None)
            record = _record(text) if text[:1] == "{" else None
            if record and (carried := json_record.wrapped(record)):
                (text, outer, _), record = carried, None
            found = _of_record(record, text, by_record) if record else _of_line(text, by_line)
            if found:
                yield place, found._replace(outer=found.outer or outer)


def _record(text: str) -> Mapping[str, object] | None:
    try:
        record = _DECODE(text.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return record if isinstance(record, dict) else None


def _of_line(text: str, formats: list[Format]) -> _Line | None:
    for one in formats:
        if one.wants(text) and (fields := one.fields(text)):
            return _Line(one.document.time, fields)
    general = _GENERAL.search(text)
    return _Line("end", Fields(general.groupdict(), text)) if general else None


def _of_record(record: Mapping[str, object], text: str, formats: list[Format]) -> _Line | None:
    flat = json_record.flatten(record)
    for one in formats:
        if one.wants(text) and "time" in (fields := one.record_fields(flat, text)):
            return _Line(one.document.time, fields)
    words = {
        word: next((str(flat[name]) for name in names if name in flat), None)
        for word, names in _NAMES.items()
    }
    return _Line("end", Fields(words, text), json_record.stamp_of(flat))


def _method(fields: Fields) -> str:
    if fields["method"] in METHODS:
        return fields["method"]
    found = _METHOD.search(fields["message"])
    return found["method"].upper() if found else ""


def _host(fields: Fields) -> str:
    """The client's address, as the line writes it."""
    if fields["ip"]:
        return fields["ip"]
    found = PEER.fullmatch(fields["client"])
    return found["ip"] if found else ""


def _micros(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1e6)
