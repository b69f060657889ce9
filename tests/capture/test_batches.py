"""Batches hold the packets that are read one by one, and the same segments."""

from __future__ import annotations

import struct
from collections import defaultdict
from io import BytesIO
from random import Random

import craft
import pytest
import wrap
from craft import C2S, S2C, Wire, block, enhanced, interface, section
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from wsdiag.capture.packets import keys
from wsdiag.capture.packets.batches import Place, again, batches, placed
from wsdiag.capture.packets.headers import decode
from wsdiag.capture.packets.index import indexed
from wsdiag.capture.packets.records import FAR, Notes, Record, records
from wsdiag.capture.packets.segments import Endpoint, Segment, segments

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller seed is no smaller case


def one_by_one(data: bytes) -> tuple[list[Record], Notes]:
    notes = Notes()
    return list(records(BytesIO(data), notes)), notes


def in_batches(data: bytes, batch_bytes: int) -> tuple[list[Record], Notes]:
    """The packets of a capture; from the place of each batch on, they are read the same again."""
    notes, found, places, firsts = Notes(), list[Record](), list[Place](), list[int]()
    for place, batch in placed(BytesIO(data), notes, batch_bytes):
        places.append(place)
        firsts.append(len(found))
        found += map(batch.record, range(batch.pos.size))
    for place, first in zip(places, firsts, strict=True):
        more = again(BytesIO(data), place, 2 * batch_bytes)
        assert [b.record(row) for b in more for row in range(b.pos.size)] == found[first:]
    return found, notes


def told(notes: Notes) -> dict[str, object]:
    return {**vars(notes), "fragments": notes.fragments.left}


def assert_same_packets(data: bytes) -> None:
    slow, said = one_by_one(data)
    for size in (500, 5_000, 1 << 20):
        fast, notes = in_batches(data, size)
        assert fast == slow
        assert told(notes) == told(said)


def assert_same_segments(data: bytes) -> None:
    said = Notes()
    slow = list(segments(records(BytesIO(data), said), said))
    for size in (500, 1 << 20):
        notes, fast = Notes(), []
        for batch in batches(BytesIO(data), notes, size):
            traffic = decode(batch, notes)
            fast += [
                traffic.segment(index, *traffic.ends(index)) for index in range(traffic.pos.size)
            ]
        notes.tell_passed_over()
        assert sorted(fast, key=lambda segment: segment.pos) == slow
        assert told(notes) == told(said)
    assert_found_again(data, slow)


def assert_found_again(data: bytes, slow: list[Segment]) -> None:
    """By the index, the segments of one pair of ends are found from the first of them."""
    by_ends = defaultdict[frozenset[Endpoint], list[Segment]](list)
    for segment in slow:
        by_ends[frozenset((segment.src, segment.dst))].append(segment)
    for size in (500, 1 << 20):
        index = indexed(BytesIO(data), 1 << 30, size)
        for ends, whole in by_ends.items():
            for last in (whole[0].pos, whole[-1].pos):
                notes, found = Notes(), list[Segment]()
                for batch in index.read(BytesIO(data), {whole[0].pos}, last):
                    traffic = decode(batch, notes)
                    found += (
                        traffic.segment(at, *traffic.ends(at)) for at in range(len(traffic.pos))
                    )
                mine = [one for one in found if frozenset((one.src, one.dst)) == ends]
                assert sorted(mine, key=lambda segment: segment.pos) == [
                    segment for segment in whole if segment.pos <= last
                ]


def a_pcapng(random: Random) -> bytes:
    """Sections, interfaces and blocks of all kinds, in any order that is allowed, and some not."""
    out = []
    for _ in range(random.randrange(1, 4)):
        order = random.choice("<>")
        out.append(section(order))
        count = random.randrange(1, 4)
        for _ in range(count):
            resolution = random.choice((None, 3, 6, 9, 12, 0x80 | 20, 0x80 | 3))
            out.append(
                interface(
                    random.choice((1, 101, 147)), order, resolution, random.choice((None, 7, -7))
                )
            )
        for _ in range(random.randrange(12)):
            data = bytes(random.randrange(90))
            ticks = random.choice((0, 1_700_000_000, 1_700_000_000_123_456, random.getrandbits(44)))
            kind = random.random()
            if kind < 0.7:
                out.append(enhanced(ticks, data, random.randrange(count + (kind < 0.05)), order))
            elif kind < 0.8:
                out.append(block(3, struct.pack(order + "I", len(data)) + data, order))
            elif kind < 0.9:
                head = (0, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
                out.append(block(2, struct.pack(order + "HHIIII", *head) + data, order))
            else:
                out.append(block(random.choice((4, 5, 0x0BAD)), data, order))
    return b"".join(out)


@given(st.integers(0, 1 << 64))
@example(1102)  # a section within is of no known byte order
@settings(max_examples=100, deadline=None, phases=NO_SHRINKING)
def test_blocks_of_all_kinds(seed: int) -> None:
    random = Random(seed)
    data = bytearray(a_pcapng(random))
    if random.random() < 0.5:
        data[random.randrange(12, len(data))] = random.randrange(256)
    if random.random() < 0.3:
        del data[random.randrange(12, len(data)) :]
    assert_same_packets(bytes(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_many_records(order: str, nanoseconds: bool) -> None:
    random = Random(1)
    ts, packets = craft.START, []
    for _ in range(6_000):
        ts += random.choice((0, 10, 90_000_000, -1_000))
        packets.append((ts, random.randbytes(random.choice((0, 60, 1_400, 9_000)))))
    data = craft.pcap(packets, order=order, nanoseconds=nanoseconds)
    assert_same_packets(data)
    whole = data[:24] + data[24:] + b"\xff" * 40
    assert_same_packets(whole)


LINKS = {
    1: (b"\0" * 12 + b"\x08\x00", b"\0" * 12 + b"\x81\x00\0\x01\x08\x00", b"\0" * 12 + b"\x08\x06"),
    0: (b"\x02\0\0\0",),
    101: (b"",),
    113: (b"\0" * 14 + b"\x08\x00",),
    276: (b"\x08\x00" + b"\0" * 18,),
    147: (b"",),
}


@given(st.integers(0, 1 << 64))
@settings(max_examples=100, deadline=None, phases=NO_SHRINKING)
def test_segments_of_any_packet(seed: int) -> None:
    """Each header field may be anything, and a packet may end anywhere."""
    random = Random(seed)
    link = random.choice(list(LINKS))
    packets = []
    for _ in range(20):
        ends = random.choice((("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")))
        wire = Wire(client=(ends[0], 4_000), server=(ends[1], 80))
        wire.send(random.choice((C2S, S2C)), bytes(random.randrange(30)))
        data = bytearray(random.choice(LINKS[link]) + wire.packets[0][1][14:])
        if ends[0] == "fd00::1":
            data = data.replace(b"\x08\x00\x60", b"\x86\xdd\x60")
        for _ in range(random.choice((0, 0, 1, 3))):
            data[random.randrange(len(data))] = random.choice((0, 4, 6, 17, 44, 0x45, 0x46, 255))
        packets.append(
            (craft.START, bytes(data[: random.choice((None, None, random.randrange(70)))]))
        )
    assert_same_segments(craft.pcap(packets, link=link))


@given(st.integers(0, 1 << 64))
@settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
def test_segments_in_tunnels_and_fragments(seed: int) -> None:
    random = Random(seed)
    packets = list[tuple[int, bytes]]()
    for number in range(8):
        ends = random.choice((("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")))
        wire = Wire(client=(ends[0], 4_000 + number), server=(ends[1], 80))
        wire.send(random.choice((C2S, S2C)), bytes(random.randrange(9, 60)))
        packet = wire.packets[0][1][14:]
        if random.random() < 0.6:
            packet = random.choice([*wrap.TUNNELS.values()])(packet)
        parts = wrap.fragments(packet, random) if random.random() < 0.4 else [packet]
        packets += [(wire.ts, wrap.ethernet(part)) for part in parts]
    random.shuffle(packets)
    kept = [packet for packet in packets if random.random() < 0.9]
    assert_same_segments(craft.pcap(kept, snaplen=random.choice((90, 262_144))))


def test_pairs_that_share_a_slot_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_LEAST_SLOTS", 1)
    monkeypatch.setattr(keys, "_MOST_SLOTS", 1)
    packets = []
    for port in (1, 2, 3, 2, 1):
        for ends in (("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")):
            wire = Wire(client=(ends[0], port), server=(ends[1], 80))
            for side in (C2S, S2C):
                wire.send(side, b"x")
            packets += wire.packets
    known, found = keys.Keys(), []
    for batch in batches(BytesIO(craft.pcap(packets)), Notes(), 500):
        traffic = decode(batch, Notes())
        number, up = known.find(traffic.segments)
        for index, key in enumerate(number.tolist()):
            ends = known.ends(key)
            assert traffic.ends(index) == (ends if up[index] else ends[::-1])
            found.append(key)
    assert len(set(found)) == len(known) == 6


def test_times_beyond_all_sense_are_kept_within_a_column() -> None:
    ticks = (1 << 62) - 1
    data = section() + interface(resolution=3) + enhanced(ticks, b"x") + enhanced(7, b"y")
    (first, second), _ = in_batches(data, 1 << 20)
    assert (first.ts, second.ts) == (FAR, 7_000)
