"""Rows of many connections at once, of which only frames are left to be read.

Whatever is not plain is told one by one in `frames.py`: fragmented messages, heartbeats of the
application, Close frames, and for the batch all of a connection that lost bytes or breaks a rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter

import numpy as np

from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.packets.headers import Traffic
from wsdiag.capture.tcp.order import Ordered, order
from wsdiag.capture.tcp.streams import TcpFact, What
from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.capture.websocket.framing import Stream, frames
from wsdiag.capture.websocket.messages import assemble, lawless, take_apart
from wsdiag.capture.websocket.protocol import TEXT, Frame, Message
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.frame_rows import heartbeats
from wsdiag.sources.wire.story import ENDS, Story
from wsdiag.sources.wire.texts import Messages, Told


def read_together(
    stories: Sequence[Story], traffic: Traffic, index: Ints, lane: Ints, book: Book
) -> None:
    """Read the segments `index`, sorted by lane: `2 * number of the story + side`."""
    ordered = order(traffic, [story.conn for story in stories], index, lane)
    readers = [reader for story in stories for reader in story.readers or ()]
    stream = Stream(ordered.chunks, ordered.data)
    framed = frames(stream, readers.__getitem__)
    parts = take_apart(framed.frames, stream)
    odd = {number for number, _, fact in ordered.facts if fact.what is What.LOST}
    odd.update(_beyond_end(stories, ordered))
    odd |= {lane >> 1 for lane in lawless(parts, framed.frames.head & 0x7F, readers)}
    told: list[Told] = [
        (number, turn, partial(stories[number].take, brought=partial(ordered.sent, turn)), fact)
        for number, turn, fact in ordered.facts
    ]
    told += _odd_bytes(stories, odd, ordered, stream)
    if odd:
        plain = ~np.isin(parts.lane >> 1, list(odd))
        parts = parts.of(plain)
    for of, end in framed.begun.items():
        if of >> 1 not in odd:
            story, (begin, _) = stories[of >> 1], stream.lane(of)
            told += [
                (of >> 1, turn, partial(story.tell, brought=partial(ordered.sent, turn)), facts)
                for turn, facts in _feed(readers[of], stream, begin, end)
            ]
    for of in framed.headed:
        if of >> 1 not in odd:
            readers[of].buffer = b""
    assembled = assemble(parts, stream, readers)
    for of, begin in framed.rest.items():
        if of >> 1 not in odd:
            for _ in _feed(readers[of], stream, begin, stream.lane(of)[1]):
                pass
    told += _each(stories, ordered, assembled.several)
    beats = {number for number, _, _, what in told if isinstance(what, list)}
    messages = Messages(stories, parts, assembled)
    told += [*messages.told(), *messages.without_ids(_talking(stories, told))]
    beats |= messages.beating
    quiet = assembled.control.quiet(beats)
    told += _each(stories, ordered, assembled.control.some(~quiet).each(readers))
    many = messages.rows(book), heartbeats(stories, assembled.control.some(quiet))
    for _, turn, tell, what in sorted(told, key=itemgetter(0, 1)):
        book.turn = turn
        tell(what)
    book.add_many(*many)


def _beyond_end(stories: Sequence[Story], ordered: Ordered) -> Iterator[int]:
    """The stories of which bytes come behind the ends of both sides."""
    ends = defaultdict[int, dict[int, int]](dict)  # by story and side, the turn
    for number, turn, fact in ordered.facts:
        if fact.what in ENDS:
            ends[number][fact.side] = turn
    for number, of in ends.items():
        begin, stop = np.searchsorted(ordered.chunks.lane, (2 * number, 2 * number + 2))
        late = ordered.chunks.turn[begin:stop] > max(of.values())
        if stories[number].is_done_by(of) and late.any():
            yield number


def _odd_bytes(
    stories: Sequence[Story], odd: set[int], ordered: Ordered, stream: Stream
) -> Iterator[Told]:
    """The bytes in order of the stories that are not plain."""
    chunks = ordered.chunks
    for row in np.flatnonzero(np.isin(chunks.lane >> 1, list(odd))).tolist():
        lane, turn, pos, ts, _, size = (int(column[row]) for column in chunks)
        story, side = stories[lane >> 1], lane & 1
        data = stream.bytes(stream.places[row], stream.places[row + 1])
        fact = TcpFact(What.DATA, story.conn, side, pos, ts, size, data)
        yield lane >> 1, turn, partial(story.take, brought=partial(ordered.sent, turn)), fact


def _feed(
    reader: Reader, stream: Stream, begin: int, end: int
) -> Iterator[tuple[int, list[Frame | Message]]]:
    """Give a reader the bytes of a frame that is not whole; what it finds, with its turn."""
    for piece, chunk in stream.pieces(begin, end):
        chunks = stream.chunks
        begin += len(piece)
        turn = int(chunks.turn[chunk]) + begin - stream.places[chunk]
        if facts := reader.feed(piece, int(chunks.pos[chunk]), int(chunks.ts[chunk])):
            yield turn, facts


def _each(
    stories: Sequence[Story], ordered: Ordered, facts: Iterable[tuple[int, int, Frame | Message]]
) -> Iterator[Told]:
    """Frames and messages with their lanes and turns, to be told one by one."""
    for lane, turn, fact in facts:
        tell = stories[lane >> 1].tell
        yield lane >> 1, turn, partial(tell, brought=partial(ordered.sent, turn)), [fact]


def _talking(stories: Sequence[Story], told: Iterable[Told]) -> set[int]:
    """The stories of which a text of the client is told by itself."""
    return {
        number
        for number, _, _, what in told
        if isinstance(what, list)
        for fact in what
        if isinstance(fact, Message)
        and fact.opcode == TEXT
        and fact.side == stories[number].page.client
    }
