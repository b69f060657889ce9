"""TCP segments out of tunnels, odd link layers and fragments."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from random import Random

import craft
import dpkt
import pytest
import wrap
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.capture.packets import fragments
from wsdiag.capture.packets.records import Notes, Record
from wsdiag.capture.packets.segments import Segment, segment_of, segments

SEGMENT = dpkt.tcp.TCP(sport=1234, dport=80, seq=7, ack=9, flags=24, win=512, data=b"payload" * 9)
PACKETS = {
    "IPv4": craft.ethernet(SEGMENT, "192.0.2.1", "192.0.2.2", ident=77)[14:],
    "IPv6": craft.ethernet(SEGMENT, "2001:db8::1", "2001:db8::2")[14:],
}

version = pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)


def of(link: int, data: bytes, notes: Notes | None = None, pos: int = 3) -> Segment | None:
    return segment_of(Record(pos, 5, link, data, len(data)), notes or Notes())


@version
@pytest.mark.parametrize("tunnel", wrap.TUNNELS)
def test_a_tunnel_gives_the_segment_inside(tunnel: str, packet: bytes) -> None:
    bare = of(101, packet)
    assert bare is not None
    assert of(101, wrap.TUNNELS[tunnel](packet)) == bare


@version
@pytest.mark.parametrize("layer", wrap.LINKS)
def test_an_odd_link_layer_gives_the_segment_inside(layer: str, packet: bytes) -> None:
    link, wrapped = wrap.LINKS[layer]
    assert of(link, wrapped(packet)) == of(101, packet)


@given(
    st.sampled_from(list(PACKETS.values())),
    st.lists(st.sampled_from(list(wrap.TUNNELS))),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_tunnels_in_tunnels(packet: bytes, through: list[str], data: st.DataObject) -> None:
    notes, wrapped = Notes(), packet
    for tunnel in through:
        wrapped = wrap.TUNNELS[tunnel](wrapped)
    found = of(101, wrapped, notes)
    assert found is None or found == of(101, packet)
    assert (found is not None) >= (len(through) <= 3)
    cut = wrapped[: data.draw(st.integers(0, len(wrapped)))]
    short = segment_of(Record(3, 5, 101, cut, len(wrapped)), Notes())
    assert short is None or found is None or short._replace(payload=found.payload) == found


@pytest.mark.parametrize(
    "wrapped",
    [
        wrap.udp(4789, bytes(20)),
        wrap.udp(2152, b"\x32\x01" + bytes(12)),
        wrap.udp(6081, b"\x01\0\x08\x06" + bytes(40)),
        wrap.ipv4(47, b"\x40\0\x08\0" + PACKETS["IPv4"]),
        wrap.ipv4(50, PACKETS["IPv4"]),
    ],
    ids=["no VXLAN", "echo of GTP", "ARP in Geneve", "GRE with a route", "IPsec"],
)
def test_what_only_looks_like_a_tunnel_is_no_fault(wrapped: bytes) -> None:
    notes = Notes()
    assert of(101, wrapped, notes) is None
    assert notes.undecoded == 0


def test_encrypted_wifi_is_not_read() -> None:
    notes = Notes()
    assert of(105, b"\x08\x41" + bytes(22) + bytes(60), notes) is None
    assert (notes.undecoded, notes.other_links) == (0, {})


@given(
    st.binary(max_size=100),
    st.sampled_from([link for link, _ in wrap.LINKS.values()]),
    st.sampled_from([wrapped for _, wrapped in wrap.LINKS.values()]),
)
@settings(max_examples=400, deadline=None)
def test_random_bytes_never_raise(data: bytes, link: int, wrapped: object) -> None:
    of(link, data)
    for layer, (link, wrapped) in wrap.LINKS.items():
        assert layer
        of(link, wrapped(b"\x45" + data))


def told(packets: list[bytes], notes: Notes) -> list[Segment]:
    """The segments of raw IP packets that come 1 ms apart."""
    return list(
        segments((Record(at, at * 1_000, 101, it, len(it)) for at, it in enumerate(packets)), notes)
    )


@version
@given(st.integers(0, 1 << 64))
@settings(max_examples=60, deadline=None)
def test_fragments_in_any_order_and_twice(packet: bytes, seed: int) -> None:
    random = Random(seed)
    parts = wrap.fragments(packet, random)
    random.shuffle(parts)
    copied = [part for part in parts for _ in range(random.choice((1, 1, 2)))]
    notes = Notes()
    found, bare = told(copied, notes), of(101, packet)
    assert bare is not None
    (one,) = found
    assert one._replace(pos=0, ts=0, ident=0) == bare._replace(pos=0, ts=0, ident=0)
    whole = next(at for at in range(len(copied)) if set(copied[: at + 1]) == set(parts))
    assert one.pos == whole
    assert notes.remarks == []


@given(st.integers(0, 1 << 64))
@settings(max_examples=40, deadline=None)
def test_fragments_of_tunnels(seed: int) -> None:
    random = Random(seed)
    tunnel = wrap.TUNNELS[random.choice(list(wrap.TUNNELS))]
    wrapped = tunnel(PACKETS["IPv4"])
    (found,) = told(wrap.fragments(wrapped, random), Notes())
    assert (found.payload, found.src.port) == (SEGMENT.data, 1234)


@version
def test_a_packet_of_which_fragments_are_missing_is_not_read(packet: bytes) -> None:
    notes, parts = Notes(), wrap.fragments(packet, Random(1))
    assert told(parts[:-1], notes) == []
    assert notes.remarks == [
        f"{len(parts) - 1} IP fragments are not put together: others of the same packets are not "
        "in the capture"
    ]


def test_fragments_that_overlap_are_not_believed() -> None:
    notes, packet = Notes(), PACKETS["IPv4"]
    first, second = packet[20:60], packet[52:]
    heads = [
        packet[:2] + struct.pack(">HHH", 20 + len(part), 5, place) + packet[8:20] + part
        for part, place in ((first, 1 << 13), (second, 4))
    ]
    assert told(heads, notes) == []
    assert "2 IP fragments" in notes.remarks[0]


def test_a_number_is_used_again() -> None:
    parts = wrap.fragments(PACKETS["IPv4"], Random(3))
    packets = [*parts, *([b"\x46" + bytes(23)] * 200), *parts]
    assert len(told(packets, Notes())) == 2


def test_a_rest_that_comes_too_late_is_of_another_packet() -> None:
    notes, (first, *rest) = Notes(), wrap.fragments(PACKETS["IPv4"], Random(3))
    late = fragments.MAX_AGE_US + 1
    packets = [(0, first), *((late, part) for part in rest)]
    records = [Record(at, ts, 101, it, len(it)) for at, (ts, it) in enumerate(packets)]
    assert list(segments(records, notes)) == []


def test_what_waits_is_bounded() -> None:
    notes = Notes()
    for number in range(3 * fragments.MAX_DATAGRAMS):
        part = fragments.Fragment(0, True, b"x" * 8, 8, 0)
        assert notes.fragments.add((b"", b"", 6, number), part) is None
    assert len(notes.fragments._datagrams) == fragments.MAX_DATAGRAMS
    assert notes.fragments.left == 3 * fragments.MAX_DATAGRAMS


def test_a_fragment_that_was_cut_keeps_its_size() -> None:
    parts = wrap.fragments(PACKETS["IPv4"], Random(3))
    notes, cut = Notes(), parts[-1][:-3]
    records = [Record(at, 0, 101, it, len(it)) for at, it in enumerate(parts[:-1])]
    (found,) = segments([*records, Record(9, 0, 101, cut, len(parts[-1]))], notes)
    assert (found.payload, found.size) == (SEGMENT.data[:-3], len(SEGMENT.data))


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_sees_the_same(tmp_path: Path) -> None:
    """Left out: the logs of BSD, which write the address family as their host does, and Ethernet in
    MPLS, which Wireshark takes for something else unless it is told.
    """
    packets = [
        (101, wrap.TUNNELS[it](packet)) for it in wrap.TUNNELS for packet in PACKETS.values()
    ]
    packets += [
        (link, wrapped(packet))
        for name, (link, wrapped) in wrap.LINKS.items()
        if name not in ("log of pf", "IPsec of BSD", "Ethernet in MPLS")
        for packet in PACKETS.values()
    ]
    packets += [(101, part) for it in PACKETS.values() for part in wrap.fragments(it, Random(5))]
    links = sorted({link for link, _ in packets})
    blocks = [craft.section(), *map(craft.interface, links)]
    blocks += [craft.enhanced(craft.START, data, links.index(link)) for link, data in packets]
    (tmp_path / "a.pcapng").write_bytes(b"".join(blocks))
    fields = ("frame.number", "ip.src", "ipv6.src", "tcp.srcport", "tcp.seq_raw", "tcp.payload")
    said = subprocess.run(
        ["tshark", "-r", tmp_path / "a.pcapng", "-Tfields", "-Eoccurrence=l", "-Y", "tcp"]
        + [word for field in fields for word in ("-e", field)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    theirs = {}
    for line in said.splitlines():
        number, v4, v6, *rest = line.split("\t")
        theirs[int(number)] = ("2001:db8::1" if "2001:db8::1" in v6 else v4, *rest)
    ours = {
        it.pos: (it.src.host, str(it.src.port), str(it.seq), it.payload.hex())
        for it in segments(
            (Record(at, 0, *packet, len(packet[1])) for at, packet in enumerate(packets, 1)),
            Notes(),
        )
    }
    assert ours == theirs
