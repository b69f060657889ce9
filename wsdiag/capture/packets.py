"""Packets: what TCP over IP a captured packet carries, whatever the link layer.

Link types: Ethernet with any VLAN tags, raw IP, BSD loopback, Linux cooked v1 and v2
(https://www.tcpdump.org/linktypes.html). Headers: RFC 791, RFC 8200, RFC 9293.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from wsdiag.capture.records import Notes, Record

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

ETHERNET, SLL, SLL2 = 1, 113, 276
LOOPBACK = (0, 108)
RAW = (12, 14, 101, 228, 229)
VLAN_TYPES = (0x8100, 0x88A8, 0x9100, 0x9200)
IP_TYPES = (0x0800, 0x86DD)
TUNNEL_TYPES = (0x8847, 0x8848, 0x8864)  # MPLS, PPPoE
TUNNEL_PORTS = ()  # of UDP
TCP, UDP, _FRAGMENT, _AUTHENTICATION = 6, 17, 44, 51
_EXTENSIONS = (0, 43, 60, 135, 139, 140)  # IPv6 headers of the common length encoding

_U16 = struct.Struct(">H").unpack_from
_IP4 = struct.Struct(">BxHHHxBxx4s4s").unpack_from
_IP6 = struct.Struct(">HBx16s16s").unpack_from
_TCP_HEADER = struct.Struct(">HHIIBBH").unpack_from


class Endpoint(NamedTuple):
    """One end of a connection: the address in network order, and the port."""

    ip: bytes
    port: int

    @property
    def host(self) -> str:
        """The address as text."""
        return str(ip_address(self.ip))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if len(self.ip) == 16 else f"{self.host}:{self.port}"


class Segment(NamedTuple):
    """One TCP segment. `size` is the payload that was sent, `payload` what of it was captured.

    `ts` is in µs since 1970, `ident` the IPv4 identification (0 for IPv6).
    """

    pos: int
    ts: int
    src: Endpoint
    dst: Endpoint
    seq: int
    ack: int
    flags: int
    window: int
    payload: bytes
    size: int
    ident: int


def segments(records: Iterable[Record], notes: Notes) -> Iterator[Segment]:
    """The TCP segments among `records`; what is malformed is counted in `notes`."""
    for record in records:
        segment = segment_of(record, notes)
        if segment is not None:
            yield segment
    notes.tell_passed_over()


def segment_of(record: Record, notes: Notes) -> Segment | None:
    """The TCP segment that a packet carries; None where it carries none."""
    try:
        at = _network(record, notes)
        if at is None:
            return None
        version = record.data[at] >> 4
        if version == 4:
            return _ipv4(record, at, notes)
        if version == 6:
            return _ipv6(record, at, notes)
    except (struct.error, IndexError):
        pass
    notes.undecoded += 1
    return None


def _network(record: Record, notes: Notes) -> int | None:
    """Where the IP header starts; None where the packet is not IP."""
    data, link = record.data, record.link
    if link in RAW:
        return 0
    if link in LOOPBACK:
        return 4 if data[4] >> 4 in (4, 6) else None
    if link == ETHERNET:
        (protocol,), at = _U16(data, 12), 14
    elif link == SLL:
        (protocol,), at = _U16(data, 14), 16
    elif link == SLL2:
        (protocol,), at = _U16(data, 0), 20
    else:
        notes.other_links[link] += 1
        return None
    while protocol in VLAN_TYPES:
        (protocol,), at = _U16(data, at + 2), at + 4
    return at if protocol in IP_TYPES else None


def _ipv4(record: Record, at: int, notes: Notes) -> Segment | None:
    first, total, ident, fragment, protocol, src, dst = _IP4(record.data, at)
    if protocol != TCP:
        return None
    if fragment & 0x3FFF:
        notes.fragments += 1
        if fragment & 0x1FFF:
            return None
    # A length of 0 is segmentation offload: the packet was captured before it was cut to size.
    end = at + total if total else record.size
    return _tcp(record, at + (first & 15) * 4, end, src, dst, ident)


def _ipv6(record: Record, at: int, notes: Notes) -> Segment | None:
    data = record.data
    length, following, src, dst = _IP6(data, at + 4)
    end = at + 40 + length if length else record.size
    at += 40
    while following != TCP:
        if following in _EXTENSIONS:
            following, at = data[at], at + 8 + data[at + 1] * 8
        elif following == _AUTHENTICATION:
            following, at = data[at], at + 8 + data[at + 1] * 4
        elif following == _FRAGMENT:
            notes.fragments += 1
            if _U16(data, at + 2)[0] & 0xFFF8:
                return None
            following, at = data[at], at + 8
        else:
            return None
    return _tcp(record, at, end, src, dst, 0)


def _tcp(record: Record, at: int, end: int, src: bytes, dst: bytes, ident: int) -> Segment:
    """The segment whose header starts at `at` and whose payload stops at `end`, by the IP header.

    Ethernet pads short packets: what lies beyond `end` is no payload. Raises IndexError on a
    header that does not fit.
    """
    data = record.data
    sport, dport, seq, ack, offset, flags, window = _TCP_HEADER(data, at)
    start = at + (offset >> 4) * 4
    if offset < 0x50 or start > end:
        raise IndexError
    return Segment(
        record.pos,
        record.ts,
        Endpoint(src, sport),
        Endpoint(dst, dport),
        seq,
        ack,
        flags,
        window,
        data[start:end],
        end - start,
        ident,
    )
