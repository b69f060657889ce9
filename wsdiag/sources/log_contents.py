"""The payloads that a JSON log writes beside its messages, for a review.

A line counts when it says which way a message went (`"direction": "out"`, "message sent") and holds
the message (`payload`, `frame`, `body`, `data`), as an object or as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from wsdiag import contents
from wsdiag.config import Config
from wsdiag.contents import Notebook
from wsdiag.evidence import InputFile
from wsdiag.sources.line import fields, json_record
from wsdiag.sources.text_reader import names_a_client

MAX_LINE = 1024 * 1024
PAYLOADS = ("payload", "frame", "body", "data", "message_data", "raw")
WAYS = ("direction", "dir", "way", "flow")
OUT = re.compile(r"\b(?:out|outgoing|outbound|sent|send|sending|tx|s2c|emit\w*|publish\w*)\b", re.I)
IN = re.compile(r"\b(?:in|incoming|inbound|received?|receiving|recv|rx|c2s|got)\b", re.I)
_HOLDS = re.compile(rb'"(?:payload|frame|body|data|message_data|raw)"\s*:')
_DECODE = msgspec.json.Decoder().decode


def note(item: InputFile, config: Config) -> None:
    """Note the messages of a log, where a review asks for them."""
    notebook = contents.current()
    if notebook is None:
        return
    zone, of_client = ZoneInfo(config.tz), names_a_client(item.name)
    with item.path.open("rb") as file:
        pos = 0
        while notebook.wants(item.name) and (line := file.readline(MAX_LINE)):
            pos += 1
            if line.lstrip()[:1] == b"{" and _HOLDS.search(line):
                _line(notebook, item.name, pos, line, zone, of_client=of_client)


def _line(
    notebook: Notebook, source: str, pos: int, line: bytes, zone: ZoneInfo, *, of_client: bool
) -> None:
    try:
        record = _DECODE(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return
    if not isinstance(record, dict):
        return
    data = _payload(record)
    rest = {name: value for name, value in record.items() if name not in PAYLOADS}
    flat = json_record.flatten(rest)
    way = _way(flat, of_client=of_client)
    if data is None or way is None:
        return
    said = {re.sub(r"[^a-z0-9]", "", name): str(value) for name, value in flat.items()}
    conn = fields.identity(said).get("conn")
    stamp = json_record.stamp_of(flat)
    at = _micros(stamp.at, zone) if stamp else None
    named = conn if isinstance(conn, str) else None
    notebook.message(source, pos, at, named, way, len(data), data)


def _payload(record: Mapping[str, Any]) -> bytes | None:
    for name in PAYLOADS:
        value = record.get(name)
        if isinstance(value, dict | list):
            return msgspec.json.encode(value)
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            return value.encode("utf-8", "surrogatepass")
    return None


def _way(flat: Mapping[str, object], *, of_client: bool) -> str | None:
    """Whether the message went to the client; a client's log says it the other way round."""
    stated = next((str(flat[name]) for name in WAYS if name in flat), None)
    text = stated or json_record.message_of(flat)
    out, in_ = OUT.search(text), IN.search(text)
    if bool(out) == bool(in_):
        return None
    if stated and stated.lower() in ("s2c", "c2s"):
        return stated.lower()
    return "s2c" if bool(out) != of_client else "c2s"


def _micros(at: datetime, zone: ZoneInfo) -> int:
    return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1e6)
