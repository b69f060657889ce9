"""HTTP/2 as it passes (RFC 9113): of its streams those that ask for a WebSocket (RFC 8441).

Frames of both sides are walked, and all heads decompressed: each depends on those before it. So
nothing can be told of a connection that is not read from its beginning without a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wsdiag.capture.http.http1 import BODY_BYTES, Request, Response, joined

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with (RFC 9113 section 3.4)."""

MAX_HEAD = 256 * 1024
"""Bytes; a longer head, and a longer frame that is not DATA, is not read."""

MAX_TABLE = 1024 * 1024
"""Bytes of heads that one side may refer to; both agree on how many, mostly 4 or 64 KiB."""

ERRORS = (
    *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT"),
    *("STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR"),
    *("CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
)
"""Why a stream is reset, by code (RFC 9113 section 7)."""

_HEAD_BYTES = 9
_DATA, _HEADERS, _RESET, _SETTINGS, _PROMISE, _CONTINUATION = 0, 1, 3, 4, 5, 9
_HEADS = {_HEADERS, _PROMISE, _CONTINUATION}
_ACK = _LAST = 0x1
_HEAD_ENDS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_OFFERS = 8  # SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3)


class Sent(NamedTuple):
    """Bytes that one side sent on a stream."""

    side: int
    data: bytes
    pos: int
    ts: int


class Ended(NamedTuple):
    """One side is done with a stream, which `is_last` where both are. `code`: of the error (RFC
    9113 section 7) where it is reset, which ends it for both."""

    side: int
    code: int | None
    is_last: bool
    pos: int
    ts: int

    @property
    def error(self) -> str:
        """The name of the error; its number where it has none."""
        code = self.code or 0
        return ERRORS[code] if code < len(ERRORS) else str(code)


class Part(NamedTuple):
    """What happened on the stream of this number."""

    stream: int
    fact: Request | Response | Sent | Ended


class Http2:
    """One connection, from its first byte on. `is_over` once nothing more can be told.

    A request that asks for a WebSocket is told as its counterpart in HTTP/1.1 (RFC 8441 section 5):
    `:protocol` as the header `upgrade`, `:authority` as `host`. Of the body of an answer that
    refuses it `keep` bytes are kept.
    """

    def __init__(self, client: int, keep: int = BODY_BYTES) -> None:
        self.is_over = self.is_offered = False  # a server that does not offer it is never asked
        self._client, self._keep = client, keep
        self._sides = tuple(_Side(PREFACE if side == client else b"") for side in (0, 1))
        self._streams: dict[int, _Stream] = {}

    def feed(self, side: int, data: bytes, pos: int, ts: int) -> list[Part]:
        """Take bytes that `side` sent, in order; what they tell of WebSockets."""
        from hpack import HPACKError

        told: list[Part] = []
        try:
            for frame, piece, is_whole in self._sides[side].frames(data):
                told += self._take(side, frame, piece, is_whole, pos, ts)
        except (_UnreadableError, HPACKError):
            self.is_over = True
        return told

    def finish(self) -> list[Part]:
        """Nothing more comes: refusals whose bodies are not complete."""
        held = ((number, stream.refusal) for number, stream in self._streams.items())
        return [Part(number, refusal) for number, refusal in held if refusal is not None]

    def _take(
        self, side: int, frame: _Frame, piece: bytes, is_whole: bool, pos: int, ts: int
    ) -> Iterator[Part]:
        number, is_last = frame.stream, False
        if frame.kind in _HEADS:
            if (head := self._sides[side].head(frame, piece)) is None:
                return
            yield from self._told(side, number, head.fields, pos, ts)
            is_last = head.is_last
        elif frame.kind == _DATA:
            if piece:
                yield from self._sent(number, Sent(side, piece, pos, ts))
            is_last = is_whole and bool(frame.flags & _LAST)
        elif frame.kind == _RESET:
            yield from self._ended(number, side, int.from_bytes(piece), pos, ts)
        elif frame.kind == _SETTINGS and side != self._client and not frame.flags & _ACK:
            self.is_offered |= _offers(piece)
            self.is_over |= not self.is_offered
        if is_last:
            yield from self._ended(number, side, None, pos, ts)

    def _told(
        self, side: int, number: int, fields: dict[str, str], pos: int, ts: int
    ) -> Iterator[Part]:
        """A head asks for a WebSocket, or answers who did."""
        if side != self._client:
            stream = self._streams.get(number)
            answer = stream.answered(fields, pos, ts) if stream else None
            if answer is not None:
                yield Part(number, answer)
        elif fields.get(":protocol", "").lower() == "websocket":
            request = _request(fields, pos, ts)
            self._streams[number] = _Stream(request)
            yield Part(number, request)

    def _sent(self, number: int, sent: Sent) -> Iterator[Part]:
        """A part of what a WebSocket says, or of the body of a refusal."""
        if (stream := self._streams.get(number)) is None:
            return
        if stream.refusal is None:
            yield Part(number, sent)
        elif sent.side != self._client:
            body = stream.refusal.body + sent.data
            stream.refusal = stream.refusal._replace(body=body[: self._keep])

    def _ended(self, number: int, side: int, code: int | None, pos: int, ts: int) -> Iterator[Part]:
        if (stream := self._streams.get(number)) is None:
            return
        stream.done.add(side)
        if stream.refusal is not None and (code is not None or side != self._client):
            yield Part(number, stream.refusal)
            stream.refusal = None
        if is_last := code is not None or len(stream.done) == 2:
            del self._streams[number]
        yield Part(number, Ended(side, code, is_last, pos, ts))


class _Stream:
    """A stream that asked for a WebSocket, and what is known of the answer."""

    def __init__(self, request: Request) -> None:
        self.request: Request | None = request  # which waits for its answer
        self.refusal: Response | None = None  # which waits for its body
        self.done: set[int] = set()  # sides

    def answered(self, fields: dict[str, str], pos: int, ts: int) -> Response | None:
        """The answer, where these fields are it and no body comes with it."""
        status = fields.get(":status", "")
        if self.request is None or not status.isdecimal() or int(status) < 200:
            return None
        answer = Response(self.request, int(status), "", _regular(fields), b"", pos, ts)
        self.request = None
        if answer.opens:
            return answer
        self.refusal = answer
        return None


class _Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    size: int


class _Head(NamedTuple):
    fields: dict[str, str]
    is_last: bool


class _UnreadableError(ValueError):
    """The bytes are not HTTP/2, or not all that came before."""


class _Side:
    """The frames of one side, and the heads that they make up."""

    def __init__(self, preface: bytes) -> None:
        from hpack import Decoder

        self._decoder = Decoder(max_header_list_size=MAX_HEAD)
        self._decoder.max_allowed_table_size = MAX_TABLE
        self._preface, self._buffer = preface, bytearray()
        self._frame: _Frame | None = None  # of which `_left` bytes are to come
        self._left = 0
        self._begun: _Frame | None = None  # with a head, of which CONTINUATION is to come
        self._head = bytearray()

    def frames(self, data: bytes) -> Iterator[tuple[_Frame, bytes, bool]]:
        """Each frame with its payload; DATA in the pieces it comes in, and whether it is whole."""
        self._buffer += data
        if self._preface:
            if len(self._buffer) < len(self._preface):
                return
            del self._buffer[: len(self._preface)]
            self._preface = b""
        while True:
            if self._frame is None:
                if len(self._buffer) < _HEAD_BYTES:
                    return
                self._frame = _frame(self._buffer[:_HEAD_BYTES])
                self._left = self._frame.size
                del self._buffer[:_HEAD_BYTES]
            frame, size = self._frame, min(self._left, len(self._buffer))
            is_passing = frame.kind == _DATA and not frame.flags & _PADDED
            if size < self._left and not (is_passing and size):
                return
            piece = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._left -= size
            if frame.flags & _PADDED and frame.kind in (_DATA, _HEADERS, _PROMISE):
                piece = _without_padding(piece)
            if not self._left:
                self._frame = None
            yield frame, piece, not self._left

    def head(self, frame: _Frame, piece: bytes) -> _Head | None:
        """A head, once it is complete; no field of a promise, which no WebSocket is given."""
        if frame.kind != _CONTINUATION:
            self._begun, self._head = frame, bytearray()
            skipped = 4 if frame.kind == _PROMISE else 5 if frame.flags & _PRIORITY else 0
            piece = piece[skipped:]
        self._head += piece
        if self._begun is None or len(self._head) > MAX_HEAD:
            raise _UnreadableError
        if not frame.flags & _HEAD_ENDS:
            return None
        fields = joined(self._decoder.decode(bytes(self._head), raw=True))
        begun, self._begun = self._begun, None
        if begun.kind == _PROMISE:
            return _Head({}, is_last=False)
        return _Head(fields, is_last=bool(begun.flags & _LAST))


def _frame(head: bytes | bytearray) -> _Frame:
    size, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
    if kind != _DATA and size > MAX_HEAD:
        raise _UnreadableError
    return _Frame(kind, flags, int.from_bytes(head[5:]) & 0x7FFF_FFFF, size)


def _without_padding(payload: bytes) -> bytes:
    """RFC 9113 section 6.1."""
    if not payload or payload[0] >= len(payload):
        raise _UnreadableError
    return payload[1 : len(payload) - payload[0]]


def _offers(settings: bytes) -> bool:
    pairs = (settings[at : at + 6] for at in range(0, len(settings), 6))
    return any(
        int.from_bytes(pair[:2]) == _OFFERS and int.from_bytes(pair[2:]) == 1 for pair in pairs
    )


def _request(fields: dict[str, str], pos: int, ts: int) -> Request:
    told = {"upgrade": fields[":protocol"], "host": fields.get(":authority", "")}
    headers = _regular(fields) | told
    return Request(fields.get(":method", ""), fields.get(":path", ""), headers, pos, ts)


def _regular(fields: dict[str, str]) -> dict[str, str]:
    """The fields but for those of HTTP/2 itself (RFC 9113 section 8.3)."""
    return {name: value for name, value in fields.items() if not name.startswith(":")}
