"""Capture files, whoever wrote them, whole or damaged."""

from __future__ import annotations

import io
import struct

import craft
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.capture.packets.records import NO_TIME, Notes, Record, kind, records

PACKETS = [(1_700_000_000_123_456, b"one" * 10), (1_700_000_001_000_001, b"other")]


def read(data: bytes) -> tuple[list[Record], Notes]:
    notes = Notes()
    return list(records(io.BytesIO(data), notes)), notes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_either_byte_order_and_unit(order: str, nanoseconds: bool) -> None:
    data = craft.pcap(PACKETS, order=order, nanoseconds=nanoseconds, link=113)
    assert kind(data) == "pcap"
    found, notes = read(data)
    assert [(r.pos, r.ts, r.link, r.data) for r in found] == [
        (i, ts, 113, packet) for i, (ts, packet) in enumerate(PACKETS, 1)
    ]
    assert notes.remarks == []
    assert notes.last == (2, PACKETS[1][0])


def test_pcap_link_type_without_the_note_on_check_sequences() -> None:
    assert read(craft.pcap(PACKETS, link=0x2400_0001))[0][0].link == 1


def test_pcap_keeps_the_size_on_the_wire() -> None:
    found, _ = read(craft.pcap(PACKETS, snaplen=4))
    assert [(r.data, r.size) for r in found] == [(b"oneo", 30), (b"othe", 5)]


@pytest.mark.parametrize("missing", [1, 4, 5, 12, 20])
def test_a_file_that_is_cut_short_gives_its_whole_packets(missing: int) -> None:
    found, notes = read(craft.pcap(PACKETS)[:-missing])
    assert len(found) == 1
    assert notes.remarks == ["capture is cut short after packet 1"]


def test_a_file_header_that_is_cut_short() -> None:
    assert read(craft.pcap(PACKETS)[:20])[1].remarks == ["capture is cut short after packet 0"]


def test_an_impossible_length_stops_the_reading() -> None:
    data = craft.pcap(PACKETS) + struct.pack("<IIII", 1, 1, 0xFFFFFFF0, 60) + b"x" * 100
    found, notes = read(data)
    assert len(found) == 2
    assert notes.remarks == ["capture is damaged after packet 2"]


def test_pcapng_sections_and_interfaces_of_their_own() -> None:
    seconds = 1_700_000_000
    data = (
        craft.section("<")
        + craft.interface(link=1)
        + craft.interface(link=276, resolution=9)
        + craft.block(0x0BAD, b"unknown to every reader")
        + craft.enhanced(seconds * 10**6 + 5, b"micro")
        + craft.enhanced(seconds * 10**9 + 7_999, b"nano", number=1)
        + craft.section(">")
        + craft.interface(link=101, order=">", resolution=0x80 | 10, offset_s=seconds)
        + craft.enhanced(3 * 1024 + 512, b"binary", order=">")
        + craft.block(5, b"statistics__", ">")
    )
    assert kind(data) == "pcapng"
    found, notes = read(data)
    assert [(r.pos, r.ts - seconds * 10**6, r.link, r.data) for r in found] == [
        (1, 5, 1, b"micro"),
        (2, 7, 276, b"nano"),
        (3, 3_500_000, 101, b"binary"),
    ]
    assert notes.remarks == []
    assert notes.resolution_us == pytest.approx(1_000_000 / 1024)


def test_pcapng_simple_and_old_packet_blocks() -> None:
    old = struct.pack("<HHIIII", 0, 0, 0, 77, 3, 3) + b"old"
    simple = struct.pack("<I", 6) + b"simple"
    data = (
        craft.section()
        + craft.interface()
        + craft.block(3, simple)
        + craft.block(2, old)
        + craft.block(3, simple)
    )
    found, notes = read(data)
    assert [(r.pos, r.ts, r.data) for r in found] == [
        (1, NO_TIME, b"simple"),
        (2, 77, b"old"),
        (3, 77, b"simple"),
    ]
    assert notes.remarks == ["2 packets carry no time; they are given that of the packet before"]


def test_pcapng_packet_of_an_interface_that_is_not_described() -> None:
    data = (
        craft.section() + craft.enhanced(1, b"lost") + craft.interface() + craft.enhanced(2, b"x")
    )
    found, notes = read(data)
    assert [r.pos for r in found] == [2]
    assert notes.undecoded == 1


def test_pcapng_cut_short() -> None:
    data = craft.section() + craft.interface() + craft.enhanced(1, b"1") + craft.enhanced(2, b"2")
    for missing in (1, 7, 20, 29):
        found, notes = read(data[:-missing])
        assert len(found) == 1
        assert notes.remarks == ["capture is cut short after packet 1"]


@pytest.mark.parametrize("head", [b"", b"\n", b"hello world, this is text", b"\xa1\xb2\xc3"])
def test_what_is_no_capture(head: bytes) -> None:
    assert kind(head) is None
    found, notes = read(head)
    assert (found, notes.remarks) == ([], ["not a capture file"])


@given(st.binary(max_size=300), st.sampled_from(["pcap", "pcapng", "neither"]))
@settings(max_examples=300)
def test_random_bytes_never_raise(data: bytes, start: str) -> None:
    heads = {
        "pcap": craft.pcap([]),
        "pcapng": craft.section() + craft.interface(),
        "neither": b"",
    }
    read(heads[start] + data)
