"""A connection as HTTP, then as WebSocket; from its start, from its middle, with holes."""

from __future__ import annotations

import io
from itertools import pairwise

import craft
from craft import ACK, C2S, FIN, PSH, S2C, SYN, Wire, close, frame
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.capture.conversation import Conversation
from wsdiag.capture.http.http1 import Request, Response
from wsdiag.capture.multiplexed import Fact
from wsdiag.capture.packets.records import Notes, records
from wsdiag.capture.packets.segments import segments
from wsdiag.capture.tcp.streams import What, follow
from wsdiag.capture.websocket.protocol import Frame, Message
from wsdiag.capture.websocket.trials import MAX_FAILURES


def heard(wire: Wire) -> tuple[list[Fact], Conversation]:
    """What the one connection of a capture says."""
    talk, said, notes = None, list[Fact](), Notes()
    for fact in follow(segments(records(io.BytesIO(wire.pcap()), notes), notes)):
        talk = talk or Conversation(0 if fact.conn.handshake_seen else None)
        if fact.what is What.DATA:
            said += talk.feed(fact.side, fact.data, fact.pos, fact.ts)
        elif fact.what is What.LOST:
            said += talk.lose(fact.side, fact.size, fact.pos, fact.ts)
    assert talk is not None
    return said + talk.finish(), talk


def told(facts: list[Fact]) -> list[tuple[object, ...]]:
    """Facts in short: requests by target, answers by status, frames by side, opcode and packet."""
    short: list[tuple[object, ...]] = []
    for fact in facts:
        if isinstance(fact, Request):
            short.append((fact.target, fact.pos))
        elif isinstance(fact, Response):
            short.append((fact.status, fact.pos))
        elif isinstance(fact, Frame):
            short.append((fact.side, fact.opcode, fact.pos))
    return short


def test_upgrade_and_frames() -> None:
    wire = Wire().handshake()
    wire.send(C2S, frame(1, b"hi", side=C2S))
    wire.send(S2C, close(1000))
    facts, talk = heard(wire)
    assert told(facts) == [("/ws", 4), (101, 5), (C2S, 1, 6), (S2C, 8, 7)]
    assert talk.client == C2S
    assert talk.is_websocket


def test_frames_in_the_segment_of_the_101_and_before_it() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, craft.request() + frame(1, b"impatient", side=C2S))
    wire.send(S2C, craft.switching() + frame(9, b"ping"))
    facts, _ = heard(wire)
    assert told(facts) == [("/ws", 3), (101, 4), (C2S, 1, 3), (S2C, 9, 4)]


def test_an_answer_captured_before_its_request() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(S2C, craft.switching())
    wire.send(C2S, craft.request())
    wire.send(S2C, frame(9))
    assert told(heard(wire)[0]) == [("/ws", 4), (101, 3), (S2C, 9, 5)]


def test_several_requests_on_one_connection() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    poll = b"GET /socket.io/?transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
    post = b"POST /socket.io/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n42[]"
    wire.send(C2S, poll + post)
    wire.send(S2C, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n0{}")
    wire.send(S2C, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    wire.send(C2S, craft.request("/socket.io/?EIO=4"))
    wire.send(S2C, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
    wire.send(C2S, craft.request("/again"))
    wire.send(S2C, craft.switching())
    facts, _ = heard(wire)
    assert told(facts) == [
        ("/socket.io/?transport=polling", 3),
        (200, 4),
        ("/socket.io/", 3),
        (200, 5),
        ("/socket.io/?EIO=4", 6),
        (400, 7),
        ("/again", 8),
        (101, 9),
    ]


def test_a_rejection_that_ends_with_the_connection() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, craft.request())
    wire.send(S2C, b"HTTP/1.1 403 Forbidden\r\n\r\nnot today")
    wire.packet(S2C, FIN | ACK)
    facts, _ = heard(wire)
    assert told(facts) == [("/ws", 3), (403, 4)]
    assert isinstance(facts[1], Response)
    assert facts[1].explanation() == "not today"


def test_a_rejection_whose_body_is_not_complete() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, craft.request())
    wire.send(S2C, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 900\r\n\r\nnot")
    assert told(heard(wire)[0]) == [("/ws", 3), (403, 4)]


def test_inside_a_forward_proxy() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, b"CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\n\r\n")
    wire.send(S2C, b"HTTP/1.1 200 Connection established\r\n\r\n")
    wire.send(C2S, craft.request())
    wire.send(S2C, craft.switching())
    wire.send(S2C, close(1001))
    assert told(heard(wire)[0])[-3:] == [("/ws", 5), (101, 6), (S2C, 8, 7)]


def test_tls_and_other_protocols_are_left_alone() -> None:
    for data, tls in ((b"\x16\x03\x01\x02\x00\x01", True), (b"\x10\x0e\x00\x04MQTT", False)):
        wire = Wire()
        wire.syn()
        wire.packet(S2C, SYN | ACK, at=0)
        wire.send(C2S, data)
        facts, talk = heard(wire)
        assert (facts, talk.is_other, talk.is_tls) == ([], True, tls)


def test_an_answer_that_is_not_http_is_counted() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, craft.request())
    wire.send(S2C, b"\x00\x01garbage\r\n\r\n")
    facts, talk = heard(wire)
    assert told(facts) == [("/ws", 3)]
    assert talk.is_unreadable


def test_from_the_middle_both_sides_have_to_fit() -> None:
    wire = Wire()
    wire.send(S2C, frame(9, b"ping"), at=100)
    wire.send(C2S, frame(10, b"ping", side=C2S), at=100)
    wire.send(S2C, close(1011, "keepalive ping timeout"))
    facts, talk = heard(wire)
    # The first packet is the server's: side 0 is the server here.
    assert told(facts) == [(0, 9, 1), (1, 10, 2), (0, 8, 3)]
    assert talk.client == 1


def test_from_the_middle_of_a_frame() -> None:
    wire = Wire()
    wire.send(S2C, b"the rest of a frame", at=100)
    for _ in range(3):
        wire.send(S2C, frame(1, b'{"type":"tick"}'))
    assert told(heard(wire)[0]) == [(0, 1, 2), (0, 1, 3), (0, 1, 4)]


def test_from_the_middle_one_frame_is_not_enough() -> None:
    wire = Wire()
    wire.send(S2C, frame(1, b"once"), at=100)
    facts, talk = heard(wire)
    assert facts == []
    assert not talk.is_websocket


def test_from_the_middle_of_something_else() -> None:
    wire = Wire()
    for i in range(MAX_FAILURES + 1):
        wire.send(S2C, b"*3\r\n$3\r\nSET\r\n%d" % i)
    facts, talk = heard(wire)
    assert facts == []
    assert talk.is_other


def test_from_the_middle_of_http_before_the_upgrade() -> None:
    wire = Wire()
    wire.send(S2C, b"the end of some body", at=100)
    wire.send(C2S, craft.request(), at=100)
    wire.send(S2C, craft.switching())
    wire.send(S2C, frame(9))
    facts, talk = heard(wire)
    assert told(facts) == [("/ws", 2), (101, 3), (0, 9, 4)]
    assert talk.client == 1


def test_behind_a_lost_101_frames_are_still_found() -> None:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    wire.send(C2S, craft.request())
    wire.sent[S2C] += 129
    wire.send(S2C, frame(9, b"ping"))
    wire.send(C2S, frame(10, b"ping", side=C2S))
    facts, talk = heard(wire)
    assert sorted(told(facts), key=lambda t: t[-1]) == [("/ws", 3), (S2C, 9, 4), (C2S, 10, 5)]
    assert talk.is_websocket


def test_only_the_client_was_captured() -> None:
    wire = Wire()
    wire.syn()
    wire.send(C2S, craft.request(), at=1)
    wire.send(C2S, frame(1, b"hello", side=C2S))
    wire.send(C2S, close(1000, side=C2S))
    assert told(heard(wire)[0]) == [("/ws", 2), (C2S, 1, 3), (C2S, 8, 4)]


def test_nothing_is_guessed_behind_a_gap() -> None:
    wire = Wire().handshake()
    wire.send(S2C, frame(1, b"before"))
    wire.sent[S2C] += 20
    wire.send(S2C, b"\x89\x00\x00\x01 the rest of a frame that looks like a Ping")
    wire.send(S2C, b"and more of it")
    wire.send(C2S, close(1000, side=C2S))
    assert told(heard(wire)[0])[2:] == [(S2C, 1, 6), (C2S, 8, 9)]


def test_behind_a_gap_frames_are_believed_when_two_fit() -> None:
    wire = Wire().handshake()
    wire.sent[S2C] += 20
    wire.send(S2C, b"the rest of a frame")
    wire.send(S2C, frame(1, b"first"))
    talk, said = Conversation(0), list[Fact]()
    notes = Notes()
    wire.send(S2C, frame(9, b"second"))
    for fact in follow(segments(records(io.BytesIO(wire.pcap()), notes), notes)):
        if fact.what is What.DATA:
            said += talk.feed(fact.side, fact.data, fact.pos, fact.ts)
        elif fact.what is What.LOST:
            said += talk.lose(fact.side, fact.size, fact.pos, fact.ts)
    assert told(said)[2:] == [(S2C, 1, 7), (S2C, 9, 8)]


def test_behind_a_gap_one_frame_is_enough_at_the_end() -> None:
    wire = Wire().handshake()
    wire.sent[S2C] += 20
    wire.send(S2C, b"the rest of a frame")
    wire.send(S2C, close(1011, "keepalive ping timeout"))
    assert told(heard(wire)[0])[2:] == [(S2C, 8, 7)]


def test_behind_a_gap_the_masking_has_to_be_right() -> None:
    wire = Wire().handshake()
    wire.sent[S2C] += 20
    wire.send(S2C, frame(1, b"masked", masked=True))
    wire.send(S2C, frame(1, b"masked", masked=True))
    assert told(heard(wire)[0])[2:] == []


def test_a_gap_within_a_payload_does_not_hide_the_next_frame() -> None:
    wire = Wire().handshake()
    big = frame(2, b"x" * 1000)
    wire.send(S2C, big[:300])
    wire.sent[S2C] += 400
    wire.send(S2C, big[700:] + close(1000))
    assert told(heard(wire)[0])[2:] == [(S2C, 2, 7), (S2C, 8, 7)]


SAID = st.lists(
    st.tuples(st.sampled_from([C2S, S2C]), st.sampled_from([1, 2, 9, 10]), st.binary(max_size=120)),
    min_size=1,
    max_size=10,
)


@given(SAID, st.data())
@settings(max_examples=60, deadline=None)
def test_any_order_and_repetition_of_segments_gives_the_same_frames(
    said: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    streams = [craft.request(), craft.switching()]
    expected: list[list[tuple[int, int]]] = [[], []]
    for side, opcode, payload in said:
        streams[side] += frame(opcode, payload, side=side)
        expected[side].append((opcode, len(payload)))
    pieces = []
    for side, stream in enumerate(streams):
        inner = data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=8))
        cuts = [0, *sorted(inner), len(stream)]
        pieces += [(side, begin, end) for begin, end in pairwise(cuts)]
    # A second time with other boundaries, so that segments overlap.
    pieces += [
        (side, max(0, begin - 7), min(len(streams[side]), end + 5)) for side, begin, end in pieces
    ][: data.draw(st.integers(0, 6))]
    wire = Wire(isn=[0xFFFFFFF0, 0xFFFFFF00])
    wire.syn()
    wire.packet(S2C, SYN | ACK, at=0)
    for side, begin, end in data.draw(st.permutations(pieces)):
        wire.packet(side, PSH | ACK, streams[side][begin:end], at=1 + begin)
    facts, _ = heard(wire)
    frames = [f for f in facts if isinstance(f, Frame)]
    for side in (C2S, S2C):
        assert [(f.opcode, f.size) for f in frames if f.side == side] == expected[side]
    assert all(f.violations == () for f in frames)
    assert sum(isinstance(f, Message) for f in facts) == sum(o in (1, 2) for _, o, _ in said)


CHUNKS = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.one_of(
            st.binary(min_size=1, max_size=40),
            st.sampled_from([craft.request(), craft.switching(), frame(9), close(1000, side=C2S)]),
        ),
        st.booleans(),
    ),
    max_size=12,
)


@given(CHUNKS, st.sampled_from([0, 1, None]))
@settings(max_examples=300, deadline=None)
def test_random_talk_tells_of_no_more_than_was_said(
    chunks: list[tuple[int, bytes, bool]], client: int | None
) -> None:
    talk, sizes, facts = Conversation(client), [0, 0], list[Fact]()
    for pos, (side, data, lost) in enumerate(chunks, 1):
        sizes[side] += len(data)
        told = talk.lose(side, len(data), pos, pos) if lost else talk.feed(side, data, pos, pos)
        assert all(1 <= fact.pos <= pos for fact in told)
        facts += told
    facts += talk.finish()
    for side in (C2S, S2C):
        framed = [f.size + 2 for f in facts if isinstance(f, Frame) and f.side == side]
        assert sum(framed) <= sizes[side]
