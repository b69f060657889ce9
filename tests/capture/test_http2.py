"""WebSockets over HTTP/2: each on a stream of its own, however the bytes come."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

import craft
import craft_http2 as made
import oracle
import pytest
from craft import C2S, S2C, Wire
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.capture.conversation import Conversation
from wsdiag.capture.http.http1 import Request, Response
from wsdiag.capture.http.http2 import MAX_HEAD, Ended
from wsdiag.capture.multiplexed import OfStream, Said
from wsdiag.capture.websocket.protocol import Frame

Bytes = Iterable[tuple[int, bytes]]

OK, FORBIDDEN = (":status", "200"), (":status", "403")


def told(sent: Bytes, *, finish: bool = True) -> list[tuple[int, str]]:
    """What is said on each stream, in words."""
    talk, facts = Conversation(C2S), []
    for pos, (side, data) in enumerate(sent, 1):
        facts += talk.feed(side, data, pos, pos * 1000)
    facts += talk.finish() if finish else []
    assert all(isinstance(fact, OfStream) for fact in facts)
    return [(number, words) for number, fact in facts if (words := _words(fact))]


def _words(fact: Said | Ended) -> str:
    if isinstance(fact, Request):
        return f"{fact.method} {fact.target} {fact.is_upgrade}"
    if isinstance(fact, Response):
        return f"{fact.status} {fact.explanation()}".strip()
    if isinstance(fact, Ended):
        how = None if fact.code is None else fact.error
        return f"{'server' if fact.side else 'client'} ends {how}"
    return f"{fact.opcode} {fact.payload.decode('latin-1')}" if isinstance(fact, Frame) else ""


def opened(*streams: int) -> list[tuple[int, bytes]]:
    """WebSockets, opened."""
    client, server = made.Side(), made.Side()
    sent = [(C2S, made.GREETING), (S2C, made.settings())]
    for stream in streams:
        sent.append((C2S, client.head(*made.ASKING, stream=stream)))
        sent.append((S2C, server.head(OK, ("sec-websocket-protocol", "v1"), stream=stream)))
    return sent


ASKED = "CONNECT /ws?token=abc True"
PING, PONG = craft.frame(9, b"p", side=C2S), craft.frame(10, b"p")
SAID = [
    *opened(1, 3),
    (C2S, made.data(PING, stream=3)),
    (S2C, made.data(PONG, stream=3)),
    (S2C, made.data(craft.close(4401, "gone"), stream=1, last=True)),
    (C2S, made.data(craft.close(4401, side=C2S), stream=1, last=True)),
    (C2S, made.data(craft.close(1000, side=C2S), stream=3)),
]
HEARD = [
    (1, [ASKED, "200", "8 \x11\x31gone", "server ends None", "8 \x11\x31", "client ends None"]),
    (3, [ASKED, "200", "9 p", "10 p", "8 \x03\xe8"]),
]


def by_stream(facts: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    numbers = sorted({number for number, _ in facts})
    return [(number, [words for of, words in facts if of == number]) for number in numbers]


def test_each_stream_is_a_conversation() -> None:
    assert by_stream(told(SAID)) == HEARD


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_however_the_bytes_come(sizes: list[int]) -> None:
    """Cut anywhere, also within heads, frames of HTTP/2 and frames of WebSockets."""
    cut = list[tuple[int, bytes]]()
    for side, data in SAID:
        begin = len(made.PREFACE) if data.startswith(made.PREFACE) else 0
        cut += [(side, data[:begin])] if begin else []
        for size in sizes:
            cut += [(side, data[begin : begin + size])] if data[begin : begin + size] else []
            begin += size
        cut += [(side, data[begin:])] if data[begin:] else []
    assert by_stream(told(cut)) == HEARD


def test_frames_of_a_websocket_are_told_when_their_bytes_come() -> None:
    """Two in one frame of HTTP/2 that comes in two packets."""
    both = made.data(craft.frame(1, b"one") + craft.frame(1, b"two"))
    sent = [*opened(1), (S2C, both[:16]), (S2C, both[16:])]
    talk = Conversation(C2S)
    facts = [
        fact.fact
        for pos, (side, data) in enumerate(sent, 1)
        for fact in talk.feed(side, data, pos, 0)
        if isinstance(fact, OfStream)
    ]
    assert [(it.pos, it.payload) for it in facts if isinstance(it, Frame)] == [
        (len(sent) - 1, b"one"),
        (len(sent), b"two"),
    ]


def test_padding_priority_and_a_head_in_pieces() -> None:
    client, server = made.Side(), made.Side()
    fields = client.fields(made.ASKING)
    first = b"\3" + bytes(5) + fields[:7] + bytes(3)
    flags = made.PADDED | made.WITH_PRIORITY
    pinged = made.frame(made.DATA, b"\2" + PING + bytes(2), flags=made.PADDED | made.LAST)
    sent = [
        (C2S, made.GREETING),
        (S2C, made.settings()),
        (C2S, made.frame(made.HEADERS, first, flags=flags)),
        (C2S, made.frame(made.CONTINUATION, fields[7:20])),
        (C2S, made.frame(made.CONTINUATION, fields[20:], flags=made.HEAD_ENDS)),
        (S2C, server.head(OK)),
        (C2S, pinged),
    ]
    assert told(sent) == [(1, ASKED), (1, "200"), (1, "9 p"), (1, "client ends None")]


def test_heads_of_others_are_read_and_not_told() -> None:
    """A later head refers to them: fetches, a promise, and what comes before an answer."""
    client, server = made.Side(), made.Side()
    get = ((":method", "GET"), (":path", "/x"), (":authority", "example.test"), ("a", "b" * 30))
    promise = (2).to_bytes(4) + server.fields(get)
    sent = [
        (C2S, made.GREETING),
        (S2C, made.settings()),
        (C2S, client.head(*get, stream=1, last=True)),
        (S2C, made.frame(made.PROMISE, promise, flags=made.HEAD_ENDS)),
        (S2C, server.head(OK, ("a", "b" * 30), stream=1)),
        (S2C, made.data(PONG, stream=1, last=True)),
        (C2S, client.head(*made.ASKING, ("a", "b" * 30), stream=3)),
        (S2C, server.head((":status", "103"), ("a", "b" * 30), stream=3)),
        (S2C, server.head(OK, ("a", "b" * 30), stream=3)),
        (S2C, made.frame(made.PING, bytes(8), stream=0)),
        (S2C, made.frame(made.WINDOW, bytes(4), stream=3)),
        (S2C, made.data(PONG, stream=3)),
    ]
    assert told(sent) == [(3, ASKED), (3, "200"), (3, "10 p")]


def test_a_refusal_comes_with_its_body() -> None:
    client, server = made.Side(), made.Side()
    asked = [
        (C2S, made.GREETING),
        (S2C, made.settings()),
        (C2S, client.head(*made.ASKING)),
        (S2C, server.head(FORBIDDEN)),
    ]
    body = (S2C, made.data(b"token ") + made.data(b"expired", last=True))
    no_error = (S2C, made.frame(made.RESET, bytes(4)))
    refused = [(1, ASKED), (1, "403 token expired"), (1, "server ends None")]
    assert told([*asked, body, no_error]) == [*refused, (1, "server ends NO_ERROR")]
    assert told(asked) == [(1, ASKED), (1, "403")]
    assert told(asked, finish=False) == [(1, ASKED)]


def test_a_refusal_whose_head_comes_in_pieces() -> None:
    """It ends with its head, not with the first frame of that."""
    client, server = made.Side(), made.Side()
    fields = server.fields([FORBIDDEN, ("x-why", "expired")])
    sent = [
        (C2S, made.GREETING),
        (S2C, made.settings()),
        (C2S, client.head(*made.ASKING)),
        (S2C, made.frame(made.HEADERS, fields[:3], flags=made.LAST)),
        (S2C, made.frame(made.CONTINUATION, fields[3:], flags=made.HEAD_ENDS)),
    ]
    assert told(sent[:4]) == [(1, ASKED)]
    assert told(sent) == [(1, ASKED), (1, "403"), (1, "server ends None")]


def test_a_reset_ends_a_stream_for_both() -> None:
    cancel, odd = (made.frame(made.RESET, code.to_bytes(4)) for code in (8, 99))
    sent = [*opened(1), (C2S, cancel), (S2C, made.data(PONG)), (S2C, cancel)]
    assert told(sent) == [(1, ASKED), (1, "200"), (1, "client ends CANCEL")]
    assert told([*opened(1), (S2C, odd)])[-1] == (1, "server ends 99")


@pytest.mark.parametrize("offer", [b"", b"\0\x08\0\0\0\0", b"\0\3\0\0\0\1"])
def test_a_server_that_offers_none_is_not_read_on(offer: bytes) -> None:
    """A client must not ask it (RFC 8441 section 3)."""
    talk = Conversation(C2S)
    talk.feed(C2S, made.GREETING, 1, 0)
    talk.feed(S2C, made.settings(offer), 2, 0)
    assert talk.is_other
    assert talk.http2 is not None
    assert not talk.http2.may_carry


@pytest.mark.parametrize(
    "broken",
    [
        made.frame(made.HEADERS, b"\xff\xff\xff\xff\xff\xff\xff\xff", flags=made.HEAD_ENDS),
        made.frame(made.HEADERS, b"\x3f" + b"\xff" * 200, flags=made.HEAD_ENDS),
        made.frame(made.CONTINUATION, b"\x88", flags=made.HEAD_ENDS),
        made.frame(made.DATA, b"\xff", flags=made.PADDED),
        made.frame(made.DATA, b"", flags=made.PADDED),
        (MAX_HEAD + 1).to_bytes(3) + b"\1\4\0\0\0\1",
        made.frame(made.HEADERS, bytes(MAX_HEAD // 2)) * 1
        + made.frame(made.CONTINUATION, bytes(MAX_HEAD // 2 + 1)),
    ],
)
def test_what_is_broken_ends_the_reading(broken: bytes) -> None:
    talk = Conversation(C2S)
    for side, data in (*opened(1), (C2S, broken)):
        talk.feed(side, data, 1, 0)
    assert talk.is_other


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([C2S, S2C]), st.binary(min_size=1, max_size=80))))
def test_junk_makes_no_stream(junk: list[tuple[int, bytes]]) -> None:
    """Nor a crash: what it tells is of the one that asked."""
    assert {stream for stream, _ in told([*opened(1), *junk])} == {1}


# -- as rows ---------------------------------------------------------------------------------------


def read(wire: Wire) -> oracle.Told:
    """A capture, read in one way however it is read."""
    data = craft.pcap(wire.packets)
    slow = oracle.read(BytesIO(data), "wire.pcap")
    for size in (200, 1 << 20):
        fast = oracle.in_batches(data, size)
        assert fast.events.equals(slow.events)
        assert fast[1:] == slow[1:]
    return slow


def begun(sent: Bytes) -> Wire:
    wire = Wire()
    wire.syn()
    wire.packet(S2C, craft.SYN | craft.ACK, at=0)
    wire.packet(C2S)
    for side, data in sent:
        wire.send(side, data)
    return wire


def test_each_websocket_is_a_connection() -> None:
    wire = begun(SAID)
    wire.packet(S2C, craft.RST | craft.ACK)
    events = read(wire).events
    told = [
        (conn.rpartition("/")[2], str(kind), way, code)
        for conn, kind, way, code in events.select("conn", "kind", "dir", "code").iter_rows()
    ]
    of_one, of_three = ([row[1:] for row in told if row[0] == stream] for stream in "13")
    assert of_one == [
        ("attempt", None, None),
        ("open", "s2c", 200),
        ("close", "s2c", 4401),
        ("end", "s2c", None),
        ("close", "c2s", 4401),
        ("end", "c2s", None),
    ]
    assert of_three == [
        ("attempt", None, None),
        ("open", "s2c", 200),
        ("ping", "c2s", None),
        ("pong", "s2c", None),
        ("close", "c2s", 1000),
        ("end", "s2c", None),
    ]
    assert events["name"].drop_nulls().unique().to_list() == ["/ws"]
    assert events.filter(kind="end")["reason"].to_list() == ["fin", "fin", "rst"]
    assert events["token"].drop_nulls().n_unique() == 1
    assert set(events["peer"].drop_nulls()) == {"10.0.0.1:40000"}


@pytest.mark.parametrize(
    ("side", "code", "told"),
    [(S2C, 13, ["RST_STREAM HTTP_1_1_REQUIRED", "rst"]), (C2S, 8, ["rst"]), (S2C, 0, ["fin"])],
)
def test_a_reset_before_the_answer(side: int, code: int, told: list[str]) -> None:
    """By the server with an error it is a refusal."""
    client = made.Side()
    asked = [(C2S, made.GREETING), (S2C, made.settings()), (C2S, client.head(*made.ASKING))]
    events = read(begun([*asked, (side, made.frame(made.RESET, code.to_bytes(4)))])).events
    assert events["reason"].drop_nulls().to_list() == told
    assert len(events.filter(kind="rejected")) == len(told) - 1


def test_behind_a_gap_nothing_is_guessed() -> None:
    wire = begun(opened(1))
    wire.sent[C2S] += 5
    wire.send(C2S, made.data(PING))
    wire.send(C2S, made.data(PING))
    for _ in range(5):
        wire.send(S2C, made.data(PONG))
    wire.packet(S2C, craft.FIN | craft.ACK)
    slow = read(wire)
    kinds = ["attempt", "open", *5 * ["pong"], "end"]
    assert slow.events["kind"].cast(str).to_list() == kinds
    assert [remark for remark in slow.remarks if "over HTTP/2" in remark]


def test_what_asks_for_no_websocket_gives_no_row() -> None:
    client, server = made.Side(), made.Side()
    get = ((":method", "GET"), (":path", "/x"), (":authority", "example.test"))
    sent = [
        (C2S, made.GREETING),
        (S2C, made.settings()),
        (C2S, client.head(*get, last=True)),
        (S2C, server.head(OK, last=True)),
    ]
    slow = read(begun(sent))
    assert slow.events.is_empty()
    assert not slow.remarks
