"""IP packets in whatever they may be wrapped in, and in fragments."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from random import Random

import dpkt

MACS = bytes.fromhex("020000000001020000000002")
SNAP = b"\xaa\xaa\x03\0\0\0"
OUTER = (bytes([192, 0, 2, 9]), bytes([192, 0, 2, 10]))


def kind(packet: bytes) -> bytes:
    """The EtherType of an IP packet."""
    return b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"


def ppp(packet: bytes) -> bytes:
    """The number that PPP has for an IP packet, in two bytes."""
    return b"\0\x21" if packet[0] >> 4 == 4 else b"\0\x57"


def ethernet(packet: bytes) -> bytes:
    """A frame."""
    return MACS + kind(packet) + packet


def ipv4(protocol: int, payload: bytes) -> bytes:
    """A packet of IPv4."""
    src, dst = OUTER
    packet = dpkt.ip.IP(src=src, dst=dst, p=protocol, ttl=9, data=payload)
    packet.len = len(packet)
    return bytes(packet)


def ipv6(protocol: int, payload: bytes) -> bytes:
    """A packet of IPv6."""
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 9) + bytes(32) + payload


def udp(port: int, payload: bytes) -> bytes:
    """A datagram in IPv4."""
    return ipv4(17, bytes(dpkt.udp.UDP(sport=49_152, dport=port, ulen=8 + len(payload))) + payload)


def gre(packet: bytes) -> bytes:
    """GRE with a key and a sequence number."""
    return ipv4(47, b"\x30\x00" + kind(packet) + struct.pack(">II", 7, 1) + packet)


def ext(packet: bytes) -> bytes:
    """GTP-U with a sequence number and an extension header (a PDU session container)."""
    head = struct.pack(">BBHIHBB", 0x36, 0xFF, 8 + len(packet), 5, 1, 0, 0x85)
    return udp(2152, head + bytes([1, 0, 9, 0]) + packet)


TUNNELS: dict[str, Callable[[bytes], bytes]] = {
    "IP in IPv4": lambda it: ipv4(4 if it[0] >> 4 == 4 else 41, it),
    "IP in IPv6": lambda it: ipv6(4 if it[0] >> 4 == 4 else 41, it),
    "GRE": lambda it: ipv4(47, b"\0\0" + kind(it) + it),
    "GRE with a key": gre,
    "Ethernet in GRE": lambda it: ipv4(47, b"\0\0\x65\x58" + ethernet(it)),
    "PPTP": lambda it: ipv4(
        47, struct.pack(">HHHHI", 0x3001, 0x880B, len(it) + 4, 1, 1) + b"\xff\x03" + ppp(it) + it
    ),
    "ERSPAN": lambda it: ipv4(
        47, b"\x10\0\x88\xbe" + bytes(4) + b"\x10\0\0\0\0\0\0\0" + ethernet(it)
    ),
    "EtherIP": lambda it: ipv4(97, b"\x30\0" + ethernet(it)),
    "VXLAN": lambda it: udp(4789, b"\x08\0\0\0\0\0\x07\0" + ethernet(it)),
    "Geneve": lambda it: udp(6081, b"\x01\0\x65\x58\0\0\x07\0" + bytes(4) + ethernet(it)),
    "GTP-U": lambda it: udp(2152, struct.pack(">BBHI", 0x30, 0xFF, len(it), 5) + it),
    "GTP-U with an extension": ext,
}
"""Tunnels: an IP packet into another."""

LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "PPP": (9, lambda it: b"\xff\x03" + ppp(it) + it),
    "PPP, compressed": (9, lambda it: ppp(it)[1:] + it),
    "PPP in HDLC": (50, lambda it: b"\xff\x03" + ppp(it) + it),
    "PPPoE": (51, lambda it: struct.pack(">BBHH", 0x11, 0, 1, len(it) + 2) + ppp(it) + it),
    "Cisco HDLC": (104, lambda it: b"\x0f\0" + kind(it) + it),
    "Wi-Fi": (105, lambda it: b"\x08\x01" + bytes(22) + SNAP + kind(it) + it),
    "Wi-Fi with priorities": (105, lambda it: b"\x88\x02" + bytes(24) + SNAP + kind(it) + it),
    "Wi-Fi between stations": (105, lambda it: b"\x08\x03" + bytes(28) + SNAP + kind(it) + it),
    "Wi-Fi behind radiotap": (
        127,
        lambda it: bytes([0, 0, 8]) + bytes(5) + b"\x08\x01" + bytes(22) + SNAP + kind(it) + it,
    ),
    "PPI": (192, lambda it: struct.pack("<BBHI", 0, 0, 8, 1) + ethernet(it)),
    "MPLS": (1, lambda it: MACS + b"\x88\x47\0\1\x20\x40\0\1\x31\x40" + it),
    "Ethernet in MPLS": (1, lambda it: MACS + b"\x88\x47\0\1\x31\x40" + bytes(4) + ethernet(it)),
    "PPPoE in Ethernet": (
        1,
        lambda it: (
            MACS + b"\x88\x64" + struct.pack(">BBHH", 0x11, 0, 1, len(it) + 2) + ppp(it) + it
        ),
    ),
    "MPLS in Linux cooked": (113, lambda it: bytes(14) + b"\x88\x47\0\1\x31\x40" + it),
    "log of pf": (117, lambda it: bytes([61, 2]) + bytes(62) + it),
    "log of nftables": (
        239,
        lambda it: (
            b"\x02\0\0\0" + struct.pack("<HHI", 8, 10, 0) + struct.pack("<HH", 4 + len(it), 9) + it
        ),
    ),
    "IPsec of BSD": (109, lambda it: bytes(12) + it),
}
"""Link layers: the link type, and an IP packet into a captured one."""


def fragments(packet: bytes, random: Random) -> list[bytes]:
    """An IPv4 or IPv6 packet without options cut into fragments, in order."""
    is_v4 = packet[0] >> 4 == 4
    payload = packet[20:] if is_v4 else packet[40:]
    cuts = range(8, len(payload), 8)
    at = [0, *sorted(random.sample(cuts, random.randint(1, min(4, len(cuts))))), len(payload)]
    number, parts = random.getrandbits(16), []
    for begin, end in pairwise(at):
        more, part = end < len(payload), payload[begin:end]
        if is_v4:
            place = begin >> 3 | more << 13
            head = packet[:2] + struct.pack(">HHH", 20 + len(part), number, place) + packet[8:20]
        else:
            extension = struct.pack(">BBHI", packet[6], 0, begin | more, number)
            head = packet[:4] + struct.pack(">HB", 8 + len(part), 44) + packet[7:40] + extension
        parts.append(head + part)
    return parts
