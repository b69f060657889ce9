"""Frames and messages, kept and broken rules (RFC 6455, RFC 7692)."""

from __future__ import annotations

import zlib

import pytest
from craft import C2S, S2C, close, frame
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.capture.websocket.deflate import KEPT_BYTES, Deflate, negotiated
from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.capture.websocket.protocol import Frame, Message


def feed(
    *parts: bytes, side: int = S2C, deflate: Deflate | None = None
) -> tuple[list[Frame], list[Message]]:
    reader = Reader(side, side == C2S, deflate)
    found = [one for pos, part in enumerate(parts, 1) for one in reader.feed(part, pos, pos * 10)]
    return (
        [one for one in found if isinstance(one, Frame)],
        [one for one in found if isinstance(one, Message)],
    )


@pytest.mark.parametrize("side", [C2S, S2C])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_lengths_and_masking(side: int, size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    frames, messages = feed(frame(2, data, side=side), side=side)
    assert [(f.opcode, f.fin, f.masked, f.size) for f in frames] == [(2, True, side == C2S, size)]
    assert frames[0].violations == ()
    assert [(m.opcode, m.size) for m in messages] == [(2, size)]


def test_text_is_unmasked() -> None:
    _, messages = feed(frame(1, "größe".encode(), side=C2S), side=C2S)
    assert messages[0].payload == "größe".encode()


def test_a_frame_stands_where_it_was_completed() -> None:
    data = frame(1, b"x" * 300) + frame(9, b"p")
    frames, _ = feed(data[:1], data[1:3], data[3:200], data[200:])
    assert [(f.opcode, f.pos, f.ts) for f in frames] == [(1, 4, 40), (9, 4, 40)]


def test_fragments_with_a_control_frame_between() -> None:
    parts = [
        frame(1, b"one ", fin=False),
        frame(9, b"ping"),
        frame(0, b"two ", fin=False),
        frame(0, b"three"),
    ]
    frames, messages = feed(*parts)
    assert [f.opcode for f in frames] == [1, 9, 0, 0]
    assert all(f.violations == () for f in frames)
    assert [(m.pos, m.size, m.payload) for m in messages] == [(4, 13, b"one two three")]


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (close(4401, "token expired"), 4401, "token expired"),
        (close(1000), 1000, ""),
        (frame(8), 1005, ""),
        (frame(8, b"\x03"), None, ""),
    ],
)
def test_close(data: bytes, code: int | None, reason: str) -> None:
    frames, _ = feed(data)
    assert (frames[0].code, frames[0].reason) == (code, reason)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (frame(3, b"x"), "reserved opcode 3"),
        (frame(11), "reserved opcode 11"),
        (frame(1, b"x", masked=True), "frame from the server is masked"),
        (frame(1, b"x", rsv=4), "reserved bits set without a negotiated extension"),
        (frame(1, b"x", rsv=1), "reserved bits set that no extension uses"),
        (frame(9, b"x" * 126), "control frame longer than 125 bytes"),
        (frame(9, b"x", fin=False), "control frame is fragmented"),
        (frame(8, b"\x03"), "close frame with a payload of 1 byte"),
        (frame(8, b"\x03\xe8\xff"), "close reason is not UTF-8"),
        (close(1006), "close code 1006 must not be sent"),
        (close(999), "close code 999 must not be sent"),
        (frame(0, b"x"), "continuation frame without a message to continue"),
        (b"\x82\x7e\x00\x03abc", "length not encoded in the fewest bytes"),
    ],
)
def test_a_broken_rule_is_told_and_reading_goes_on(data: bytes, rule: str) -> None:
    frames, messages = feed(data + frame(1, b"next"))
    assert frames[0].violations == (rule,)
    assert frames[1].violations == ()
    assert messages[-1].payload == b"next"


def test_a_client_has_to_mask() -> None:
    frames, _ = feed(frame(1, b"x", masked=False), side=C2S)
    assert frames[0].violations == ("frame from the client is not masked",)


def test_a_message_within_a_fragmented_one() -> None:
    frames, messages = feed(frame(1, b"never ended", fin=False), frame(1, b"new"))
    assert frames[1].violations == ("new message before the fragmented one was finished",)
    assert [m.payload for m in messages] == [b"new"]


def test_text_that_is_not_utf_8() -> None:
    _, messages = feed(frame(1, b"\xff\xfe"), frame(2, b"\xff\xfe"))
    assert [m.violations for m in messages] == [("text message is not UTF-8",), ()]


def test_an_impossible_length_ends_the_reading() -> None:
    reader = Reader(S2C, from_client=False)
    assert reader.feed(b"\x82\x7f" + b"\xff" * 8 + frame(1, b"x"), 1, 1) == []
    assert reader.broken


def test_bytes_lost_within_a_payload_do_not_hide_what_follows() -> None:
    reader = Reader(S2C, from_client=False)
    data = frame(1, b"x" * 1000)
    assert reader.feed(data[:100], 1, 1) == []
    assert reader.lose(800, 2, 2) == []
    found = reader.feed(data[900:] + close(1000), 3, 3)
    assert [(f.opcode, f.size, f.payload) for f in found if isinstance(f, Frame)] == [
        (1, 1000, None),
        (8, 2, b"\x03\xe8"),
    ]
    assert not reader.broken


def test_a_frame_is_complete_when_the_rest_of_it_is_lost() -> None:
    reader = Reader(S2C, from_client=False)
    reader.feed(frame(2, b"x" * 10)[:5], 1, 1)
    found = reader.lose(7, 2, 2)
    assert [f.size for f in found if isinstance(f, Frame)] == [10]


@pytest.mark.parametrize("before", [b"", b"\x82", frame(2, b"12345")[:4]])
def test_after_a_lost_frame_boundary_nothing_is_guessed(before: bytes) -> None:
    reader = Reader(S2C, from_client=False)
    reader.feed(before, 1, 1)
    assert reader.lose(50, 2, 2) == []
    assert reader.broken
    assert reader.feed(frame(1, b"looks right"), 3, 3) == []


def packed(text: bytes, compressor: zlib._Compress) -> bytes:
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def compressor() -> zlib._Compress:
    return zlib.compressobj(wbits=-15)


@pytest.mark.parametrize("takeover", [True, False])
def test_inflate(takeover: bool) -> None:
    shared = compressor()
    texts = [b'{"type":"tick","id":%d}' % i for i in range(3)]
    parts = [frame(1, packed(text, shared if takeover else compressor()), rsv=4) for text in texts]
    frames, messages = feed(*parts, deflate=Deflate(takeover))
    assert [m.payload for m in messages] == texts
    assert [m.size for m in messages] == [f.size for f in frames]
    assert all(f.violations == () for f in frames)


def test_a_packed_message_in_fragments_and_a_plain_one_between() -> None:
    shared = compressor()
    data = packed(b"first message", shared)
    parts = [
        frame(1, data[:5], fin=False, rsv=4),
        frame(0, data[5:]),
        frame(1, b"plain"),
        frame(1, packed(b"first message", shared), rsv=4),
    ]
    _, messages = feed(*parts, deflate=Deflate())
    assert [m.payload for m in messages] == [b"first message", b"plain", b"first message"]


def test_a_bomb_is_not_inflated_and_harms_nothing() -> None:
    bomb = packed(bytes(50_000_000), compressor())
    assert len(bomb) < KEPT_BYTES
    parts = [frame(1, bomb, rsv=4), frame(1, packed(b"next", compressor()), rsv=4)]
    _, messages = feed(*parts, deflate=Deflate(takeover=False))
    assert [m.payload for m in messages] == [None, b"next"]
    _, messages = feed(*parts, deflate=Deflate(takeover=True))
    assert [m.payload for m in messages] == [None, None]


def test_what_cannot_be_inflated_is_harmless() -> None:
    frames, messages = feed(frame(1, b"\xff\xff\xff\xff", rsv=4), deflate=Deflate())
    assert (frames[0].violations, messages[0].payload) == ((), None)


def test_negotiated_parameters() -> None:
    answer = "permessage-deflate; server_no_context_takeover; client_max_window_bits=12"
    assert negotiated(answer, from_client=True) == Deflate(takeover=True)
    assert negotiated(answer, from_client=False) == Deflate(takeover=False)
    assert negotiated("", from_client=True) is None


MESSAGES = st.tuples(st.sampled_from([1, 2, 8, 9, 10]), st.binary(max_size=200), st.integers(1, 4))


@given(st.lists(MESSAGES, max_size=12), st.lists(st.integers(1, 60)), st.sampled_from([C2S, S2C]))
@settings(max_examples=150, deadline=None)
def test_any_segmentation_gives_the_same_frames(
    said: list[tuple[int, bytes, int]], cuts: list[int], side: int
) -> None:
    data, expected = b"", []
    for opcode, payload, fragments in said:
        if opcode >= 8:
            payload, fragments = payload[:125], 1
        for i in range(fragments):
            part = payload[i * 50 :] if i == fragments - 1 else payload[i * 50 : i * 50 + 50]
            code, fin = (opcode if i == 0 else 0), i == fragments - 1
            data += frame(code, part, side=side, fin=fin)
            expected.append((code, fin, part))
    parts, at = [], 0
    for cut in [*cuts, len(data)]:
        parts.append(data[at : at + cut])
        at += cut
    frames, messages = feed(*parts, side=side)
    shown = [(f.opcode, f.fin, f.size) for f in frames]
    assert shown == [(code, fin, len(part)) for code, fin, part in expected]
    for one, (code, _, part) in zip(frames, expected, strict=True):
        assert one.payload in ((part,) if code not in (0, 2) else (part, None))
    assert len(messages) == sum(opcode < 8 for opcode, _, _ in said)


@given(st.lists(st.binary(max_size=60), max_size=10), st.booleans())
@settings(max_examples=300)
def test_random_bytes_are_the_same_frames_in_one_piece(
    parts: list[bytes], packed_too: bool
) -> None:
    whole = b"".join(parts)
    for side, deflate in ((S2C, Deflate() if packed_too else None), (C2S, None)):
        read = [
            [
                [one._replace(pos=0, ts=0) for one in found]
                for found in feed(*of, side=side, deflate=deflate)
            ]
            for of in (parts, [whole])
        ]
        assert read[0] == read[1]
        assert sum(one.size + 2 for one in read[0][0]) <= len(whole)
