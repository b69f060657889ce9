"""Packets and frames made by hand, by dpkt, for tests."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address

import dpkt

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
C2S, S2C = 0, 1
MASK = b"\x11\x22\x33\x44"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
START = 1_700_000_000_000_000  # µs

REQUEST = (
    "GET {target} HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{{more}}\r\n"
)
SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{more}\r\n"
)


def request(target: str = "/ws", more: str = "") -> bytes:
    """An upgrade request."""
    return REQUEST.format(target=target, more=more).encode()


def switching(more: str = "") -> bytes:
    """The 101."""
    return SWITCHING.format(more=more).encode()


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    side: int = S2C,
    fin: bool = True,
    rsv: int = 0,
    masked: bool | None = None,
) -> bytes:
    """A WebSocket frame (RFC 6455 section 5.2), masked where the client sends it."""
    masked = side == C2S if masked is None else masked
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 65_536:
        length = bytes([bit | 126]) + struct.pack(">H", size)
    else:
        length = bytes([bit | 127]) + struct.pack(">Q", size)
    body = bytes(b ^ MASK[i % 4] for i, b in enumerate(payload)) if masked else payload
    return bytes([fin << 7 | rsv << 4 | opcode]) + length + (MASK if masked else b"") + body


def close(code: int, reason: str = "", *, side: int = S2C) -> bytes:
    """A Close frame."""
    return frame(8, struct.pack(">H", code) + reason.encode(), side=side)


@dataclass
class Wire:
    """One TCP connection being captured; every packet comes 1 ms after the one before."""

    client: tuple[str, int] = ("10.0.0.1", 40_000)
    server: tuple[str, int] = ("10.0.0.2", 8_080)
    isn: list[int] = field(default_factory=lambda: [1_000, 5_000])
    packets: list[tuple[int, bytes]] = field(default_factory=list)  # µs, Ethernet frame
    ts: int = START
    sent: list[int] = field(default_factory=lambda: [1, 1])  # next relative sequence number

    def packet(
        self,
        side: int,
        flags: int = ACK,
        payload: bytes = b"",
        *,
        at: int | None = None,
        window: int = 65_535,
        after_us: int = 1_000,
        ident: int | None = None,
    ) -> None:
        """A segment at the relative sequence number `at`, by default the next one."""
        at = self.sent[side] if at is None else at
        ends = (self.client, self.server) if side == C2S else (self.server, self.client)
        segment = dpkt.tcp.TCP(
            sport=ends[0][1],
            dport=ends[1][1],
            seq=(self.isn[side] + at) & 0xFFFFFFFF,
            ack=(self.isn[1 - side] + self.sent[1 - side]) & 0xFFFFFFFF if flags & ACK else 0,
            flags=flags,
            win=window,
            data=payload,
        )
        self.ts += after_us
        ident = len(self.packets) + 1 if ident is None else ident
        self.packets.append((self.ts, ethernet(segment, ends[0][0], ends[1][0], ident)))
        self.sent[side] = max(self.sent[side], at + len(payload) + bool(flags & FIN))

    def syn(self, **how: int) -> None:
        """The client begins."""
        self.packet(C2S, SYN, at=0, **how)

    def handshake(self, target: str = "/ws", more: str = "", answer: str = "") -> Wire:
        """SYN to 101: packets 1 to 5."""
        self.syn()
        self.packet(S2C, SYN | ACK, at=0)
        self.packet(C2S)
        self.packet(C2S, PSH | ACK, request(target, more))
        self.packet(S2C, PSH | ACK, switching(answer))
        return self

    def send(self, side: int, data: bytes, **how: int) -> None:
        """A segment with payload, in order."""
        self.packet(side, PSH | ACK, data, **how)

    def pcap(self, *, order: str = "<", nanoseconds: bool = False, link: int = 1) -> bytes:
        """The capture file."""
        return pcap(self.packets, order=order, nanoseconds=nanoseconds, link=link)


def ethernet(segment: dpkt.tcp.TCP, src: str, dst: str, ident: int = 0) -> bytes:
    """TCP over IPv4 or IPv6 over Ethernet."""
    one, other = ip_address(src), ip_address(dst)
    if one.version == 4:
        packet = dpkt.ip.IP(
            src=one.packed, dst=other.packed, p=6, ttl=64, id=ident & 0xFFFF, data=segment
        )
        packet.len = len(packet)
        return bytes(dpkt.ethernet.Ethernet(type=0x0800, data=packet))
    packet = dpkt.ip6.IP6(
        src=one.packed, dst=other.packed, nxt=6, hlim=64, plen=len(segment), data=segment
    )
    packet.extension_hdrs = {}
    return bytes(dpkt.ethernet.Ethernet(type=0x86DD, data=packet))


def pcap(
    packets: list[tuple[int, bytes]],
    *,
    order: str = "<",
    nanoseconds: bool = False,
    link: int = 1,
    snaplen: int = 262_144,
) -> bytes:
    """A pcap file; `snaplen` cuts the packets."""
    magic, unit = (0xA1B23C4D, 1000) if nanoseconds else (0xA1B2C3D4, 1)
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for ts, data in packets:
        kept = data[:snaplen]
        stamp = (ts // 1_000_000, ts % 1_000_000 * unit)
        out.append(struct.pack(order + "IIII", *stamp, len(kept), len(data)) + kept)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """A Section Header Block."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link: int = 1, order: str = "<", resolution: int | None = None, offset_s: int | None = None
) -> bytes:
    """An Interface Description Block."""
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHBxxx", 9, 1, resolution)
    if offset_s is not None:
        options += struct.pack(order + "HHq", 14, 8, offset_s)
    if options:
        options += struct.pack(order + "HH", 0, 0)
    return block(1, struct.pack(order + "HHI", link, 0, 0) + options, order)


def enhanced(ticks: int, data: bytes, number: int = 0, order: str = "<") -> bytes:
    """An Enhanced Packet Block."""
    head = (number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(6, struct.pack(order + "IIIII", *head) + data, order)
