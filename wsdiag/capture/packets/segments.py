"""Packets: what TCP over IP a captured packet carries, whatever the link layer.

Link types: Ethernet with any VLAN tags, raw IP, BSD loopback, Linux cooked v1 and v2
(https://www.tcpdump.org/linktypes.html); odd ones and tunnels are taken off by `dissect.py`.
Headers: RFC 791, RFC 8200, RFC 9293.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from wsdiag.capture.packets import dissect
from wsdiag.capture.packets.fragments import Fragment
from wsdiag.capture.packets.numbers import (
    AUTHENTICATION,
    ETHERNET,
    EXTENSIONS,
    FRAGMENT,
    IP_TYPES,
    LOOPBACK,
    RAW,
    SLL,
    SLL2,
    TCP,
    VLAN_TYPES,
)
from wsdiag.capture.packets.records import Notes, Record

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

MAX_LAYERS = 8
"""So many tunnels and odd link layers are taken off one packet."""

_U16 = struct.Struct(">H").unpack_from
_IP4 = struct.Struct(">BxHHHxBxx4s4s").unpack_from
_IP6 = struct.Struct(">HBx16s16s").unpack_from
_PART = struct.Struct(">HI").unpack_from
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
    """The TCP segment that a packet carries; None where it carries none.

    Of a packet that was sent in fragments, the last one carries it.
    """
    try:
        return _segment(record, notes, MAX_LAYERS)
    except (struct.error, IndexError):
        notes.undecoded += 1
        return None


class _Ip(NamedTuple):
    """What the headers of IP say of their payload, which stands from `begin` to `end`."""

    src: bytes
    dst: bytes
    ident: int
    protocol: int
    begin: int
    end: int
    part: tuple[int, bool, int] | None  # of a fragment: offset, whether more follow, the number


def _segment(record: Record, notes: Notes, layers: int) -> Segment | None:
    at = _network(record, notes) if layers else None
    if at is None:
        return None
    if isinstance(at, Record):
        return _segment(at, notes, layers - 1)
    version = record.data[at] >> 4
    if version not in (4, 6):
        raise IndexError
    ip = _extended(_ipv4(record, at) if version == 4 else _ipv6(record, at), record.data)
    if ip.part is not None:
        (offset, more, number), sent = ip.part, ip.end - ip.begin
        part = Fragment(offset, more, record.data[ip.begin : ip.end], sent, record.ts)
        together = notes.fragments.add((ip.src, ip.dst, ip.protocol, number), part)
        if together is None:
            return None
        payload, size = together
        record = record._replace(data=payload, size=size)
        ip = _extended(ip._replace(begin=0, end=size, part=None), payload)
    if ip.protocol == TCP:
        return _tcp(record, ip)
    inner = dissect.tunnelled(record, ip.protocol, ip.begin)
    return None if inner is None else _segment(inner, notes, layers - 1)


def _network(record: Record, notes: Notes) -> int | Record | None:
    """Where the IP header starts, or what is in an odd layer; None where the packet is not IP."""
    data, link = record.data, record.link
    if link in RAW:
        return 0
    if link in LOOPBACK:
        return 4 if data[4] >> 4 in (4, 6) else None
    if link in dissect.LINKS:
        return dissect.unlinked(record)
    if link == ETHERNET:
        (kind,), at = _U16(data, 12), 14
    elif link == SLL:
        (kind,), at = _U16(data, 14), 16
    elif link == SLL2:
        (kind,), at = _U16(data, 0), 20
    else:
        notes.other_links[link] += 1
        return None
    while kind in VLAN_TYPES:
        (kind,), at = _U16(data, at + 2), at + 4
    return at if kind in IP_TYPES else dissect.typed(record, kind, at)


def _ipv4(record: Record, at: int) -> _Ip:
    first, total, ident, fragment, protocol, src, dst = _IP4(record.data, at)
    # A length of 0 is segmentation offload: the packet was captured before it was cut to size.
    end = at + total if total else record.size
    part = ((fragment & 0x1FFF) * 8, bool(fragment & 0x2000), ident) if fragment & 0x3FFF else None
    return _Ip(src, dst, ident, protocol, at + (first & 15) * 4, end, part)


def _ipv6(record: Record, at: int) -> _Ip:
    length, following, src, dst = _IP6(record.data, at + 4)
    end = at + 40 + length if length else record.size
    return _Ip(src, dst, 0, following, at + 40, end, None)


def _extended(ip: _Ip, data: bytes) -> _Ip:
    """The same behind the headers that extend IP, up to the one of a fragment."""
    is_v6, protocol, at = len(ip.src) == 16, ip.protocol, ip.begin
    while ip.part is None:
        if protocol == AUTHENTICATION:
            protocol, at = data[at], at + 8 + data[at + 1] * 4
        elif is_v6 and protocol in EXTENSIONS:
            protocol, at = data[at], at + 8 + data[at + 1] * 8
        elif is_v6 and protocol == FRAGMENT:
            place, number = _PART(data, at + 2)
            protocol, at = data[at], at + 8
            if place & 0xFFF9:  # a fragment may also be the only one (RFC 6946)
                return ip._replace(
                    protocol=protocol, begin=at, part=(place & 0xFFF8, bool(place & 1), number)
                )
        else:
            break
    return ip._replace(protocol=protocol, begin=at)


def _tcp(record: Record, ip: _Ip) -> Segment:
    """The segment that stands behind the headers of IP.

    Ethernet pads short packets: what lies beyond its end is no payload. Raises IndexError on a
    header that does not fit.
    """
    data = record.data
    sport, dport, seq, ack, offset, flags, window = _TCP_HEADER(data, ip.begin)
    start = ip.begin + (offset >> 4) * 4
    if offset < 0x50 or start > ip.end:
        raise IndexError
    return Segment(
        record.pos,
        record.ts,
        Endpoint(ip.src, sport),
        Endpoint(ip.dst, dport),
        seq,
        ack,
        flags,
        window,
        data[start : ip.end],
        ip.end - start,
        ip.ident,
    )
