"""What one side of a connection sent, written again without secrets: byte for byte as long."""

from __future__ import annotations

from bisect import bisect_left

from wsdiag.bundle import heads, texts
from wsdiag.bundle.packing import Packer
from wsdiag.capture import tls
from wsdiag.capture.websocket.deflate import Deflate
from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.capture.websocket.protocol import BINARY, CLOSE, TEXT, Frame, Message, unmask
from wsdiag.redact import Redactor

BITS = 48
"""A packet's number and the offset behind its bytes, in one number: that of the offset."""

_MOST_HTTP = 1024 * 1024
_HEAD_BYTES = 5  # of a record of TLS
_RSV1 = 4


def place(pos: int, end: int) -> int:
    """Where bytes are that arrive with packet `pos` and end before offset `end`."""
    return pos << BITS | end


class Stream:
    """The bytes of one side: zeros, but for what was written."""

    def __init__(self) -> None:
        self.http = bytearray()  # from offset 0 on, while nothing but HTTP is known
        self._parts: list[tuple[int, bytes]] = []
        self._sorted = True

    def write(self, at: int, data: bytes) -> None:
        """Put bytes at an offset."""
        if data:
            self._sorted = self._sorted and (not self._parts or self._parts[-1][0] <= at)
            self._parts.append((at, data))

    def read(self, at: int, size: int) -> bytes:
        """The bytes of a segment."""
        if not self._sorted:
            self._parts.sort(key=lambda part: part[0])
            self._sorted = True
        told = bytearray(size)
        index = max(bisect_left(self._parts, (at,)) - 1, 0)
        while index < len(self._parts) and self._parts[index][0] < at + size:
            begin, data = self._parts[index]
            data, begin = data[max(at - begin, 0) :], max(begin, at)
            data = data[: at + size - begin]
            told[begin - at : begin - at + len(data)] = data
            index += 1
        return bytes(told)

    def hear(self, at: int, data: bytes) -> None:
        """Keep what may be HTTP, as long as nothing of it is missing."""
        if at == len(self.http) < _MOST_HTTP:
            self.http += data

    def finish(self, end: int | None, redactor: Redactor) -> None:
        """Write the HTTP that stands before offset `end`."""
        self.write(0, heads.rewritten(bytes(self.http[:end]), redactor))
        self.http.clear()

    def encrypted(self) -> None:
        """Write what TLS shows in clear: the heads of records, the first hello, alerts."""
        data, at, begun = bytes(self.http), 0, False
        while tls.starts(data[at : at + _HEAD_BYTES]):
            kind, size = data[at], int.from_bytes(data[at + 3 : at + _HEAD_BYTES])
            end, kept = at + _HEAD_BYTES + size, at + _HEAD_BYTES
            if kind == tls.ALERT or (kind == tls.HANDSHAKE and not begun):
                kept, begun = end, True
            self.write(at, data[at:kept])
            at = end
        self.http.clear()


class Taped(Reader):
    """Reads frames, and writes what stands for them into a stream once they are no guess."""

    def __init__(self, side: int, from_client: bool, deflate: Deflate | None, talk: Talk) -> None:
        super().__init__(side, from_client, deflate)
        self._talk = talk
        self._packer = Packer(deflate.takeover if deflate else False)
        self._stream = talk.streams[side]
        self._behind = self._begun = 0
        self._frames: list[tuple[int, int, bytes]] = []  # of a message: begin, size, mask
        self._packed = False
        self._first: int | None = None
        self._held: list[tuple[int, bytes]] | None = []

    def accept(self) -> None:
        """They are frames, no guess."""
        if self._talk.first[self.side] is None:
            self._talk.first[self.side] = self._first
        for part in self._held or ():
            self._stream.write(*part)
        self._held = None

    def _write(self, at: int, data: bytes) -> None:
        if self._held is None:
            self._stream.write(at, data)
        else:
            self._held.append((at, data))

    def feed(self, data: bytes, pos: int, ts: int) -> list[Frame | Message]:
        """As a reader; `pos` is a `place`."""
        self._behind = pos & ((1 << BITS) - 1)
        if self._first is None:
            self._first = self._behind - len(data)
        return super().feed(data, pos, ts)

    def _begin(self, data: bytes, at: int) -> int:
        length = super()._begin(data, at)
        if length:
            begin = self._behind - (len(data) - at)
            self._write(begin, data[at : at + length])
            self._begun = begin + length
        return length

    def _finish(self, found: list[Frame | Message], pos: int, ts: int) -> None:
        head, begin, count = self.head, self._begun, len(found)
        assert head is not None
        super()._finish(found, pos, ts)
        new = found[count:]
        frame = new[0]
        assert isinstance(frame, Frame)
        if frame.opcode >= CLOSE:
            if frame.payload:
                redactor = self._talk.redactor
                close = frame.opcode == CLOSE
                told = texts.reason(frame.payload, redactor) if close else texts.beat(frame.payload)
                self._write(begin, unmask(told, head.mask))
            return
        if frame.opcode in (TEXT, BINARY):
            self._frames = []
        self._frames.append((begin, frame.size, head.mask))
        self._packed = bool(frame.rsv & _RSV1) if len(self._frames) == 1 else self._packed
        if len(new) > 1 and isinstance(new[1], Message):
            self._say(new[1])

    def _say(self, message: Message) -> None:
        """Write what stands for a message into its frames."""
        if message.payload is None and not (self._packed and self.inflater):
            return
        text, size = b"", sum(size for _, size, _ in self._frames)
        if message.opcode == TEXT and message.payload is not None:
            text = texts.alike(message.payload, self._talk.engine_io, self._talk.redactor)
        if self._packed:
            told = self._packer.pack(text, size)
        elif message.opcode == TEXT:
            told = texts.of_size(text, size)
        else:
            return
        for begin, part, mask in self._frames:
            self._write(begin, unmask(told[:part], mask))
            told = told[part:]


class Talk:
    """Both sides of one connection on the way into streams without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.streams = (Stream(), Stream())
        self.first: list[int | None] = [None, None]  # offset of the first frame that was read
        self.engine_io = False

    def reader(self, side: int, from_client: bool, deflate: Deflate | None) -> Reader:
        """What reads the frames of one side."""
        return Taped(side, from_client, deflate, self)

    def finish(self, *, encrypted: bool) -> None:
        """Nothing more comes."""
        for stream, first in zip(self.streams, self.first, strict=True):
            if encrypted:
                stream.encrypted()
            else:
                stream.finish(first, self.redactor)
