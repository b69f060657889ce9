"""TCP put in order: what a receiver would have read, and when."""

from __future__ import annotations

import io

import craft
import pytest
from craft import ACK, C2S, FIN, PSH, RST, S2C, SYN, Wire

from wsdiag.capture.packets.records import Notes, records
from wsdiag.capture.packets.segments import segments
from wsdiag.capture.tcp import flow
from wsdiag.capture.tcp.streams import TcpFact, What, follow


def facts(*wires: Wire, snaplen: int = 262_144) -> list[TcpFact]:
    packets = sorted((packet for wire in wires for packet in wire.packets), key=lambda p: p[0])
    notes = Notes()
    data = craft.pcap(packets, snaplen=snaplen)
    return list(follow(segments(records(io.BytesIO(data), notes), notes)))


def heard(found: list[TcpFact], side: int = C2S) -> bytes:
    return b"".join(fact.data for fact in found if fact.what is What.DATA and fact.side == side)


def happened(found: list[TcpFact], *what: What) -> list[tuple[What, int, int, int]]:
    return [(f.what, f.side, f.pos, f.size) for f in found if f.what in what]


def connected(**how: list[int]) -> Wire:
    wire = Wire(**how)
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.packet(C2S)
    return wire


def test_in_order() -> None:
    wire = connected()
    wire.send(C2S, b"hello ")
    wire.send(S2C, b"yes")
    wire.send(C2S, b"world")
    found = facts(wire)
    assert (heard(found), heard(found, S2C)) == (b"hello world", b"yes")
    assert [f.pos for f in found if f.what is What.DATA] == [4, 5, 6]
    assert happened(found, What.RESENT, What.LOST) == []


def test_out_of_order_bytes_are_available_when_the_hole_is_filled() -> None:
    wire = connected()
    wire.send(C2S, b"world", at=7)
    wire.send(C2S, b"!", at=12)
    wire.send(C2S, b"hello ", at=1)
    found = facts(wire)
    assert heard(found) == b"hello world!"
    assert {f.pos for f in found if f.what is What.DATA} == {6}
    assert happened(found, What.RESENT, What.LOST) == []


def test_a_hole_filled_too_late_for_reordering_was_sent_again() -> None:
    wire = connected()
    wire.send(C2S, b"world", at=7)
    wire.send(C2S, b"hello ", at=1, after_us=250_000)
    found = facts(wire)
    assert heard(found) == b"hello world"
    assert happened(found, What.RESENT) == [(What.RESENT, C2S, 5, 6)]


def test_overlap_the_first_bytes_count() -> None:
    wire = connected()
    wire.send(C2S, b"abcdef", at=1)
    wire.send(C2S, b"EFGH", at=5)
    wire.send(C2S, b"XYZ", at=12)
    wire.send(C2S, b"ijkLMNOP", at=9)
    found = facts(wire)
    assert heard(found) == b"abcdefGHijkXYZOP"


def test_a_retransmission_is_told_and_read_once() -> None:
    wire = connected()
    wire.send(C2S, b"hello ")
    wire.send(C2S, b"hello ", at=1)
    wire.send(C2S, b"hello world", at=1)
    found = facts(wire)
    assert heard(found) == b"hello world"
    assert happened(found, What.RESENT) == [(What.RESENT, C2S, 5, 6), (What.RESENT, C2S, 6, 11)]


def test_keep_alive_probes_are_no_retransmissions() -> None:
    wire = connected()
    wire.send(C2S, b"hello")
    wire.packet(C2S, at=5)
    wire.packet(C2S, ACK, b"\0", at=5)
    wire.send(C2S, b" world")
    found = facts(wire)
    assert heard(found) == b"hello world"
    assert happened(found, What.RESENT) == []


def test_the_same_packet_captured_twice_is_no_retransmission() -> None:
    wire = Wire()
    for _ in range(2):
        wire.packet(C2S, SYN, at=0, ident=9, after_us=20)
    wire.packet(S2C, SYN | ACK, at=0)
    for _ in range(2):
        wire.packet(C2S, PSH | ACK, b"hello", at=1, ident=10, after_us=20)
    for _ in range(2):
        wire.packet(S2C, ACK, window=0, ident=11, after_us=20)
    for _ in range(2):
        wire.packet(C2S, FIN | ACK, at=6, ident=12, after_us=20)
    found = facts(wire)
    assert heard(found) == b"hello"
    assert happened(found, What.RESENT) == []
    assert len(happened(found, What.ZERO_WINDOW)) == 1


def test_sequence_numbers_wrap() -> None:
    wire = connected(isn=[0xFFFFFFFA, 0xFFFFFFFF])
    wire.send(C2S, b"hello ")
    wire.send(C2S, b"wor", at=7)
    wire.send(C2S, b"!", at=12)
    wire.send(C2S, b"ld", at=10)
    wire.send(S2C, b"yes")
    found = facts(wire)
    assert (heard(found), heard(found, S2C)) == (b"hello world!", b"yes")


def test_more_than_4_gib_of_sequence_numbers() -> None:
    direction = flow.Flow()
    direction.begin(10)
    direction.next = (1 << 33) + 5
    assert direction.place(4) == (1 << 33) + 4
    assert direction.place(0xFFFFFFFF) == (1 << 33) - 1


def test_a_syn_sent_again_does_not_reset() -> None:
    wire = Wire()
    wire.syn()
    wire.syn(after_us=1_000_000)
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, b"hello")
    wire.syn()
    wire.send(C2S, b" world")
    found = facts(wire)
    assert heard(found) == b"hello world"
    assert len({f.conn for f in found}) == 1
    assert happened(found, What.RESENT) == [(What.RESENT, C2S, 2, 0), (What.RESENT, C2S, 5, 0)]
    assert found[0].conn.syn == (1, craft.START + 1_000)


def test_a_reused_port_is_another_connection() -> None:
    first, second = connected(), connected(isn=[777_000, 888_000])
    first.send(C2S, b"first")
    first.packet(C2S, RST)
    second.packets.clear()
    second.ts = first.ts
    second.syn()
    second.packet(S2C, SYN | ACK, at=0)
    second.send(C2S, b"second", at=1)
    found = facts(first, second)
    over = [f.conn for f in found if f.what is What.OVER]
    assert [conn.ordinal for conn in over] == [1, 2]
    for conn, said in zip(over, (b"first", b"second"), strict=True):
        assert heard([f for f in found if f.conn is conn]) == said


def test_a_late_syn_belongs_to_what_it_began() -> None:
    wire = Wire()
    wire.send(C2S, b"hello", at=1)
    wire.syn()
    wire.send(C2S, b" world", at=6)
    found = facts(wire)
    assert len({f.conn for f in found}) == 1
    assert heard(found) == b"hello world"


def test_without_a_syn_the_first_segment_is_the_start() -> None:
    wire = Wire()
    wire.packet(C2S, at=99)
    wire.send(C2S, b"middle", at=100)
    wire.send(S2C, b"answer", at=50)
    found = facts(wire)
    assert (heard(found), heard(found, S2C)) == (b"middle", b"answer")
    assert not found[0].conn.handshake_seen
    assert happened(found, What.LOST, What.RESENT) == []


def test_a_syn_ack_tells_who_is_the_client() -> None:
    wire = Wire()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, b"hello", at=1)
    found = facts(wire)
    assert found[0].conn.handshake_seen
    assert str(found[0].conn.ends[0]) == "10.0.0.1:40000"
    assert heard(found) == b"hello"


def test_lost_bytes_are_told_and_never_made_up() -> None:
    wire = connected()
    wire.send(C2S, b"before")
    wire.send(C2S, b"after", at=17)
    wire.packet(C2S, FIN | ACK)
    found = facts(wire)
    told = [(f.what, f.size or f.data) for f in found if f.what in (What.DATA, What.LOST)]
    assert told == [(What.DATA, 6), (What.LOST, 10), (What.DATA, 5)]
    assert heard(found) == b"beforeafter"


def test_segments_cut_by_the_snapshot_length_leave_a_hole() -> None:
    wire = connected()
    wire.send(C2S, b"x" * 100)
    wire.send(C2S, b"y" * 10)
    found = facts(wire, snaplen=54 + 40)
    assert heard(found) == b"x" * 40 + b"y" * 10
    assert happened(found, What.LOST) == [(What.LOST, C2S, 4, 60)]
    assert happened(found, What.RESENT) == []


def test_waiting_for_a_hole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "MAX_PENDING", 30)
    wire = connected()
    for at in range(11, 71, 10):
        wire.send(C2S, b"0123456789", at=at)
    found = facts(wire)
    assert [(f.what, f.pos) for f in found if f.what in (What.DATA, What.LOST)][:5] == [
        (What.LOST, 4),
        *((What.DATA, pos) for pos in (4, 5, 6, 7)),
    ]


def test_first_fin_and_rst_of_each_side() -> None:
    wire = connected()
    wire.packet(C2S, FIN | ACK)
    wire.packet(S2C, FIN | ACK)
    wire.packet(C2S, FIN | ACK, at=1)
    wire.packet(C2S, RST)
    wire.packet(C2S, RST)
    found = facts(wire)
    assert happened(found, What.FIN, What.RST, What.RESENT) == [
        (What.FIN, C2S, 4, 0),
        (What.FIN, S2C, 5, 0),
        (What.RESENT, C2S, 6, 0),
        (What.RST, C2S, 7, 0),
    ]


def test_refused() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, RST | ACK, at=0)
    found = facts(wire)
    assert [f.what for f in found] == [What.SYN, What.REFUSED, What.OVER]


def test_a_reset_after_the_handshake_is_no_refusal() -> None:
    wire = connected()
    wire.packet(S2C, RST)
    assert happened(facts(wire), What.REFUSED, What.RST) == [(What.RST, S2C, 4, 0)]


def test_zero_windows_but_not_those_of_syn_and_rst() -> None:
    wire = Wire()
    wire.packet(C2S, SYN, at=0, window=0)
    wire.packet(S2C, SYN | ACK, at=0, window=0)
    wire.packet(C2S)
    wire.send(S2C, b"data")
    wire.packet(C2S, window=0)
    wire.packet(C2S, window=500)
    wire.packet(C2S, RST, window=0)
    assert happened(facts(wire), What.ZERO_WINDOW) == [(What.ZERO_WINDOW, C2S, 5, 0)]


def test_a_segment_from_nowhere_is_ignored() -> None:
    wire = connected()
    wire.send(C2S, b"hello")
    wire.send(C2S, b"stray", at=1 << 30)
    wire.sent[C2S] = 6
    wire.send(C2S, b" world")
    found = facts(wire)
    assert heard(found) == b"hello world"
    assert happened(found, What.LOST, What.RESENT) == []
