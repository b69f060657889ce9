"""Capture files: the packets that stand in a pcap or pcapng, one after another.

Layouts: draft-ietf-opsawg-pcap (µs and ns, either byte order) and draft-ietf-opsawg-pcapng (several
sections and interfaces, each interface with its own link type, clock resolution and offset).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

from wsdiag.capture.packets.fragments import Fragments

NO_TIME = -1
"""The `ts` of packets before the first that has a time."""

FAR = 1 << 62
"""Times (µs) beyond are damage; they are kept within what a column holds."""

MAX_RECORD = 64 * 1024**2
"""Bytes; a longer packet or block is damage. Wireshark takes packets of up to 256 KiB."""

CUT_SHORT, DAMAGED = "capture is cut short after packet {}", "capture is damaged after packet {}"
PCAP_HEAD_BYTES = 24
_PCAP_UNITS = {0xA1B2C3D4: 1, 0xA1B23C4D: 1000}  # parts of a microsecond in the fraction field
_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
SECTION = b"\x0a\x0d\x0d\x0a"  # the type of its block reads the same either way
INTERFACE, OLD_PACKET, SIMPLE, ENHANCED, SECRETS = 1, 2, 3, 6, 10
TLS_KEYS = 0x544C534B  # of secrets: a key log as NSS writes it
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
        self.fragments = Fragments()
        self.keys = b""  # key logs of TLS that stand in the capture
        self.timeless = 0  # packets without a time, given the time of the packet before
        self.other_links: Counter[int] = Counter()  # packets by link type that is not read
        self.resolution_us = 1.0
        self.last = (0, NO_TIME)  # pos, ts of the latest packet

    def see(self, pos: int, ts: int) -> None:
        """Packet `pos` was read."""
        if ts >= self.last[1]:
            self.last = (pos, ts)

    def finish(self) -> None:
        """All packets were read."""
        if self.timeless:
            self.remarks.append(
                f"{self.timeless} packets carry no time; they are given that of the packet before"
            )

    def tell_passed_over(self) -> None:
        """All packets were looked at: remark on those of which nothing was read."""
        for link, count in sorted(self.other_links.items()):
            self.remarks.append(f"{count} packets have link type {link}, which is not read")
        if left := self.fragments.left:
            self.remarks.append(
                f"{left} IP fragments are not put together: others of the same packets are not in "
                "the capture"
            )


class Interface(NamedTuple):
    """What an interface says of its packets: link type, snaplen, clock ticks, clock offset."""

    link: int
    snaplen: int
    per_second: int
    offset_us: int


def kind(head: bytes) -> str | None:
    """`pcap` or `pcapng` by the magic number, else None."""
    if head[:4] == SECTION and head[8:12] in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
        return "pcapng"
    if any(int.from_bytes(head[:4], order) in _PCAP_UNITS for order in _ORDERS):
        return "pcap"
    return None


def records(stream: BinaryIO, notes: Notes) -> Iterator[Record]:
    """Every whole packet of a capture; where it stops early, a remark says so."""
    head = stream.read(PCAP_HEAD_BYTES)
    found = kind(head)
    if found is None:
        notes.remarks.append("not a capture file")
        return
    if found == "pcap":
        if len(head) < PCAP_HEAD_BYTES:
            notes.remarks.append(CUT_SHORT.format(0))
        packets = pcap_records(stream, pcap_head(head), 0, notes)
    else:
        stream.seek(0)
        packets = pcapng_records(stream, Sections(), notes)
    for record in packets:
        notes.see(record.pos, record.ts)
        yield record
    notes.finish()


class Pcap(NamedTuple):
    """What the head of a pcap file says: byte order, parts of a µs in a fraction, link type."""

    order: str
    unit: int
    link: int


class Sections:
    """Where the reading of a pcapng file stands."""

    def __init__(self) -> None:
        self.order = "<"
        self.interfaces: list[Interface] = []
        self.pos, self.ts = 0, NO_TIME  # of the packet before

    def begin(self, magic: bytes) -> None:
        """A section starts."""
        self.order, self.interfaces = ("<" if magic == b"\x4d\x3c\x2b\x1a" else ">"), []


def pcap_head(head: bytes) -> Pcap:
    """The layout by the 24 bytes at a pcap file's start; what is missing of them reads as zero."""
    order = "<" if struct.unpack("<I", head[:4])[0] in _PCAP_UNITS else ">"
    magic, link = struct.unpack(order + "I16xI", head.ljust(PCAP_HEAD_BYTES, b"\0"))
    # The upper half of the link type tells of the frame check sequence.
    return Pcap(order, _PCAP_UNITS[magic], link & 0xFFFF)


def pcap_records(stream: BinaryIO, layout: Pcap, pos: int, notes: Notes) -> Iterator[Record]:
    """The packets behind packet `pos` of a pcap file."""
    header, read = struct.Struct(layout.order + "IIII"), stream.read
    while fixed := read(16):
        if len(fixed) < 16:
            break
        seconds, fraction, captured, size = header.unpack(fixed)
        if captured > MAX_RECORD:
            notes.remarks.append(DAMAGED.format(pos))
            return
        data = read(captured)
        if len(data) < captured:
            break
        pos += 1
        yield Record(pos, seconds * 1_000_000 + fraction // layout.unit, layout.link, data, size)
    else:
        return
    notes.remarks.append(CUT_SHORT.format(pos))


def pcapng_records(stream: BinaryIO, state: Sections, notes: Notes) -> Iterator[Record]:
    """The packets of a pcapng file from a block's start on."""
    while head := stream.read(8):
        if head[:4] == SECTION:
            head += stream.read(4)
            state.begin(head[8:])
        if len(head) < 8:
            break
        block, length = struct.unpack_from(state.order + "II", head)
        if length < len(head) + 4 or length > MAX_RECORD:
            notes.remarks.append(DAMAGED.format(state.pos))
            return
        body = stream.read(length - len(head))
        if len(body) < length - len(head):
            break
        record = take_block(block, body[:-4], state, notes)  # the length stands there again
        if record is not None:
            yield record
    else:
        return
    notes.remarks.append(CUT_SHORT.format(state.pos))


def take_block(block: int, body: bytes, state: Sections, notes: Notes) -> Record | None:
    """The packet of a pcapng block, if it holds one."""
    if block == INTERFACE and len(body) >= 8:
        state.interfaces.append(_interface(body, state.order, notes))
    elif block == SECRETS and len(body) >= 8:
        what, size = struct.unpack_from(state.order + "II", body)
        if what == TLS_KEYS and len(notes.keys) < MAX_RECORD:
            notes.keys += body[8 : 8 + size] + b"\n"
    elif block in (ENHANCED, OLD_PACKET, SIMPLE):
        state.pos += 1
        record = _packet(block, body, state.order, state.interfaces, state.pos, state.ts)
        if record is None:
            notes.undecoded += 1
            return None
        notes.timeless += block == SIMPLE
        state.ts = record.ts
        return record
    return None


def _packet(
    block: int, body: bytes, order: str, interfaces: list[Interface], pos: int, before: int
) -> Record | None:
    """A packet block; None where malformed. `before` is the time of the packet before (µs)."""
    try:
        if block == SIMPLE:
            interface, (size,) = interfaces[0], struct.unpack_from(order + "I", body)
            captured = min(size, interface.snaplen or size)
            data, ts = body[4 : 4 + captured], before
        else:
            layout = "HHIIII" if block == OLD_PACKET else "IIIII"
            number, *_, high, low, captured, size = struct.unpack_from(order + layout, body)
            interface, data = interfaces[number], body[20 : 20 + captured]
            ticks = high << 32 | low
            ts = ticks * 1_000_000 // interface.per_second + interface.offset_us
    except (struct.error, IndexError):
        return None
    return (
        Record(pos, min(max(ts, NO_TIME), FAR), interface.link, data, size)
        if len(data) == captured
        else None
    )


def _interface(body: bytes, order: str, notes: Notes) -> Interface:
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
    return Interface(link, snaplen, per_second, offset_s * 1_000_000)
