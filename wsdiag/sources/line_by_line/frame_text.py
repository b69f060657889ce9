"""Read one frame as python's websockets library writes it at level DEBUG.

Since version 10: `PING 1f 02 9a 11 [binary, 4 bytes]`, `CLOSE 1000 (OK) bye [5 bytes]`,
`TEXT 'hello' [5 bytes]`. Before: `Frame(fin=True, opcode=9, data=b'\\x1f\\x02', rsv1=False, …)`.
Long contents are elided in the middle, the size is not.
"""

from __future__ import annotations

import re

from wsdiag.redact import Redactor, ping_payload

Row = dict[str, object]

_FRAME = re.compile(
    r"(?P<type>TEXT|BINARY|CONT|PING|PONG|CLOSE)\b ?(?P<body>.*?)"
    r" ?\[(?:binary, |text, )?(?P<bytes>\d+) bytes?(?P<more>, continued)?\]$"
)
_OLD_FRAME = re.compile(r"Frame\(fin=(?P<fin>\w+), opcode=(?:\w+\.)?(?P<opcode>\w+)")
_OLD_DATA = re.compile(
    r"""data=b(?P<quote>['"])(?P<data>.*?)(?:\.\.\.(?P<bytes>\d+) bytes)?(?P=quote)[,)]"""
)
_CLOSE = re.compile(r"(?P<code>\d{4}) \([^)]*\) ?(?P<reason>.*)")
_TYPES = {"1": "TEXT", "2": "BINARY", "0": "CONT", "8": "CLOSE", "9": "PING", "10": "PONG"}
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def row_of(text: str, redactor: Redactor) -> Row | None:
    """The row of a frame, without `dir`; {} for a part of a message; None when it is no frame."""
    found = _FRAME.match(text)
    if found:
        return _row(found["type"], found["body"], int(found["bytes"]), not found["more"], redactor)
    old = _OLD_FRAME.match(text)
    if not old:
        return None
    data = _OLD_DATA.search(text)
    raw = _bytes(data["data"]) if data else b""
    size = int(data["bytes"]) if data and data["bytes"] else len(raw)
    kind = _TYPES.get(old["opcode"], old["opcode"])
    return _row(kind, _body(kind, raw), size, old["fin"] == "True", redactor)


def _row(kind: str, body: str, size: int, final: bool, redactor: Redactor) -> Row | None:
    if kind in ("TEXT", "BINARY", "CONT"):
        return {"kind": "message", "bytes": size} if final else {}
    if kind in ("PING", "PONG"):
        row: Row = {"kind": kind.lower(), "bytes": size}
        if shown := payload(body):
            row["trace"] = shown
        return row
    if kind != "CLOSE":
        return None
    found = _CLOSE.match(body)
    row = {"kind": "close", "bytes": size, "code": int(found["code"]) if found else 1005}
    if found and (reason := redactor.reason(found["reason"])):
        row["reason"] = reason
    return row


def payload(body: str) -> str | None:
    """A ping's payload in hexadecimal: written as bytes (`1f 02`) or as a Python string."""
    if body[:1] in ("'", '"'):
        return ping_payload(_bytes(body[1:-1]))
    digits = body.replace(" ", "")
    if not re.fullmatch(r"(?:[0-9a-f]{2}){1,125}", digits):
        return None
    return ping_payload(bytes.fromhex(digits))


def _body(kind: str, raw: bytes) -> str:
    if kind == "CLOSE" and len(raw) >= 2:
        return f"{int.from_bytes(raw[:2]):04d} () {raw[2:].decode('utf-8', 'replace')}"
    return raw.hex() if kind in ("PING", "PONG") else ""


def _bytes(literal: str) -> bytes:
    """The bytes that a Python string or bytes literal writes."""
    text = _ESCAPE.sub(_unescaped, literal)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) == 3 else _ESCAPED.get(code, code)
