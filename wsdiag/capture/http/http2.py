"""WebSockets over HTTP/2 (RFC 8441), recognised: frames of HTTP/2 are walked until one asks for it.

What such a WebSocket says is not decoded.
"""

from __future__ import annotations

from itertools import product

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with (RFC 9113 section 3.4)."""

MAX_BYTES = 64 * 1024
"""So much of what the client sends is looked at."""

_HEAD_BYTES = 9
_HEADERS, _CONTINUATION = 1, 9
# ":protocol" and "websocket" as literals, plain and by the Huffman code (RFC 7541 §5.2, app. B).
_NAMES = (b"\x09:protocol", bytes.fromhex("87b95d8749c87a3f"))
_VALUES = (b"\x09websocket", bytes.fromhex("87f058d072752a7f"))
_ASKING = tuple(name + value for name, value in product(_NAMES, _VALUES))


class Http2:
    """The client's side of one connection. `asks` once it asked for a WebSocket; `is_over` once
    nothing more is looked at.
    """

    def __init__(self) -> None:
        self.asks = self.is_over = False
        self._buffer = bytearray()
        self._seen = -len(PREFACE)

    def feed(self, data: bytes) -> None:
        """Take bytes of the client, in order; the first ones are its preface."""
        self._buffer += data
        self._seen += len(data)
        if self._buffer.startswith(PREFACE[: len(self._buffer)]):
            if len(self._buffer) < len(PREFACE):
                return
            del self._buffer[: len(PREFACE)]
        while len(self._buffer) >= _HEAD_BYTES:
            end = _HEAD_BYTES + int.from_bytes(self._buffer[:3])
            if len(self._buffer) < end:
                break
            if self._buffer[3] in (_HEADERS, _CONTINUATION):
                self.asks |= any(text in self._buffer[_HEAD_BYTES:end] for text in _ASKING)
            del self._buffer[:end]
        self.is_over = self.asks or self._seen > MAX_BYTES
