"""HTTP as it may leave: start line, the headers that are read, each part as long as it was."""

from __future__ import annotations

import re

from wsdiag.redact import Redactor

KEPT = (
    *("upgrade", "connection", "sec-websocket-key", "sec-websocket-accept"),
    *("sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions"),
    *("authorization", "x-request-id", "traceparent"),
    *("content-length", "content-encoding", "transfer-encoding"),
)
NEEDED = ("host",)
IF_ROOM = ("retry-after", "origin", "host", "server")

_END = b"\r\n\r\n"
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r\n")
_QUERY = re.compile(r"\?\S*")
_NO_BODY = re.compile(rb"HTTP/1\.\d (?:1\d\d|204|304)\b")


def rewritten(data: bytes, redactor: Redactor) -> bytes:
    """The messages of one side; from what is not whole on, zeros."""
    told = bytearray()
    while (end := data.find(_END)) >= 0:
        head, data = data[: end + len(_END)], data[end + len(_END) :]
        told += _head(head, redactor)
        fields = dict(_fields(head))
        size = fields.get(b"content-length", b"")
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            body, data = _chunked(data, redactor)
        elif head.startswith(b"HTTP/") and not _NO_BODY.match(head) and not size.isdigit():
            body, data = _body(data, redactor), b""
        else:
            length = int(size) if size.isdigit() and not _NO_BODY.match(head) else 0
            body, data = _body(data[:length], redactor), data[length:]
        told += body
    return bytes(told)


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = head.split(b"\r\n")[1:-2]
    parts = (line.partition(b":") for line in lines)
    return [(name.strip().lower(), value.strip()) for name, _, value in parts]


def _head(head: bytes, redactor: Redactor) -> bytes:
    """The head with what is read of it; blanks behind the last header fill it up."""
    start = redactor.mask(head[: head.find(b"\r\n")].decode("latin-1"))
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in _fields(head)]
    # Stand-ins may be longer than short values were; a request without its host is none.
    bare = _QUERY.sub("?", start, count=1)
    for first, optional in ((start, IF_ROOM), (start, NEEDED), (bare, NEEDED), (start, ())):
        lines = [first]
        for name, value in headers:
            if name in KEPT or name in optional:
                lines.append(redactor.mask(f"{name}: {value}"))
        text = "\r\n".join(lines).encode("latin-1", "replace")
        left = len(head) - len(text) - len(_END)
        if left == 0 or (left > 0 and len(lines) > 1):
            return text + b" " * left + _END
        if left >= len(b"\r\nx:"):
            return (text + b"\r\nx:").ljust(len(head) - len(_END)) + _END
    return bytes(len(head))


def _chunked(data: bytes, redactor: Redactor) -> tuple[bytes, bytes]:
    """A body in chunks (RFC 9112 section 7.1) and what comes after it."""
    told, at = bytearray(), 0
    while found := _CHUNK.match(data, at):
        size, begin = int(found[1], 16), found.end()
        told += found[1].ljust(begin - at - 2) + b"\r\n"
        told += _body(data[begin : begin + size], redactor) + b"\r\n"
        at = begin + size + 2
        if not size:
            return bytes(told), data[at:]
    return bytes(told), b""


def _body(body: bytes, redactor: Redactor) -> bytes:
    """A body as long: without secrets where it is short text, else of the kind it was."""
    plain = body.decode("utf-8", "replace")
    if plain.lstrip().startswith("<"):
        return b"<".ljust(len(body))
    if "\ufffd" in plain or len(body) > 4096:
        return b" " * len(body)
    told = redactor.mask(plain).encode()
    return told[: len(body)].decode("utf-8", "ignore").encode().ljust(len(body))
