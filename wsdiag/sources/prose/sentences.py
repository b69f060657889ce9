"""What a free-form application message says about a WebSocket connection or its server.

Applications log what they like: prose, key=value, JSON with any field names. The phrases are data,
in `phrases.toml`; `meanings.py` finds those that a line means, `phrase_rows.py` makes rows of
them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from wsdiag.event import Dir, Kind
from wsdiag.redact import ping_payload
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.line import field_names, field_pairs, quantities, shown_values
from wsdiag.sources.line import fields as of
from wsdiag.sources.prose import meanings, phrase_rows
from wsdiag.sources.prose import vocabulary as v
from wsdiag.sources.prose.phrase_rows import known
from wsdiag.sources.prose.statements import READ, Line, fields_tell, lower, statement

_BYTES = r"(?P<data>b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\")"
_FRAME = re.compile(
    r"^(?P<side>server|client) (?P<way>[<>]) "
    rf"Frame\(fin=(?P<fin>True|False), opcode=(?P<opcode>\d{{1,2}}), data={_BYTES}"
)
_RAISED = re.compile(rf"\bfin=1 opcode=8 data={_BYTES}")
"""A Close frame as websocket-client (ABNF in _abnf.py) gives it to the handler of errors."""

_ELIDED = re.compile(rb"\.\.\.(\d{1,15}) bytes$")
_FRAME_KINDS = {1: Kind.MESSAGE, 2: Kind.MESSAGE, 8: Kind.CLOSE, 9: Kind.PING, 10: Kind.PONG}
_MEMORY = re.compile(
    r"\b(?:rss|(?:process |resident )?memory(?: usage| used| rss)?)\W{0,3}"
    r"(?P<bytes>\d{1,12}(?:\.\d+)? ?[kmg]i?b)\b"
)


def rows_of(message: str, fields: Mapping[str, object]) -> list[Row]:
    """The EVENT rows (column name → value) that a message and its structured fields state.

    The rows carry no time, vantage, source or position. `fields` is flat (nested keys joined by
    dots). A line that says nothing about a connection or its server gives no row.
    """
    if not v.GATE.search(message[:READ].lower()) and not (fields and fields_tell(fields)):
        return []
    line = Line(message, fields)
    if "frame(" in line.low and (frame := _FRAME.match(line.text)):
        return [_frame_row(frame)]
    if "opcode=8" in line.low and (frame := _RAISED.search(line.text)):
        data = _bytes_of(frame["data"])
        return [known({"kind": Kind.CLOSE.value, **({} if data is None else _said_at_close(data))})]
    told = {phrase.kind: (phrase, match) for phrase, match in meanings.phrases(line)}
    found = meanings.settled(told)
    if found and v.ECHO.search(line.low):
        return []
    rows = [row for phrase, match in found for row in phrase_rows.rows(phrase, match, line)]
    phrase_rows.explain(rows, told, line.text)
    return rows or _figures(line)


def speaks_as_client(message: str, fields: Mapping[str, object]) -> bool:
    """True when only a client writes such a sentence: reconnecting, onclose, connecting to ws://."""
    low = lower(statement(message, fields))
    if v.CLIENT_SPEECH.search(low) and not v.FOREIGN.search(low):
        return True
    return any(name.lower() in {"wasclean", "was_clean"} for name in fields)


def names_its_connection(message: str) -> bool:
    """True when a message carries the id of its connection in a field: `conn=52e0`."""
    return "=" in message and of.names_a_connection(
        field_pairs.spread({}, field_pairs.split_fields(message))
    )


def _figures(line: Line) -> list[Row]:
    """Rows of lines that are all figures: memory, a credential's expiry."""
    if not (line.fields or "rss" in line.low or "memory" in line.low or "exp" in line.low):
        return []
    said = line.said
    stated = _MEMORY.search(line.low)
    resident = of.sizes(said, field_names.MEMORY) or (
        quantities.size(stated["bytes"]) if stated else None
    )
    if resident is not None:
        return [{"kind": Kind.MEMORY.value, "bytes": resident}]
    if of.expiry_stated(said) and (of.names_a_connection(said) or line.websocket):
        who = of.identity(said)
        return [{"kind": Kind.TOKEN.value, **who}] if "expires" in who else []
    return []


def _frame_row(frame: re.Match[str]) -> Row:
    """The row of one frame, as the legacy websockets library traces it."""
    kind = _FRAME_KINDS.get(int(frame["opcode"]), Kind.MESSAGE)
    sent_by_server = (frame["side"] == "server") == (frame["way"] == ">")
    row: Row = {"kind": kind.value, "dir": (Dir.S2C if sent_by_server else Dir.C2S).value}
    data = _bytes_of(frame["data"])
    if data is None:
        return row
    elided = _ELIDED.search(data)
    row["bytes"] = int(elided[1]) if elided else len(data)
    if kind is Kind.CLOSE:
        row |= _said_at_close(data)
    elif kind is not Kind.MESSAGE and not elided:
        row["trace"] = ping_payload(data[:125])
    return known(row)


def _bytes_of(literal: str) -> bytes | None:
    """The bytes that Python wrote so; None where it did not write them."""
    try:
        data = ast.literal_eval(literal)
    except (ValueError, SyntaxError):
        return None
    return data if isinstance(data, bytes) else None


def _said_at_close(data: bytes) -> Row:
    """The code and the reason in a Close frame (RFC 6455 section 5.5.1)."""
    code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
    return {"code": code, "reason": shown_values.reason(data[2:].decode("utf-8", "replace"))}
