"""Read a log block by block: what gives nothing is passed over, and what a known format tells is
read, in whole columns; the rest line by line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

import polars as pl

from wsdiag.event import filled, narrow
from wsdiag.sources.blocks.block_columns import BlockColumns, View, next_of
from wsdiag.sources.blocks.frame_columns import Shape, shape_of
from wsdiag.sources.blocks.line_blocks import Block
from wsdiag.sources.context.only_if import WHILE_READ
from wsdiag.sources.formats.line_format import Format
from wsdiag.sources.line import line_head, stamps
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.json_record import record_stamp, wrapped_text
from wsdiag.sources.line.wrapper import JSON_FILE, Peeled, strip_colours
from wsdiag.sources.line_by_line.effect import LineEffects, State
from wsdiag.sources.line_by_line.log_reader import TRANSCRIPT, LogReader, shape_begins
from wsdiag.sources.templates import template_book

ROWS_PER_BATCH = 50_000
"""So many rows become a frame: as Python objects they take much room."""

FEW_LINES = 500
"""Fewer are read one by one sooner than in columns."""

_AHEAD = 2
"""Blocks of which columns are made while one before them is read."""

_MAX_SHAPES = 4


class BlockReader(LogReader):
    """One pass over one input; it comes to the same as to read each line alone."""

    def __init__(self, clock: Clock, formats: Sequence[Format], client: bool = False) -> None:
        """As a `LogReader`."""
        super().__init__(clock, formats, client)
        self._book = template_book.opened(LineEffects(clock, formats, self._gates))
        self._shapes: list[Shape] = []
        self._blocks: list[BlockColumns] = []  # those whose rows were not taken yet

    def read(self, blocks: Iterable[Block]) -> Iterator[pl.DataFrame]:
        """The events of all lines in order; columns are made while blocks before are read."""
        with ThreadPoolExecutor(_AHEAD) as beside:
            coming: deque[tuple[Block, Future[BlockColumns] | None]] = deque()
            for block in blocks:
                many = len(block.lines) >= FEW_LINES
                coming.append(
                    (
                        block,
                        beside.submit(copy_context().run, self._columns, block) if many else None,
                    )
                )
                # By the first is known how those behind it are to be read.
                if len(coming) > _AHEAD or not self._read:
                    yield from self._block(*coming.popleft())
            for block, columns in coming:
                yield from self._block(block, columns)
        yield from self._rest()

    def read_singly(self, lines: Iterable[tuple[int, str]]) -> Iterator[pl.DataFrame]:
        """The events of lines with their places."""
        for pos, line in lines:
            self.line(line, pos)
            if len(self.rows) >= ROWS_PER_BATCH:
                yield from self._take()
        yield from self._rest()

    def _rest(self) -> Iterator[pl.DataFrame]:
        self.end()
        yield from self._take()

    def _block(self, block: Block, made: Future[BlockColumns] | None) -> Iterator[pl.DataFrame]:
        columns = made.result() if made else None
        at = 0
        while at < len(block.lines):
            ahead = self._pass_over(columns, at) if columns else at
            if ahead > at:
                at = ahead
                continue
            text = block.lines[at]
            if text is None:
                self._read += 1
                self.lines["unread"] += 1
            else:
                self.line(text, block.first + at, whole=at not in block.cut)
                if columns:
                    self._learn(text)
            at += 1
        if columns:
            self._count_told(columns)
            columns.close(block.first, self._maker)
            self._blocks.append(columns)
        if len(self.rows) + sum(columns.height for columns in self._blocks) >= ROWS_PER_BATCH:
            yield from self._take()

    def _columns(self, block: Block) -> BlockColumns:
        """What will mostly be asked about the lines of a block, as far as that is known already."""
        columns, last = BlockColumns(block, self.clock, self._gates), self._last
        mixed = not (last and self._is_usual(last, self._read))
        for view in columns.views(last):
            if last:
                view.of_format(last)
            for shape in self._shapes:
                view.of_shape(shape, last)
            if mixed and not view.wrapped:
                view.of_templates(self._book, State(last, self._client))
        return columns

    def _take(self) -> Iterator[pl.DataFrame]:
        """The events so far, in the order of their lines."""
        rest, blocks = narrow(self.rows, WHILE_READ), self._blocks
        self.rows, self._blocks = [], []
        for columns in blocks:
            before = rest["pos"].search_sorted(columns.behind)
            frames = [frame for frame in (rest[:before], *columns.frames()) if frame.height]
            rest = rest[before:]
            if len(frames) > 1:
                yield filled(pl.concat(frames, how="diagonal").sort("pos", maintain_order=True))
            else:
                yield from map(filled, frames)
        yield rest

    def _pass_over(self, columns: BlockColumns, at: int) -> int:
        """Pass over the lines from `at` on that need no look; the place of the next that does."""
        if (
            self._spread
            or self._moments.last_words
            or self._docker
            or self._raised
            or not self._unwrapper.is_idle()
        ):
            return at
        for view in columns.views(self._last):
            for passing in (
                self._pass_known,
                self._pass_frames,
                self._pass_talk,
                self._pass_silent,
                self._pass_records,
                self._pass_learned,
            ):
                ahead = passing(view, at)
                if ahead > at:
                    return ahead
        return at

    def _pass_known(self, view: View, at: int) -> int:
        """Pass over lines of the format of the last one."""
        last = self._last
        if not last:
            return at
        told = view.of_format(last)
        ahead = next_of(told.settled if self._transcript.is_idle() else told.silent, at)
        if ahead > at:
            telling, behind = told.pass_over(at, ahead)
            self._passed(ahead - at - telling, 0)
            self._read += telling
            self.lines["parsed"] += telling
            self.seen[last.id] += ahead - at
            inner = self._inside(view, ahead - 1)
            self._moments.unparsed = (inner.text, inner.stamp, last) if ahead > behind else None
            if view.wrapped:
                self._shape = shape_begins(inner.text)
        return ahead

    def _pass_frames(self, view: View, at: int) -> int:
        """Pass over lines of a transcript that only have frames."""
        if self._twin[0] and not self._twin[1]:
            return at
        for shape in self._shapes:
            framed = view.of_shape(shape, self._last)
            ahead = next_of(framed.unsettled, at)
            if ahead > at:
                count, run = framed.pass_over(at, ahead)
                self._transcript.frames(run, count, shape.client)
                self._client = self._client or shape.client
                self._passed(ahead - at - count, 0)
                self._read += count
                self.lines["parsed"] += count
                self.seen[TRANSCRIPT] += ahead - at
                self._moments.unparsed, self._traceback = None, None
                self._twin = (framed.message(view.lines[ahead - 1]), True, count)
                return ahead
        return at

    def _pass_talk(self, view: View, at: int) -> int:
        """Read the other lines of a transcript of which all but their message is known."""
        if self._twin[0] and not self._twin[1]:
            return at
        transcript, parsed, first = self._transcript, self.lines["parsed"], at
        for shape in self._shapes:
            framed = view.of_shape(shape, self._last)
            begin = at
            while told := framed.talk(at):
                message, instant = told
                rows = transcript.rows(message, self._read + 1)
                if rows is None:
                    break
                self._read += 1
                parsed += bool(rows)
                self._client = self._client or transcript.client
                for row in rows:
                    row["ts"], row["pos"] = instant, self._read
                self.rows += rows
                self._twin = (message, True, len(rows))
                at += 1
            if at > begin:
                framed.heard(instant)
        if at > first:
            self.seen[TRANSCRIPT] += at - first
            self.lines["ignored"] += at - first - (parsed - self.lines["parsed"])
            self.lines["parsed"] = parsed
            self._moments.unparsed, self._traceback = None, None
        return at

    def _pass_silent(self, view: View, at: int) -> int:
        """Pass over lines of no format in which nothing is looked for."""
        last = self._last
        if self._traceback is not None or (last and self._is_usual(last, self._read + 1)):
            return at
        ahead = next_of(view.loud(last), at)
        if ahead > at:
            self._passed(ahead - at, 0 if view.wrapped else view.indented(at, ahead))
            last_timed = ahead - 1
            if not view.wrapped:
                while last_timed > at and not stamps.may_stand_in(view.lines[last_timed]):
                    last_timed -= 1
            inner = self._inside(view, last_timed)
            self._moments.pass_over(inner.spoken, inner.stamp)
            self._twin = ("", False, 0)
        return ahead

    def _pass_records(self, view: View, at: int) -> int:
        """Pass over JSON objects in which nothing is looked for."""
        if self._traceback is not None or view.lines[at][:2] != '{"':
            return at
        ahead = next_of(view.loud_records, at)
        if ahead > at:
            inner = self._inside(view, ahead - 1)
            stamp = record_stamp(inner.text) or inner.stamp
            if not stamp:
                return at
            self._passed(ahead - at, 0)
            self._moments.unparsed = ("", stamp, None)
        return ahead

    def _pass_learned(self, view: View, at: int) -> int:
        """Pass over lines that follow templates."""
        last, twin = self._last, self._twin
        if view.wrapped or (last and self._is_usual(last, self._read + 1)):
            return at
        learned = view.of_templates(self._book, State(last, self._client))
        ahead = next_of(learned.unsettled, at)
        if ahead > at and twin[0] and twin[1] == learned.is_bare(at):
            return at  # it may be the same message, with a head and without
        if self._traceback is not None and not learned.ends_traceback(at):
            return at
        if ahead > at:
            self._traceback = None
            for place, rows, anonymous in learned.telling(at, ahead):
                kept = self._adopt(rows, self._read + 1 + place - at, anonymous)
                self.lines["parsed" if kept else "ignored"] += 1
            self._read += ahead - at
            passed = learned.pass_over(at, ahead)
            if passed.at:
                self.clock.passed(passed.at, passed.resolution_ms, passed.assumed)
            self._moments.unparsed = (passed.unasked, None, None) if passed.unasked else None
            if passed.message >= 0:
                self._twin = (self._spoken_in(view.lines[passed.message]), passed.headed, 0)
            elif passed.message < -1:
                self._twin = ("", False, 0)
        return ahead

    def _spoken_in(self, line: str) -> str:
        """The message of a line."""
        peeled = self._unwrapper.peel(strip_colours(line))
        return line_head.part(peeled.spoken).message if peeled else ""

    def _count_told(self, columns: BlockColumns) -> None:
        """Add up what lines of templates told beside their rows."""
        for told, count, one_by_one in columns.counts():
            if not one_by_one:
                self.lines[told.sort] += count
            for name in told.seen:
                self.seen[name] += count
            self.client_sentences += told.client_sentences * count
            self._marks.found |= told.stacks
            for rule, number in told.redactions:
                self._maker.redactor.counts[rule] += number * count

    def _inside(self, view: View, at: int) -> Peeled:
        """What one of the lines carries."""
        if not view.wrapped:
            return Peeled(view.lines[at], None, view.lines[at])
        return self._carried(view.raw[at]) or Peeled("", None, "")

    def _carried(self, line: str) -> Peeled | None:
        """What a line carries that is in no parts."""
        if not line.startswith(JSON_FILE):
            return self._unwrapper.peel(line)
        carried = wrapped_text(line)
        return Peeled(carried[0], carried[1], carried[0]) if carried else None

    def _learn(self, line: str) -> None:
        """Know lines of a transcript by how they begin, from a line that was read alone."""
        if len(self._shapes) < _MAX_SHAPES and TRANSCRIPT in self.seen:
            inner = self._carried(line) if self._unwrapper.is_idle() else None
            shape = shape_of(inner.text) if inner else None
            if shape and not any(known.pattern == shape.pattern for known in self._shapes):
                self._shapes.append(shape)

    def _passed(self, count: int, indented: int) -> None:
        self._read += count
        self.lines["continuation"] += indented
        self.lines["ignored"] += count - indented
