"""TCP segments out of packets of any link layer; the packets are made by dpkt."""

from __future__ import annotations

import struct

import craft
import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.capture.packets.records import Notes, Record
from wsdiag.capture.packets.segments import Endpoint, Segment, segment_of, segments

SEGMENT = dpkt.tcp.TCP(sport=1234, dport=80, seq=7, ack=9, flags=24, win=512, data=b"payload")
IPV4 = craft.ethernet(SEGMENT, "192.0.2.1", "192.0.2.2", ident=77)[14:]
IPV6 = craft.ethernet(SEGMENT, "2001:db8::1", "2001:db8::2")[14:]
MACS = bytes(12)


def of(link: int, data: bytes, size: int | None = None) -> Segment | None:
    return segment_of(Record(3, 5, link, data, size or len(data)), Notes())


LAYERS = {
    "Ethernet": (1, MACS + b"\x08\x00"),
    "VLAN": (1, MACS + b"\x81\x00\x00\x05\x08\x00"),
    "QinQ": (1, MACS + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"),
    "raw IP": (101, b""),
    "IPv4": (228, b""),
    "BSD loopback": (0, struct.pack("<I", 2)),
    "BSD loopback of the other order": (0, struct.pack(">I", 2)),
    "OpenBSD loopback": (108, struct.pack(">I", 2)),
    "Linux cooked": (113, struct.pack(">HHHQH", 0, 1, 6, 0, 0x0800)),
    "Linux cooked v2": (276, struct.pack(">HHIHBBQ", 0x0800, 0, 2, 1, 0, 6, 0)),
    "VLAN in Linux cooked v2": (
        276,
        struct.pack(">HHIHBBQ", 0x8100, 0, 2, 1, 0, 6, 0) + b"\0\1\x08\0",
    ),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_link_layer_gives_the_same_segment(layer: str) -> None:
    link, head = LAYERS[layer]
    assert of(link, head + IPV4) == Segment(
        pos=3,
        ts=5,
        src=Endpoint(bytes([192, 0, 2, 1]), 1234),
        dst=Endpoint(bytes([192, 0, 2, 2]), 80),
        seq=7,
        ack=9,
        flags=24,
        window=512,
        payload=b"payload",
        size=7,
        ident=77,
    )


def test_ipv6_and_its_extension_headers() -> None:
    plain = of(1, MACS + b"\x86\xdd" + IPV6)
    assert plain is not None
    assert (str(plain.src), str(plain.dst)) == ("[2001:db8::1]:1234", "[2001:db8::2]:80")
    hop_by_hop = bytes([60, 0]) + bytes(6)
    options = bytes([6, 1]) + bytes(14)
    extended = (
        IPV6[:4]
        + struct.pack(">HB", len(SEGMENT) + 24, 0)
        + IPV6[7:40]
        + hop_by_hop
        + options
        + bytes(SEGMENT)
    )
    assert of(101, extended) == of(101, IPV6)


def test_padding_of_short_ethernet_frames_is_no_payload() -> None:
    bare = dpkt.tcp.TCP(sport=1, dport=2, flags=16, data=b"")
    data = craft.ethernet(bare, "10.0.0.1", "10.0.0.2")
    padded = of(1, data + bytes(60 - len(data)))
    assert padded is not None
    assert (padded.payload, padded.size) == (b"", 0)


def test_a_segment_cut_by_the_snapshot_length_keeps_its_size() -> None:
    data = craft.ethernet(SEGMENT, "10.0.0.1", "10.0.0.2")
    cut = of(1, data[:-4], size=len(data))
    assert cut is not None
    assert (cut.payload, cut.size) == (b"pay", 7)


def test_a_length_of_0_is_segmentation_offload() -> None:
    big = of(101, IPV4[:2] + b"\0\0" + IPV4[4:])
    assert big is not None
    assert (big.payload, big.size) == (b"payload", 7)


def test_ip_and_tcp_options_are_passed_over() -> None:
    timed = dpkt.tcp.TCP(sport=1, dport=2, flags=24, opts=bytes(12), data=b"data")
    timed.off = 8
    packet = dpkt.ip.IP(src=bytes(4), dst=bytes(4), p=6, opts=bytes(8), data=timed)
    packet.hl, packet.len = 7, len(packet)
    found = of(101, bytes(packet))
    assert found is not None
    assert found.payload == b"data"


def test_what_is_not_tcp_is_no_fault() -> None:
    notes = Notes()
    arp = MACS + b"\x08\x06" + bytes(28)
    udp = bytearray(IPV4)
    udp[9] = 17
    packets = [Record(1, 0, 1, arp, 42), Record(2, 0, 101, bytes(udp), len(udp))]
    assert list(segments(packets, notes)) == []
    assert (notes.undecoded, notes.remarks) == (0, [])


def test_unknown_link_types_are_remarked() -> None:
    notes = Notes()
    assert list(segments([Record(i, 0, 147, b"own", 3) for i in (1, 2)], notes)) == []
    assert notes.remarks == ["2 packets have link type 147, which is not read"]


@pytest.mark.parametrize("keep", [0, 13, 14, 20, 33, 40, 49])
def test_headers_that_are_cut_are_counted(keep: int) -> None:
    notes = Notes()
    data = craft.ethernet(SEGMENT, "10.0.0.1", "10.0.0.2")[:keep]
    assert segment_of(Record(1, 0, 1, data, 61), notes) is None
    assert notes.undecoded == 1


@given(st.binary(max_size=120), st.sampled_from([0, 1, 101, 108, 113, 276]), st.booleans())
@settings(max_examples=400)
def test_random_bytes_never_raise(data: bytes, link: int, plausible: bool) -> None:
    head = MACS + b"\x08\x00" + IPV4[:10] if plausible else b""
    of(link, head + data)
