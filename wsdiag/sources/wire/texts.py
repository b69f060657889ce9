"""Messages of one frame of many connections: their rows, and what of them is told one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.websocket import texts
from wsdiag.capture.websocket.messages import Assembled
from wsdiag.capture.websocket.protocol import NOT_UTF8, TEXT, Message
from wsdiag.capture.websocket.unmasking import Parts
from wsdiag.sources.wire import frame_rows
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.story import Story

Told = tuple[int, int, Callable[[Any], None], Any]
"""Something that happened: the story's number, the turn, who tells it, and what it is."""


class Messages:
    """The messages of one frame: `parts` are these, `text` the rows of the known texts among them.

    Heartbeats among them are no rows: they are told.
    """

    def __init__(self, stories: Sequence[Story], parts: Parts, assembled: Assembled) -> None:
        self._stories, self._parts = stories, parts.of(assembled.row)
        self._text, self._known = assembled.text, assembled.texts
        self._number, self._turn = self._parts.lane >> 1, self._parts.turn
        engine_io = np.array([story.frames.engine_io for story in stories], bool)
        self._said = texts.read(self._known.blocks(), engine_io[self._number[self._text]])

    @property
    def beating(self) -> set[int]:
        """The stories that have a heartbeat among them."""
        return set(self._number[self._text[list(self._said.beats)]].tolist())

    def rows(self, book: Book) -> pl.DataFrame:
        """Those that are no heartbeat, as rows; a review's notebook takes a look at them."""
        number, said = self._number, self._said
        line = np.full(number.size, -1)
        line[self._text] = np.arange(self._text.size)
        if book.notebook is not None and book.notebook.wants(book.source):
            self._note(line)
        plain = np.ones(number.size, bool)
        plain[self._text[list(said.beats)]] = False
        order = np.argsort(self._turn, kind="stable")
        order = order[plain[order]]
        columns, line = frame_rows.messages(self._stories, self._parts, order), line[order]
        for name in ("name", "topic", "trace"):
            if (shown := book.mask.many(getattr(said, name))) is not None:
                # Behind the last one stands the null of those that are no known text.
                with_null = shown.extend_constant(None, 1)
                columns[name] = with_null.gather(line % len(with_null))
        return pl.DataFrame(columns)

    def _note(self, line: Ints) -> None:
        """Let a review look at the messages, but not at heartbeats."""
        lines = [text for block in self._known.blocks() for text in block.each()]
        of, beats = self._parts, self._said.beats
        order = np.argsort(self._turn, kind="stable")
        order = order[np.argsort(of.ts[order], kind="stable")]
        columns = (column[order].tolist() for column in (of.lane, of.pos, of.ts, of.size, line))
        for lane, pos, ts, size, at in zip(*columns, strict=True):
            if at < 0 or at not in beats:
                text = lines[at] if at >= 0 else None
                self._stories[lane >> 1].frames.note(lane & 1, pos, ts, size, text)

    def told(self) -> Iterator[Told]:
        """Heartbeats, and texts that are not UTF-8."""
        for at in self._said.broken:
            row = int(self._text[at])
            story = self._stories[self._number[row]]
            yield self._when(row, story.frames.violations, self._message(row, (NOT_UTF8,)))
        for at, beat in self._said.beats.items():
            row = int(self._text[at])
            story = self._stories[self._number[row]]
            yield self._when(row, partial(story.frames.beat, beat), self._message(row))

    def without_ids(self, several: Collection[int]) -> Iterator[Told]:
        """The texts without an id, by which only an echo can be known: the server's only where the
        client may send some as well. The clients of the stories `several` do in other messages."""
        lane = self._parts.lane[self._text]
        bare = np.array([trace is None for trace in self._said.trace], bool)
        bare[list(self._said.beats)] = False
        client = np.array([story.page.client for story in self._stories], np.int64)
        number = lane >> 1
        talking = np.array([story.frames.is_talking for story in self._stories], bool)
        talking[number[bare & (lane & 1 == client[number])]] = True
        talking[list(several)] = True
        wanted = bare & talking[number]
        if not wanted.any():
            return
        lines = (line for block in self._known.some(wanted).blocks() for line in block.each())
        of, rows = self._parts, self._text[wanted]
        columns = (column[rows].tolist() for column in (of.lane, of.turn, of.pos, of.ts))
        for line, at, turn, pos, ts in zip(lines, *columns, strict=True):
            tell = self._stories[at >> 1].frames.without_id
            yield at >> 1, turn, partial(tell, at & 1, pos, ts), line

    def _when(self, row: int, tell: Callable[[Any], None], what: Message) -> Told:
        return int(self._number[row]), int(self._turn[row]), tell, what

    def _message(self, row: int, violations: tuple[str, ...] = ()) -> Message:
        of = self._parts
        lane, size, pos, ts = (int(column[row]) for column in (of.lane, of.size, of.pos, of.ts))
        return Message(lane & 1, TEXT, size, None, pos, ts, violations)
