"""A capture as it may leave: the connections that are needed, packet by packet, and nothing else.

Each packet is made anew from what TCP over IP says of it, behind an Ethernet header of zeros; its
payload comes from a stream without secrets (`stream`). Any other packet leaves its time only, so
that every packet keeps its number. So do those of HTTP/2: a head cannot be written anew alone.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO, NamedTuple

from wsdiag import redact
from wsdiag.bundle.stream import Talk, Taped, place
from wsdiag.capture.conversation import Conversation
from wsdiag.capture.http.http1 import Request
from wsdiag.capture.multiplexed import Fact
from wsdiag.capture.packets.numbers import ETHERNET, TCP
from wsdiag.capture.packets.records import (
    ENHANCED,
    INTERFACE,
    SECTION,
    Notes,
    kind,
    records,
)
from wsdiag.capture.packets.segments import FIN, RST, SYN, Endpoint, Segment, segment_of
from wsdiag.capture.tcp.streams import Connection, TcpFact, What, connection, over, take
from wsdiag.capture.websocket.payload import is_engine_io
from wsdiag.redact import Redactor

_MAGIC, _SNAPLEN = 0xA1B2C3D4, 262_144
_IP4, _IP6 = 0x0800, 0x86DD
_NOTHING = bytes(12) + b"\x88\xb5"
"""An Ethernet header of a type that is kept for experiments: a packet of which nothing is left."""

_Name = tuple[frozenset[Endpoint], int]

Put = Callable[[int, bytes, int], None]


class _Spot(NamedTuple):
    """A packet's payload: the connection that sent it, the side, and the offset.

    Where keys opened what was in TLS, `size` is what of that came with the packet, and `is_over`
    says that its side is done.
    """

    story: _Story
    side: int
    at: int
    size: int | None = None
    is_over: bool = False


def write(
    source: Path, target: Path, conns: Collection[str], opened: Sequence[TcpFact] = ()
) -> None:
    """Copy the connections that events name so, and those in TLS.

    `opened` is what keys found in TLS: it is handed on in clear, for the keys are not.
    """
    spots = _Reading(conns, opened).read(source)
    with source.open("rb") as packets, target.open("wb") as out:
        put = _writer(out, kind(packets.read(12)) or "pcap")
        packets.seek(0)
        notes = Notes()
        for record in records(packets, notes):
            spot = spots.get(record.pos)
            segment = segment_of(record, notes)
            if spot is None or segment is None:
                put(record.ts, _NOTHING, len(_NOTHING))
            else:
                put(record.ts, *_packet(spot.story.in_clear(segment, spot), spot))


class _Story:
    """One connection, read to be written again."""

    def __init__(self, conn: Connection, redactor: Redactor) -> None:
        self.conn = conn
        self.talk = Talk(redactor)
        self._conversation: Conversation | None = None
        self._at = [0, 0]
        self.places: list[tuple[int, int]] = []  # number and side of each packet
        self.is_opened = False
        self._over = [False, False]

    def take(self, fact: TcpFact) -> None:
        """Something happened on the connection."""
        if fact.what not in (What.DATA, What.LOST):
            return
        if self._conversation is None:
            client = 0 if self.conn.handshake_seen else None
            self._conversation = Conversation(client, self.talk.reader)
        said, side = self._conversation, fact.side
        begin, self._at[side] = self._at[side], self._at[side] + fact.size
        where = place(fact.pos, self._at[side])
        if fact.what is What.DATA:
            if said.readers[side] is None:
                self.talk.streams[side].hear(begin, fact.data)
            facts = said.feed(side, fact.data, where, fact.ts)
        else:
            facts = said.lose(side, fact.size, where, fact.ts)
        self._look(facts)
        if said.http2 is not None or (said.is_other and not said.is_tls):
            self.conn.ignore()

    def reveal(self, facts: Sequence[TcpFact]) -> dict[int, _Spot]:
        """Take what was in TLS instead of what was sent; where each packet stands in that."""
        self.is_opened, self.talk, self._conversation = True, Talk(self.talk.redactor), None
        self._at = [0, 0]
        sizes, over = Counter[int](), set[int]()
        for fact in facts:
            self.take(fact)
            sizes[fact.pos] += fact.size
            if fact.what is What.EOF:
                over.add(fact.pos)
        spots, at = dict[int, _Spot](), [0, 0]
        for pos, side in self.places:
            spots[pos] = _Spot(self, side, at[side], sizes[pos], pos in over)
            at[side] += sizes[pos]
        return spots

    def in_clear(self, segment: Segment, spot: _Spot) -> Segment:
        """A segment as if it had been sent without TLS. A side that is done sends a FIN."""
        if not self.is_opened or segment.flags & (SYN | RST):
            return segment
        start, size = self.conn.flows[spot.side].start or 0, spot.size or 0
        ends = spot.is_over or (bool(segment.flags & FIN) and not self._over[spot.side])
        self._over[spot.side] = self._over[spot.side] or ends
        return segment._replace(
            seq=(start + spot.at) & 0xFFFF_FFFF,
            flags=(segment.flags & ~FIN) | (FIN if ends else 0),
            payload=bytes(size),
            size=size,
        )

    def _look(self, facts: Sequence[Fact]) -> None:
        for reader in self._conversation.readers if self._conversation else ():
            if isinstance(reader, Taped):
                reader.accept()
        for fact in facts:
            if isinstance(fact, Request):
                self.talk.engine_io = is_engine_io(fact.target)

    def offset(self, side: int, segment: Segment) -> int:
        """Where a segment's bytes stand among those of its side."""
        flow = self.conn.flows[side]
        if flow.start is None:
            return 0
        return flow.place(segment.seq + bool(segment.flags & SYN)) - flow.start

    @property
    def is_tls(self) -> bool:
        """Whether it is encrypted."""
        return self._conversation is not None and self._conversation.is_tls

    @property
    def names(self) -> Iterator[str]:
        """How events may name it: whoever is the client."""
        ends = [f"{redact.address(end.host)}:{end.port}" for end in self.conn.ends]
        number = f"#{self.conn.ordinal}" if self.conn.ordinal > 1 else ""
        yield from ("-".join(pair) + number for pair in (ends, ends[::-1]))

    def finish(self) -> None:
        """Nothing more comes."""
        if self._conversation is not None:
            self._look(self._conversation.finish())
        self.talk.finish(encrypted=self.is_tls)


class _Reading:
    def __init__(self, conns: Collection[str], opened: Sequence[TcpFact]) -> None:
        self._conns = conns
        self._opened = defaultdict[_Name, list[TcpFact]](list)
        for fact in opened:
            self._opened[_name(fact.conn)].append(fact)
        self._redactor = Redactor(rereadable=True)
        self._stories: dict[frozenset[Endpoint], _Story] = {}
        self._spots: dict[int, _Spot] = {}
        self._left_out: set[_Story] = set()

    def read(self, source: Path) -> dict[int, _Spot]:
        """By its number, each packet of which something is left."""
        notes = Notes()
        with source.open("rb") as packets:
            for record in records(packets, notes):
                segment = segment_of(record, notes)
                if segment is not None:
                    self._take(segment)
        for story in self._stories.values():
            self._over(story)
        return {pos: spot for pos, spot in self._spots.items() if spot.story not in self._left_out}

    def _take(self, segment: Segment) -> None:
        ends = frozenset((segment.src, segment.dst))
        story = self._stories.get(ends)
        conn = connection(story.conn if story else None, segment)
        if story is None or conn is not story.conn:
            if story is not None:
                self._over(story)
            story = self._stories[ends] = _Story(conn, self._redactor)
        for fact in take(conn, segment):
            story.take(fact)
        side = int(segment.src != conn.ends[0])
        self._spots[segment.pos] = _Spot(story, side, story.offset(side, segment))
        if self._opened:
            story.places.append((segment.pos, side))

    def _over(self, story: _Story) -> None:
        for fact in over(story.conn):
            story.take(fact)
        if facts := self._opened.get(_name(story.conn)):
            self._spots |= story.reveal(facts)
        story.finish()
        if not (story.is_tls or any(name in self._conns for name in story.names)):
            self._left_out.add(story)


def _name(conn: Connection) -> _Name:
    """A connection, the same in every reading of a capture."""
    return frozenset(conn.ends), conn.ordinal


def _packet(segment: Segment, spot: _Spot) -> tuple[bytes, int]:
    """A packet made anew, and its size on the wire."""
    payload = spot.story.talk.streams[spot.side].read(spot.at, len(segment.payload))
    src, dst = (ip_address(redact.stand_in(end.host)) for end in (segment.src, segment.dst))
    tcp = struct.pack(
        ">HHIIBBHHH",
        *(segment.src.port, segment.dst.port, segment.seq, segment.ack),
        *(5 << 4, segment.flags, segment.window, 0, 0),
    )
    sent = len(tcp) + segment.size
    if src.version == 4:
        total = sent + 20 if sent + 20 < 1 << 16 else 0  # 0: too long, as before segmentation
        head = struct.pack(">BBHHHBBH", 0x45, 0, total, segment.ident, 0, 64, TCP, 0)
    else:
        head = struct.pack(">IHBB", 6 << 28, sent if sent < 1 << 16 else 0, TCP, 64)
    kind_of_ip = struct.pack(">H", _IP4 if src.version == 4 else _IP6)
    front = bytes(12) + kind_of_ip + head + src.packed + dst.packed + tcp
    return front + payload, len(front) + segment.size


def _writer(out: BinaryIO, form: str) -> Put:
    """What writes packets into a new file of this kind: time (µs), bytes, size on the wire."""
    if form == "pcapng":
        out.write(_block(int.from_bytes(SECTION), struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        out.write(_block(INTERFACE, struct.pack("<HHI", ETHERNET, 0, 0)))

        def put(ts: int, data: bytes, size: int) -> None:
            head = struct.pack("<IIIII", 0, ts >> 32, ts & 0xFFFFFFFF, len(data), size)
            out.write(_block(ENHANCED, head + data))
    else:
        out.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAPLEN, ETHERNET))

        def put(ts: int, data: bytes, size: int) -> None:
            out.write(struct.pack("<IIII", *divmod(ts, 1_000_000), len(data), size) + data)

    return lambda ts, data, size: put(max(ts, 0), data, size)


def _block(number: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", number) + length + body + length
