"""Reads the frames and messages of one direction out of its bytes (RFC 6455).

A frame that breaks a rule is reported with the rule in words, and reading goes on as long as its
length can be trusted.
"""

from __future__ import annotations

from typing import NamedTuple

from wsdiag.capture.websocket.deflate import KEPT_BYTES, Deflate, Inflater
from wsdiag.capture.websocket.protocol import (
    BINARY,
    CLOSE,
    CONT,
    NAMES,
    NOT_UTF8,
    TEXT,
    Frame,
    Message,
    close_violations,
    is_utf8,
    unmask,
)

_RSV1 = 4


class _Head(NamedTuple):
    opcode: int
    fin: bool
    rsv: int
    mask: bytes  # empty: not masked
    size: int
    violations: list[str]


class Reader:
    """Reads the frames of one direction.

    `from_client` decides on masking, `deflate` on RSV1. Once `broken`, nothing more is read: the
    boundary of the next frame is not known.
    """

    def __init__(self, side: int, from_client: bool, deflate: Deflate | None = None) -> None:
        self.broken = False
        self.side, self.from_client, self._deflate = side, from_client, deflate
        self.inflater = Inflater(deflate.takeover) if deflate else None
        self.buffer = b""  # the beginning of a header
        self.head: _Head | None = None
        self.left = 0  # payload bytes of the current frame that are still to come
        self._payload: bytearray | None = None
        self.message: _Message | None = None

    @property
    def is_within_message(self) -> bool:
        """Whether the message goes on behind the current frame."""
        head, begun = self.head, self.message is not None
        if head is None or head.opcode >= CLOSE:
            return begun
        return not head.fin and (begun or head.opcode in (TEXT, BINARY))

    @property
    def between_frames(self) -> bool:
        """Whether the bytes so far end where a frame ends."""
        return self.head is None and not self.buffer

    def feed(self, data: bytes, pos: int, ts: int) -> list[Frame | Message]:
        """Take bytes in order; the frames and messages that they complete."""
        found: list[Frame | Message] = []
        if self.buffer:
            data, self.buffer = self.buffer + data, b""
        at = 0
        while not self.broken:
            if self.head is None:
                taken = self._begin(data, at)
                if not taken:
                    self.buffer = data[at:]
                    break
                at += taken
                if self.broken:
                    break
            part = data[at : at + self.left]
            at += len(part)
            self.left -= len(part)
            if self._payload is not None:
                self._payload += part
            if self.left:
                break
            self._finish(found, pos, ts)
        return found

    def lose(self, size: int, pos: int, ts: int) -> list[Frame | Message]:
        """Pass over `size` bytes that are not in the capture, where one frame's payload holds them.

        Otherwise the boundary of the next frame is lost, and this direction is broken.
        """
        found: list[Frame | Message] = []
        if self.head is None or size > self.left:
            self.broken = True
        elif not self.broken:
            self.left -= size
            if self._payload is not None and self.head.opcode == CLOSE and not self.left:
                self._keep_code(self._payload)
            else:
                self._payload = None
            if not self.left:
                self._finish(found, pos, ts)
        return found

    def _keep_code(self, payload: bytearray) -> None:
        """The snaplen cut a Close frame off: of its payload keep what is whole."""
        assert self.head is not None
        text = unmask(payload, self.head.mask)[2:].decode("utf-8", "ignore").encode()
        self._payload = payload[: 2 + len(text)] if len(payload) >= 2 else None

    def _begin(self, data: bytes, at: int) -> int:
        """Read a frame header at `at`; its length in bytes, 0 where it is not complete."""
        have = len(data) - at
        if have < 2:
            return 0
        first, second = data[at], data[at + 1]
        masked, size, length = second & 0x80, second & 0x7F, 2
        wide = {126: 2, 127: 8}.get(size, 0)
        if have < 2 + wide + (4 if masked else 0):
            return 0
        violations = []
        if wide:
            size = int.from_bytes(data[at + 2 : at + 2 + wide])
            length += wide
            if size < (126 if wide == 2 else 65_536):
                violations.append("length not encoded in the fewest bytes")
        mask = data[at + length : at + length + 4] if masked else b""
        length += len(mask)
        head = _Head(first & 15, first >= 0x80, first >> 4 & 7, mask, size, violations)
        self._judge(head)
        self.head, self.left = head, size
        self.broken = size >= 1 << 63
        self._payload = bytearray() if self.keeps(head.opcode, head.rsv, size) else None
        return length

    def keeps(self, opcode: int, rsv: int, size: int) -> bool:
        """Whether the payload of such a frame is looked at."""
        if opcode >= CLOSE:
            return size <= KEPT_BYTES
        already = self.message.size if self.message else 0
        wanted = opcode != BINARY or bool(rsv & _RSV1) or self.message is not None
        return wanted and size + already <= KEPT_BYTES

    def _judge(self, head: _Head) -> None:
        """Note the rules of RFC 6455 §5 that a frame header breaks."""
        broken = head.violations
        if head.opcode not in NAMES:
            broken.append(f"reserved opcode {head.opcode}")
        if bool(head.mask) != self.from_client:
            broken.append(
                "frame from the client is not masked"
                if self.from_client
                else "frame from the server is masked"
            )
        if head.rsv & ~_RSV1:
            broken.append("reserved bits set that no extension uses")
        elif head.rsv and not (self._deflate and head.opcode in (TEXT, BINARY)):
            broken.append("reserved bits set without a negotiated extension")
        if head.opcode >= CLOSE:
            if head.size > 125:
                broken.append("control frame longer than 125 bytes")
            if not head.fin:
                broken.append("control frame is fragmented")
        elif head.opcode == CONT and self.message is None:
            broken.append("continuation frame without a message to continue")
        elif head.opcode in (TEXT, BINARY) and self.message is not None:
            broken.append("new message before the fragmented one was finished")

    def _finish(self, found: list[Frame | Message], pos: int, ts: int) -> None:
        """The current frame is complete."""
        head = self.head
        assert head is not None
        self.head = None
        payload = None if self._payload is None else unmask(self._payload, head.mask)
        if head.opcode == CLOSE:
            head.violations.extend(close_violations(head.size, payload))
        frame = Frame(
            self.side,
            head.opcode,
            head.fin,
            head.rsv,
            bool(head.mask),
            head.size,
            payload,
            pos,
            ts,
            tuple(head.violations),
        )
        found.append(frame)
        if head.opcode < CLOSE and (message := self.assemble(frame)):
            found.append(message)

    def assemble(self, frame: Frame) -> Message | None:
        """Take a data frame; the message that it completes."""
        if frame.opcode in (TEXT, BINARY):
            self.message = _Message(frame.opcode, bool(frame.rsv & _RSV1))
        message = self.message
        if message is None:
            return None
        message.size += frame.size
        if frame.payload is None or message.payload is None or message.size > KEPT_BYTES:
            message.payload = None
        else:
            message.payload += frame.payload
        if not frame.fin:
            return None
        self.message = None
        payload = message.payload
        if message.packed:
            payload = self.inflater.inflate(payload) if self.inflater else None
        broken: tuple[str, ...] = ()
        if message.opcode == TEXT and payload is not None and not is_utf8(payload):
            broken = (NOT_UTF8,)
        return Message(
            self.side, message.opcode, message.size, payload, frame.pos, frame.ts, broken
        )


class _Message:
    """A message in the making."""

    def __init__(self, opcode: int, packed: bool) -> None:
        self.opcode, self.packed = opcode, packed
        self.size = 0
        self.payload: bytes | None = b""
