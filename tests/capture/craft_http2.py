"""HTTP/2 made by hand, its heads compressed by hpack, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from hpack import Encoder

from wsdiag.capture.http.http2 import PREFACE

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PROMISE, PING, WINDOW, CONTINUATION = (
    *range(7),
    8,
    9,
)
LAST, HEAD_ENDS, PADDED, WITH_PRIORITY = 1, 4, 8, 32
OFFER = b"\0\x08\0\0\0\1"  # SETTINGS_ENABLE_CONNECT_PROTOCOL
GREETING = PREFACE + b"\0\0\0\4\0\0\0\0\0"

ASKING = (
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":authority", "example.test"),
    (":path", "/ws?token=abc"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-protocol", "v1"),
    ("user-agent", "a browser"),
)


def frame(kind: int, payload: bytes = b"", *, stream: int = 1, flags: int = 0) -> bytes:
    """A frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def settings(offer: bytes = OFFER) -> bytes:
    """What a server begins with."""
    return frame(SETTINGS, offer, stream=0)


class Side:
    """One side, which refers to the heads that it sent before."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    def fields(self, fields: Sequence[tuple[str, str]]) -> bytes:
        """Fields, compressed."""
        return self._encoder.encode(list(fields))

    def head(self, *fields: tuple[str, str], stream: int = 1, last: bool = False) -> bytes:
        """A head in one frame."""
        flags = HEAD_ENDS | (LAST if last else 0)
        return frame(HEADERS, self.fields(fields), stream=stream, flags=flags)


def data(payload: bytes = b"", *, stream: int = 1, last: bool = False) -> bytes:
    """A part of a body, or of what a WebSocket says."""
    return frame(DATA, payload, stream=stream, flags=LAST if last else 0)
