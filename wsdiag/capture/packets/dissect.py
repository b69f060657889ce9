"""What packets are wrapped in beside the usual: odd link layers, and tunnels.

Read are PPP, PPPoE, Cisco HDLC, Wi-Fi in clear, MPLS, the packet logs of BSD and Linux firewalls;
IP in IP, GRE (RFC 2784, RFC 2890, PPTP of RFC 2637, ERSPAN), EtherIP (RFC 3378), VXLAN (RFC 7348),
Geneve (RFC 8926) and GTP-U (3GPP TS 29.281). Each function takes one wrapping off. It gives None
where what is inside is not IP, and raises IndexError or struct.error where bytes are missing.
"""

from __future__ import annotations

import struct

from wsdiag.capture.packets.numbers import (
    BRIDGED_TYPE,
    BSD_IPSEC,
    CISCO_HDLC,
    ETHERIP,
    ETHERNET,
    GENEVE,
    GRE,
    GTP_U,
    IP_IN_IP,
    IP_TYPES,
    MPLS_TYPES,
    NFLOG,
    PFLOG,
    PPI,
    PPP,
    PPP_ETHERNET,
    PPP_HDLC,
    PPPOE_TYPE,
    RADIOTAP,
    RAW_IP,
    UDP,
    VLAN_TYPES,
    VXLAN,
    WIFI,
)
from wsdiag.capture.packets.records import Record

LINKS = (PPP, PPP_HDLC, PPP_ETHERNET, CISCO_HDLC, WIFI, RADIOTAP, PPI, BSD_IPSEC, PFLOG, NFLOG)
"""Link types whose layer is taken off here."""

_U16 = struct.Struct(">H").unpack_from
_U16_LITTLE = struct.Struct("<H").unpack_from
_PPP_IP, _PPP_HEAD, _CISCO_HEAD = (0x21, 0x57), b"\xff\x03", b"\x0f\x00"
_PPTP_TYPE, _ERSPAN_TYPES = 0x880B, {0x88BE: 8, 0x22EB: 12}
_SNAP = b"\xaa\xaa\x03\x00\x00\x00"
_NFLOG_PAYLOAD = 9
_G_PDU = 0xFF


def unlinked(record: Record) -> Record | None:
    """A packet without its link layer, which is one of `LINKS`."""
    data, link = record.data, record.link
    if link in (PPP, PPP_HDLC):
        if data[:2] == _CISCO_HEAD:
            return typed(record, _U16(data, 2)[0], 4)
        return _ppp(record, 2 if data[:2] == _PPP_HEAD else 0)
    if link == PPP_ETHERNET:
        return _ppp(record, 6)
    if link == CISCO_HDLC:
        return typed(record, _U16(data, 2)[0], 4)
    if link == WIFI:
        return _wifi(record)
    if link == RADIOTAP:
        return _inner(record, _U16_LITTLE(data, 2)[0], WIFI)
    if link == PPI:
        return _inner(record, _U16_LITTLE(data, 2)[0], _U16_LITTLE(data, 4)[0])
    if link == BSD_IPSEC:
        return _ip(record, 12)
    if link == PFLOG:
        return _ip(record, data[0] + 3 & ~3)
    return _nflog(record)


def typed(record: Record, kind: int, at: int) -> Record | None:
    """What stands at `at`, of the EtherType `kind`."""
    data = record.data
    while kind in VLAN_TYPES:
        (kind,), at = _U16(data, at + 2), at + 4
    if kind in MPLS_TYPES:
        while not data[at + 2] & 1:  # the last label says so
            at += 4
        at += 4
        # RFC 4385: Ethernet behind a control word, which starts with 0 where IP has its version.
        return _inner(record, at + 4, ETHERNET) if data[at] >> 4 == 0 else _ip(record, at)
    if kind == PPPOE_TYPE:
        return _ppp(record, at + 6) if data[at + 1] == 0 else None
    if kind == BRIDGED_TYPE:
        return _inner(record, at, ETHERNET)
    return _ip(record, at) if kind in IP_TYPES else None


def tunnelled(record: Record, protocol: int, at: int) -> Record | None:
    """What an IP packet carries at `at`, where its protocol is one of a tunnel."""
    data = record.data
    if protocol in IP_IN_IP:
        return _ip(record, at)
    if protocol == GRE:
        return _gre(record, at)
    if protocol == ETHERIP:
        return _inner(record, at + 2, ETHERNET)
    if protocol != UDP or len(data) < at + 8:
        return None
    (port,), at = _U16(data, at + 2), at + 8
    if port in VXLAN and data[at] & 0x08 and not data[at + 7]:
        return _inner(record, at + 8, ETHERNET)
    if port == GENEVE and data[at] < 0x40:
        return typed(record, _U16(data, at + 2)[0], at + 8 + (data[at] & 0x3F) * 4)
    return _gtp(record, at) if port == GTP_U else None


def _gre(record: Record, at: int) -> Record | None:
    data, (flags, kind) = record.data, struct.unpack_from(">HH", record.data, at)
    at += 4
    version, routed = flags & 7, flags & 0x4000
    for bit in (0x8000, 0x2000, 0x1000):  # checksum, key, sequence number
        at += 4 * bool(flags & bit)
    if version == 1 and kind == _PPTP_TYPE:
        at += 4 * bool(flags & 0x0080)  # acknowledgement
        return _ppp(record, at + 2 * (data[at : at + 2] == _PPP_HEAD))
    if version or routed:
        return None
    if kind in _ERSPAN_TYPES:
        # The first version has no header of its own, and no sequence number.
        return _inner(record, at + _ERSPAN_TYPES[kind] * bool(flags & 0x1000), ETHERNET)
    return typed(record, kind, at)


def _gtp(record: Record, at: int) -> Record | None:
    data = record.data
    flags, kind = data[at], data[at + 1]
    if flags >> 4 != 3 or kind != _G_PDU:
        return None
    at += 8
    if flags & 7:
        following, at = data[at + 3], at + 4
        while flags & 4 and following:
            at += (data[at] or 1) * 4
            following = data[at - 1]
    return _ip(record, at)


def _ppp(record: Record, at: int) -> Record | None:
    data = record.data
    if data[at] & 1:  # the number is written in one byte
        return _ip(record, at + 1) if data[at] in _PPP_IP else None
    return _ip(record, at + 2) if _U16(data, at)[0] in _PPP_IP else None


def _wifi(record: Record) -> Record | None:
    """IEEE 802.11 §9.2: the header grows with what its first two bytes tell."""
    data = record.data
    control, flags = data[0], data[1]
    encrypted, fragment = flags & 0x40, data[22] & 0x0F or flags & 0x04
    if control & 0x0C != 0x08 or control & 0x40 or encrypted or fragment:
        return None
    at = 24 + 6 * (flags & 3 == 3)
    if control & 0x80:
        at += 2 + 4 * bool(flags & 0x80)
    return typed(record, _U16(data, at + 6)[0], at + 8) if data[at : at + 6] == _SNAP else None


def _nflog(record: Record) -> Record | None:
    """Attributes, each with its length and type in the byte order of the host, mostly little."""
    data, at = record.data, 4
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("<HH", data, at)
        if kind == _NFLOG_PAYLOAD:
            return _ip(record, at + 4)
        if length < 4:
            return None
        at += length + 3 & ~3
    return None


def _ip(record: Record, at: int) -> Record | None:
    return _inner(record, at, RAW_IP) if record.data[at] >> 4 in (4, 6) else None


def _inner(record: Record, at: int, link: int) -> Record:
    return record._replace(link=link, data=record.data[at:], size=record.size - at)
