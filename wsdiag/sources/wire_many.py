"""Rows of many connections at once, of which only frames are left to be read.

Whatever is not plain is told by wire_rows.py: control frames, fragmented messages, heartbeats, and
for the batch all of a connection that lost bytes or breaks a rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from itertools import compress
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl

from wsdiag.capture import texts
from wsdiag.capture.batch import Ints
from wsdiag.capture.framing import Stream, frames
from wsdiag.capture.headers import Traffic
from wsdiag.capture.messages import assemble, lawless, take_apart
from wsdiag.capture.order import Chunks, Ordered, order
from wsdiag.capture.streams import TcpFact, What
from wsdiag.capture.unmasking import Parts, Texts
from wsdiag.capture.websocket import NOT_UTF8, TEXT, Frame, Message, Reader
from wsdiag.event import EVENTS, Dir, Kind
from wsdiag.sources.wire_book import Book, moments
from wsdiag.sources.wire_rows import ENDS, Story

_MESSAGE = pl.Series([Kind.MESSAGE], dtype=EVENTS["kind"])
_DIRECTIONS = pl.Series([Dir.C2S, Dir.S2C], dtype=EVENTS["dir"])

Told = tuple[int, int, Callable[[Any], None], Any]
"""Something that happened: the story's number, the turn, who tells it, and what it is."""


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
        (number, turn, stories[number].take, fact) for number, turn, fact in ordered.facts
    ]
    told += _odd_bytes(stories, odd, ordered.chunks, stream)
    if odd:
        plain = ~np.isin(parts.lane >> 1, list(odd))
        parts = parts.of(plain)
    for of, end in framed.begun.items():
        if of >> 1 not in odd:
            story, (begin, _) = stories[of >> 1], stream.lane(of)
            told += [
                (of >> 1, turn, story.tell, facts)
                for turn, facts in _feed(readers[of], stream, begin, end)
            ]
    for of in framed.headed:
        if of >> 1 not in odd:
            readers[of].buffer = b""
    assembled = assemble(parts, stream, readers)
    told += [(of >> 1, turn, stories[of >> 1].tell, [fact]) for of, turn, fact in assembled.others]
    for of, begin in framed.rest.items():
        if of >> 1 not in odd:
            for _ in _feed(readers[of], stream, begin, stream.lane(of)[1]):
                pass
    alone = parts.of(assembled.row)
    several = {number for number, _, _, what in told if _has_message(what)}
    frame, more = _messages(stories, alone, assembled.text, assembled.texts, book, several)
    for _, turn, tell, what in sorted(told + more, key=itemgetter(0, 1)):
        book.turn = turn
        tell(what)
    book.add_many(frame)


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
    stories: Sequence[Story], odd: set[int], chunks: Chunks, stream: Stream
) -> Iterator[Told]:
    """The bytes in order of the stories that are not plain."""
    for row in np.flatnonzero(np.isin(chunks.lane >> 1, list(odd))).tolist():
        lane, turn, pos, ts, _, size = (int(column[row]) for column in chunks)
        story, side = stories[lane >> 1], lane & 1
        data = stream.bytes(stream.places[row], stream.places[row + 1])
        fact = TcpFact(What.DATA, story.conn, side, pos, ts, size, data)
        yield lane >> 1, turn, story.take, fact


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


def _messages(
    stories: Sequence[Story],
    parts: Parts,
    text: Ints,
    known: Texts,
    book: Book,
    several: set[int],
) -> tuple[pl.DataFrame, list[Told]]:
    """The rows of messages of one frame, and what of them is to be told one by one.

    `known` are the texts among them that could be read, of the rows `text`; `several` are the
    stories that have messages of several frames as well.
    """
    number = parts.lane >> 1
    engine_io = np.array([story.engine_io for story in stories], bool)[number[text]]
    said = texts.read(known.blocks(), engine_io)
    told = list[Told]()
    for at in said.broken:
        row = int(text[at])
        message = _message(parts, row, (NOT_UTF8,))
        told.append(
            (int(number[row]), int(parts.turn[row]), stories[number[row]].violations, message)
        )
    for at, beat in said.beats.items():
        row = int(text[at])
        tell = partial(stories[number[row]].beat, beat)
        told.append((int(number[row]), int(parts.turn[row]), tell, _message(parts, row)))
    line = np.full(number.size, -1)
    line[text] = np.arange(text.size)
    if book.notebook is not None and book.notebook.wants(book.source):
        _note(stories, parts, line, known, said.beats)
    told += _without_ids(stories, parts, text, known, said, several)
    plain = np.ones(number.size, bool)
    plain[text[list(said.beats)]] = False
    order = np.argsort(parts.turn, kind="stable")
    order = order[plain[order]]
    rows, line, number = parts.of(order), line[order], number[order]
    client = np.array([story.client for story in stories])[number]
    columns = {
        "ts": moments(rows.ts),
        "pos": pl.Series(rows.pos),
        "conn": pl.Series([story.name for story in stories], dtype=pl.String).gather(number),
        "kind": _MESSAGE.new_from_index(0, order.size),
        "dir": _DIRECTIONS.gather(rows.lane & 1 ^ client),
        "bytes": pl.Series(rows.size),
        "turn": pl.Series(rows.turn),
    }
    for name in ("name", "topic", "trace"):
        if (shown := book.mask.many(getattr(said, name))) is not None:
            # Behind the last one stands the null of those that are no known text.
            with_null = shown.extend_constant(None, 1)
            columns[name] = with_null.gather(line % len(with_null))
    return pl.DataFrame(columns), told


def _note(
    stories: Sequence[Story], parts: Parts, line: Ints, known: Texts, beats: Container[int]
) -> None:
    """Let a review look at the messages, but not at heartbeats."""
    lines = [text for block in known.blocks() for text in block.each()]
    order = np.argsort(parts.turn, kind="stable")
    order = order[np.argsort(parts.ts[order], kind="stable")]
    columns = (parts.lane, parts.pos, parts.ts, parts.size, line)
    for lane, pos, ts, size, at in zip(*(col[order].tolist() for col in columns), strict=True):
        if at < 0 or at not in beats:
            text = lines[at] if at >= 0 else None
            stories[lane >> 1].note(lane & 1, pos, ts, size, text)


def _without_ids(
    stories: Sequence[Story],
    parts: Parts,
    text: Ints,
    known: Texts,
    said: texts.Said,
    several: set[int],
) -> Iterator[Told]:
    """The texts without an id, by which only an echo can be known: the server's only where the
    client may send some as well."""
    bare = np.array([trace is None for trace in said.trace], bool)
    bare[list(said.beats)] = False
    number, side = parts.lane[text] >> 1, parts.lane[text] & 1
    sent = bare & (side == np.array([story.client for story in stories])[number])
    talking = np.array([story.is_talking for story in stories], bool)
    talking[number[sent]] = True
    talking[list(several)] = True
    wanted = bare & talking[number]
    if not wanted.any():
        return
    lines = (line for block in known.blocks() for line in block.each())
    rows = text[wanted]
    columns = (column[rows].tolist() for column in (parts.lane, parts.turn, parts.pos, parts.ts))
    for line, lane, turn, pos, ts in zip(compress(lines, wanted.tolist()), *columns, strict=True):
        yield lane >> 1, turn, partial(stories[lane >> 1].without_id, lane & 1, pos, ts), line


def _has_message(what: object) -> bool:
    return isinstance(what, list) and any(isinstance(fact, Message) for fact in what)


def _message(parts: Parts, row: int, violations: tuple[str, ...] = ()) -> Message:
    lane, size, pos, ts = (
        int(column[row]) for column in (parts.lane, parts.size, parts.pos, parts.ts)
    )
    return Message(lane & 1, TEXT, size, None, pos, ts, violations)
