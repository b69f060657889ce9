"""Captures read in batches give row for row what they give when read packet by packet."""

from __future__ import annotations

import sys
import zlib
from io import BytesIO
from pathlib import Path
from random import Random
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from wsdiag.capture.packets.batches import BATCH_BYTES

sys.path.append(str(Path(__file__).parents[1] / "capture"))
import craft
import oracle
from craft import ACK, C2S, FIN, PSH, RST, S2C, SYN, Wire

ROOT = Path(__file__).parents[2]
CAPTURES = sorted(ROOT.glob("fixtures/*/evidence/*.pcap*"))
CORPUS = ROOT.parent / "shared" / "corpus"
PUBLIC = sorted(path for path in CORPUS.rglob("*.pcap*") if path.is_file())
TINY = (700, 3_000, 20_000)
"""Bytes of a batch: frames, handshakes and holes lie across their borders."""

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller seed is no smaller case


def assert_same(data: bytes, *sizes: int) -> oracle.Told:
    slow = oracle.read(BytesIO(data), "wire.pcap")
    for size in sizes:
        fast = oracle.in_batches(data, size)
        assert fast.events.schema == slow.events.schema
        if not fast.events.equals(slow.events):
            both = (fast.events.with_row_index(), slow.events.with_row_index())
            differing = [
                a.join(b, on=a.columns, how="anti", nulls_equal=True) for a, b in (both, both[::-1])
            ]
            raise AssertionError(
                f"batches of {size}: {differing[0].rows()} != {differing[1].rows()}"
            )
        assert fast[1:] == slow[1:]
    return slow


JSON_TEXTS = (
    b'{"type":"order","id":7,"topic":"orders:42"}',
    b'{"op":"quote","payload":{"id":3},"seq":1}',
    b'{"type":"ping"}',
    b'{"type":"pong","payload":null}',
    b'{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"5"}',
    b'{"event":"token abcdefgh12345678 eyJhbGciOi","id":"user@example.test"}',
    b'{"type":6}\x1e',
    b'["1","2","room:1","new_msg",{}]',
    b'{"id":1}\n{"id":2}',
    b'{"id":',
    b"2",
    b'42["chat",{"id":1}]',
    b"",
    b"\xff\xfe{",
    b"plain words",
    b'{"name":"' + b"x" * 5000 + b'"}',
)


class Talk(NamedTuple):
    """What one connection is to say: a handshake, and what each side sends after it."""

    wire: Wire
    sides: tuple[list[bytes], list[bytes]]


def a_frame(random: Random, side: int, deflate: bool) -> bytes:
    """Frames, now and then one that breaks a rule."""
    roll = random.random()
    text = random.choice(JSON_TEXTS)
    if roll < 0.5:
        if deflate and random.random() < 0.6:
            return craft.frame(1, packed(text), side=side, rsv=4)
        return craft.frame(1, text, side=side)
    if roll < 0.6:
        return craft.frame(2, bytes(random.randrange(400)), side=side)
    if roll < 0.72:
        return craft.frame(random.choice((9, 10)), random.choice((b"", b"a", b"bc")), side=side)
    if roll < 0.78:
        return craft.close(random.choice((1000, 4401, 1006)), "bye", side=side)
    if roll < 0.9:
        inner = craft.frame(9, b"between", side=side) if random.random() < 0.3 else b""
        first = craft.frame(1, text[:3], side=side, fin=False)
        return first + inner + craft.frame(0, text[3:], side=side, fin=random.random() < 0.9)
    if roll < 0.95:
        return craft.frame(2, bytes(random.choice((70_000, 66_000, 3_000))), side=side)
    opcode = random.choice((1, 0, 3, 9))
    return craft.frame(
        opcode, b"odd", side=side, rsv=random.choice((0, 2)), masked=random.random() < 0.5
    )


def packed(text: bytes) -> bytes:
    """A message of its own, deflated (RFC 7692 section 7.2.1)."""
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def a_connection(random: Random, number: int) -> Wire:
    """The packets of one connection, most of them well-behaved."""
    client = ("10.0.0.1", 40_000 + random.randrange(2)) if number < 3 else ("fd00::7", 40_000)
    server = ("10.0.0.2", 8_080) if number < 3 else ("fd00::8", 80)
    isn = [random.choice((1_000, (1 << 32) - 300, (1 << 32) - 40_000)) for _ in range(2)]
    wire = Wire(client=client, server=server, isn=isn)
    wire.ts += random.randrange(50_000)
    deflate = random.random() < 0.4
    begin = random.random()
    extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
    if begin < 0.75:
        target = random.choice(("/ws", "/socket.io/?EIO=4&transport=websocket"))
        wire.handshake(target, answer=extension)
    elif begin < 0.85:
        wire.syn()
        wire.packet(S2C, SYN | ACK, at=0)
        wire.send(C2S, b"\x16\x03\x01" + bytes(300))
    elif begin < 0.9:
        wire.syn()
        wire.packet(S2C, RST | ACK, at=0)
    streams = [
        b"".join(a_frame(random, side, deflate) for _ in range(random.randrange(12)))
        for side in (C2S, S2C)
    ]
    whole = random.random() < 0.5
    while any(streams):
        side = random.choice([side for side in (C2S, S2C) if streams[side]])
        size = (
            random.choice((1, 7, 40, 300, 1_400, 60_000)) if not whole else a_length(streams[side])
        )
        size = min(size, 60_000)
        wire.send(side, streams[side][:size], window=0 if random.random() < 0.02 else 65_535)
        streams[side] = streams[side][size:]
        if random.random() < 0.2:
            wire.packet(1 - side)
    for side in (C2S, S2C):
        if random.random() < 0.5:
            wire.packet(side, random.choice((FIN | ACK, RST, FIN | PSH | ACK)))
    return wire


def a_length(stream: bytes) -> int:
    """Of the first frame, where there is room for its header."""
    if len(stream) < 10:
        return len(stream)
    wide = {126: 2, 127: 8}.get(stream[1] & 0x7F, 0)
    size = int.from_bytes(stream[2 : 2 + wide]) if wide else stream[1] & 0x7F
    return 2 + wide + (4 if stream[1] & 0x80 else 0) + size


def a_capture(random: Random) -> bytes:
    """Several connections, as a bad link and a bad capture leave them."""
    packets = list[tuple[int, bytes]]()
    for number in range(random.randrange(1, 5)):
        packets += a_connection(random, number).packets
    packets.sort(key=lambda packet: packet[0])
    trouble = random.choice((0.0, 0.02, 0.15))
    out = list[tuple[int, bytes]]()
    for ts, data in packets:
        roll = random.random()
        if roll < trouble * 0.2:
            continue
        out.append((ts, data))
        if roll > 1 - trouble:
            out.append((ts + random.choice((10, 2_000, 200_000)), data))
        if len(out) > 3 and random.random() < trouble:
            at = len(out) - random.randrange(1, 4)
            out[at], out[-1] = (out[-1][0], out[at][1]), (out[at][0], out[-1][1])
    snaplen = random.choice((90, 120, 300)) if random.random() < 0.2 else 262_144
    return craft.pcap(out, snaplen=snaplen, order=random.choice("<>"))


@given(st.integers(0, 1 << 64))
@settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
def test_any_capture(seed: int) -> None:
    random = Random(seed)
    assert_same(a_capture(random), random.choice(TINY), BATCH_BYTES)


@given(st.integers(0, 1 << 64), st.integers(24, 60_000), st.integers(0, 255))
@settings(max_examples=25, deadline=None, phases=NO_SHRINKING)
def test_any_damage(seed: int, at: int, value: int) -> None:
    random = Random(seed)
    data = bytearray(a_capture(random))
    data[min(at, len(data) - 1)] = value
    del data[random.randrange(len(data) // 2, len(data)) :]
    assert_same(bytes(data), random.choice(TINY), BATCH_BYTES)


@pytest.mark.parametrize("path", [*CAPTURES, *PUBLIC], ids=lambda path: "-".join(path.parts[-3:]))
def test_recorded_captures(path: Path) -> None:
    assert_same(path.read_bytes(), 3_000, BATCH_BYTES)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("size", [200, 65_535, 65_536, 65_537, 150_000])
def test_messages_of_many_frames(size: int, deflate: bool) -> None:
    """Whatever their length, before and behind messages of one frame, with a ping inside."""
    wire = Wire()
    wire.handshake(answer="Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else "")
    random = Random(size)
    text = b'{"type":"long","data":"%s"}' % random.randbytes(size).hex()[: size - 25].encode()
    for side in (C2S, S2C):
        deflater = zlib.compressobj(wbits=-15)
        for number in range(3):
            short = b'{"type":"short","id":%d}' % number
            for message in (short, text):
                if deflate:
                    message = deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH)
                    message = message[:-4]
                step = max(1, len(message) // 7) if message[:9] != short[:9] else len(message)
                places = range(0, len(message), step)
                for at in places:
                    part, is_last = message[at : at + step], at == places[-1]
                    opcode, rsv = (0, 0) if at else (1, 4 * deflate)
                    data = craft.frame(opcode, part, side=side, fin=is_last, rsv=rsv)
                    if at:
                        data += craft.frame(9, b"beat", side=side)
                    for begin in range(0, len(data), 1_400):
                        wire.send(side, data[begin : begin + 1_400])
    told = assert_same(wire.pcap(), *TINY, BATCH_BYTES)
    messages = told.events.filter(pl.col("kind") == "message")
    assert len(messages) == 12
    # Long ones are not looked into; behind one too long to be inflated nothing more is known.
    known = 12 if size == 200 else 2 if deflate and size > 65_535 else 6
    assert messages["name"].count() == known


def test_one_connection_captured_at_two_link_layers() -> None:
    """As by two interfaces of one bridge: each packet twice, once with its VLAN."""
    wire = Wire().handshake()
    for number in range(20):
        wire.send(C2S, craft.frame(1, b'{"id":%d}' % number, side=C2S))
        wire.send(S2C, craft.frame(1, b'{"id":%d}' % number))
    packets = list[tuple[int, bytes]]()
    for number, (ts, data) in enumerate(wire.packets):
        tagged = data[:12] + b"\x81\x00\x00\x07" + data[12:]
        both = [(ts, tagged), (ts + 1, data)]
        packets += both if number % 3 else both[::-1]
    told = assert_same(craft.pcap(packets), *TINY, BATCH_BYTES)
    assert told.events.filter(pl.col("kind") == "message").height == 40
    assert "retransmit" not in told.events["kind"]


def closes(told: oracle.Told) -> list[tuple[str, int, str | None]]:
    return told.events.filter(pl.col("kind") == "close").select("dir", "code", "name").rows()


BEFORE = b'{"last":"words"}'


@pytest.mark.parametrize("late", [False, True])
def test_two_closes_that_crossed(late: bool) -> None:
    """Neither acknowledges the other, whether or not one had to wait for bytes before it."""
    wire = Wire().handshake()
    told, bye = craft.frame(1, BEFORE, side=C2S), craft.close(1000, side=C2S)
    begin = wire.sent[C2S]
    if not late:
        wire.send(C2S, told)
    # What the client sends now is acknowledged by nothing of the server's yet, nor the reverse.
    wire.send(C2S, bye, at=begin + len(told))
    seen, wire.sent[C2S] = wire.sent[C2S], begin
    wire.send(S2C, craft.close(1001))
    wire.sent[C2S] = seen
    if late:
        seen, wire.sent[S2C] = wire.sent[S2C], wire.sent[S2C] - len(craft.close(1001))
        wire.send(C2S, told, at=begin)
        wire.sent[S2C] = seen
    found = closes(assert_same(wire.pcap(), *TINY, BATCH_BYTES))
    expected = [("s2c", 1001, None), ("c2s", 1000, "crossed")]
    assert found == (expected if late else [("c2s", 1000, None), ("s2c", 1001, "crossed")])


def test_an_answer_that_overtook_the_close_it_answers() -> None:
    """The Close waits in the capture for bytes before it; the answer does not."""
    wire = Wire().handshake()
    told = craft.frame(1, BEFORE, side=C2S)
    begin = wire.sent[C2S]
    wire.send(C2S, craft.close(4000, side=C2S), at=begin + len(told))
    wire.send(S2C, craft.close(4000))
    seen, wire.sent[S2C] = wire.sent[S2C], wire.sent[S2C] - len(craft.close(4000))
    wire.send(C2S, told, at=begin)
    wire.sent[S2C] = seen
    found = closes(assert_same(wire.pcap(), *TINY, BATCH_BYTES))
    assert found == [("s2c", 4000, None), ("c2s", 4000, "sent first")]


@pytest.mark.parametrize("snaplen", [96, 130, 262])
def test_heads_cut_off_by_the_snaplen(snaplen: int) -> None:
    """Their first lines are enough: what opened, on which path, and all frames behind."""
    wire = Wire()
    wire.handshake(
        "/ws?room=7&x=" + "y" * 40, "User-Agent: " + "u" * 300 + "\r\n", "A: " + "b" * 300
    )
    wire.packets.pop()
    wire.sent[S2C] = 1
    head = b"HTTP/1.1 101 Switching Protocols\r\nServer: " + b"s" * 300
    wire.send(S2C, head + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    wire.send(S2C, craft.frame(1, b"x" * 500, fin=False))
    wire.send(S2C, craft.frame(0, b"y" * 500))
    wire.send(C2S, craft.frame(2, bytes(9_000), side=C2S)[:1_400])
    wire.send(C2S, craft.frame(2, bytes(9_000), side=C2S)[1_400:])
    wire.send(S2C, craft.close(4100, "z" * 100))
    wire.send(C2S, craft.close(4100, "z" * 100, side=C2S))
    data = craft.pcap(wire.packets, snaplen=snaplen)
    events = assert_same(data, *TINY, BATCH_BYTES).events
    kinds = ["attempt", "open", "message", "message", "close", "close", "end"]
    assert events["kind"].to_list() == kinds
    assert events.filter(pl.col("kind") == "open").select("name", "code").row(0) == ("/ws", 101)
    messages = events.filter(pl.col("kind") == "message")
    assert messages.select("dir", "bytes").rows() == [("s2c", 1_000), ("c2s", 9_000)]
    assert closes(oracle.Told(events, (), 0, {})) == [("s2c", 4100, None), ("c2s", 4100, None)]


def test_a_cut_head_of_another_protocol_opens_nothing() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.packet(C2S)
    wire.send(C2S, b"GET /page HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 90 + b"\r\n")
    wire.send(S2C, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90 + b"\r\n" + bytes(900))
    wire.send(C2S, b"GET /more HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 90 + b"\r\n")
    assert assert_same(craft.pcap(wire.packets, snaplen=120), *TINY).events.is_empty()


def test_a_connection_from_its_middle_names_its_client() -> None:
    wire = Wire()
    for number in range(4):
        wire.send(C2S, craft.frame(1, b"%d" % number, side=C2S))
        wire.send(S2C, craft.frame(1, b"%d" % number))
    wire.send(S2C, craft.close(1001))
    told = assert_same(wire.pcap(), *TINY, BATCH_BYTES).events
    assert told["peer"].drop_nulls().to_list() == ["10.0.0.1:40000"] * 2
