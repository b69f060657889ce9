"""WebSocket frames and messages, and the rules that what they carry may break (RFC 6455)."""

from __future__ import annotations

from typing import NamedTuple

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {0: "Continuation", 1: "Text", 2: "Binary", 8: "Close", 9: "Ping", 10: "Pong"}

NOT_UTF8 = "text message is not UTF-8"


class Frame(NamedTuple):
    """One frame; `payload` is unmasked, None where it was too long or lost.

    `pos` and `ts` are those of the packet that completed it, `violations` the rules it breaks.
    """

    side: int
    opcode: int
    fin: bool
    rsv: int
    masked: bool
    size: int
    payload: bytes | None
    pos: int
    ts: int
    violations: tuple[str, ...]

    @property
    def code(self) -> int | None:
        """The close code: 1005 for an empty Close frame, None where the payload is no code."""
        if self.size == 0:
            return 1005
        if self.payload is None or len(self.payload) < 2:
            return None
        return int.from_bytes(self.payload[:2])

    @property
    def reason(self) -> str:
        """The close reason."""
        return (self.payload or b"")[2:].decode("utf-8", "replace")


class Message(NamedTuple):
    """One data message, at its last frame: `size` on the wire, `payload` inflated or None."""

    side: int
    opcode: int
    size: int
    payload: bytes | None
    pos: int
    ts: int
    violations: tuple[str, ...]


def unmask(payload: bytes | bytearray, mask: bytes) -> bytes:
    """The payload as it was meant (RFC 6455 §5.3); it stays where there is no mask."""
    size = len(payload)
    if not mask or not size:
        return bytes(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def close_violations(size: int, payload: bytes | None) -> list[str]:
    """RFC 6455 §5.5.1 and §7.4."""
    if size == 1:
        return ["close frame with a payload of 1 byte"]
    if payload is None or size < 2:
        return []
    broken, code = [], int.from_bytes(payload[:2])
    if not 1000 <= code <= 4999 or code in (1004, 1005, 1006, 1015):
        broken.append(f"close code {code} must not be sent")
    if not is_utf8(payload[2:]):
        broken.append("close reason is not UTF-8")
    return broken


def is_utf8(data: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
