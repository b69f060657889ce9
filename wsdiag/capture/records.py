"""Capture files: the packets that stand in a pcap or pcapng, one after another.

Layouts: draft-ietf-opsawg-pcap (µs and ns, either byte order) and draft-ietf-opsawg-pcapng (several
sections and interfaces, each interface with its own link type, clock resolution and offset).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

NO_TIME = -1
"""The `ts` of packets before the first that has a time."""

MAX_RECORD = 64 * 1024**2
"""Bytes; a longer packet or block is damage. Wireshark takes packets of up to 256 KiB."""

_PCAP_UNITS = {0xA1B2C3D4: 1, 0xA1B23C4D: 1000}  # parts of a microsecond in the fraction field
_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
_INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_END_OF_OPTIONS, _TSRESOL, _TSOFFSET = 0, 9, 14


class Record(NamedTuple):
    """One captured packet: `pos` from 1, `ts` in µs since 1970, `size` on the wire."""

    pos: int
    ts: int
    link: int
    data: bytes
    size: int


class Notes:
    """What has to be said about a capture beside its packets."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self.undecoded = 0  # packets that should have been TCP over IP but are malformed
        self.fragments = 0  # IP fragments; they are not put together
        self.timeless = 0  # packets without a time, given the time of the packet before
        self.other_links: Counter[int] = Counter()  # packets by link type that is not read
        self.resolution_us = 1.0
        self.last = (0, NO_TIME)  # pos, ts of the latest packet


class _Interface(NamedTuple):
    link: int
    snaplen: int
    per_second: int
    offset_us: int


def kind(head: bytes) -> str | None:
    """`pcap` or `pcapng` by the magic number, else None."""
    if head[:4] == b"\x0a\x0d\x0d\x0a" and head[8:12] in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
        return "pcapng"
    if any(int.from_bytes(head[:4], order) in _PCAP_UNITS for order in _ORDERS):
        return "pcap"
    return None


def records(stream: BinaryIO, notes: Notes) -> Iterator[Record]:
    """Every whole packet of a capture; where it stops early, a remark says so."""
    head = stream.read(12)
    found = kind(head)
    if found is None:
        notes.remarks.append("not a capture file")
        return
    pos, latest = 0, NO_TIME
    for record in (_pcap if found == "pcap" else _pcapng)(stream, head, notes):
        pos = record.pos
        if record.ts >= latest:
            latest = record.ts
            notes.last = (pos, latest)
        yield record
    if notes.timeless:
        notes.remarks.append(
            f"{notes.timeless} packets carry no time; they are given that of the packet before"
        )


def _pcap(stream: BinaryIO, head: bytes, notes: Notes) -> Iterator[Record]:
    head += stream.read(12)
    order = "<" if struct.unpack("<I", head[:4])[0] in _PCAP_UNITS else ">"
    unit = _PCAP_UNITS[struct.unpack(order + "I", head[:4])[0]]
    # The upper half of the link type tells of the frame check sequence.
    link = struct.unpack(order + "I", head[20:])[0] & 0xFFFF if len(head) == 24 else 0
    header = struct.Struct(order + "IIII")
    pos, read = 0, stream.read
    while fixed := read(16):
        if len(fixed) < 16:
            break
        seconds, fraction, captured, size = header.unpack(fixed)
        if captured > MAX_RECORD:
            notes.remarks.append(f"capture is damaged after packet {pos}")
            return
        data = read(captured)
        if len(data) < captured:
            break
        pos += 1
        yield Record(pos, seconds * 1_000_000 + fraction // unit, link, data, size)
    else:
        if len(head) == 24:
            return
    notes.remarks.append(f"capture is cut short after packet {pos}")


def _pcapng(stream: BinaryIO, head: bytes, notes: Notes) -> Iterator[Record]:
    interfaces, order, pos, ts = list[_Interface](), "<", 0, NO_TIME
    while head:
        if head[:4] == b"\x0a\x0d\x0d\x0a":  # a section starts; the type reads the same either way
            head += stream.read(12 - len(head))
            order, interfaces = ("<" if head[8:] == b"\x4d\x3c\x2b\x1a" else ">"), []
        if len(head) < 8:
            break
        block, length = struct.unpack_from(order + "II", head)
        if length < len(head) + 4 or length > MAX_RECORD:
            notes.remarks.append(f"capture is damaged after packet {pos}")
            return
        body = stream.read(length - len(head))
        if len(body) < length - len(head):
            break
        body = body[:-4]  # the length again
        if block == _INTERFACE and len(body) >= 8:
            interfaces.append(_interface(body, order, notes))
        elif block in (_ENHANCED, _OLD_PACKET, _SIMPLE):
            pos += 1
            record = _packet(block, body, order, interfaces, pos, ts)
            if record is None:
                notes.undecoded += 1
            else:
                notes.timeless += block == _SIMPLE
                ts = record.ts
                yield record
        head = stream.read(8)
    else:
        return
    notes.remarks.append(f"capture is cut short after packet {pos}")


def _packet(
    block: int, body: bytes, order: str, interfaces: list[_Interface], pos: int, before: int
) -> Record | None:
    """A packet block; None where malformed. `before` is the time of the packet before (µs)."""
    try:
        if block == _SIMPLE:
            interface, (size,) = interfaces[0], struct.unpack_from(order + "I", body)
            captured = min(size, interface.snaplen or size)
            data, ts = body[4 : 4 + captured], before
        else:
            layout = "HHIIII" if block == _OLD_PACKET else "IIIII"
            number, *_, high, low, captured, size = struct.unpack_from(order + layout, body)
            interface, data = interfaces[number], body[20 : 20 + captured]
            ticks = high << 32 | low
            ts = ticks * 1_000_000 // interface.per_second + interface.offset_us
    except (struct.error, IndexError):
        return None
    return (
        Record(pos, max(ts, NO_TIME), interface.link, data, size) if len(data) == captured else None
    )


def _interface(body: bytes, order: str, notes: Notes) -> _Interface:
    link, snaplen = struct.unpack_from(order + "HxxI", body)
    per_second, offset_s, at = 1_000_000, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == _END_OF_OPTIONS:
            break
        if code == _TSRESOL and len(value) == 1:
            per_second = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _TSOFFSET and len(value) == 8:
            (offset_s,) = struct.unpack(order + "q", value)
        at += 4 + (length + 3 & ~3)
    notes.resolution_us = max(notes.resolution_us, 1_000_000 / per_second)
    return _Interface(link, snaplen, per_second, offset_s * 1_000_000)
