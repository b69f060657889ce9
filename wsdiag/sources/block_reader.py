"""Read a log block by block: what gives nothing is passed over, and what a known format tells is
read, in whole columns; the rest line by line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import polars as pl

from wsdiag.event import events
from wsdiag.sources.frame_columns import FrameColumns, Shape, named, shape_of
from wsdiag.sources.line_blocks import Block
from wsdiag.sources.line_clock import Clock
from wsdiag.sources.line_fields import RowMaker
from wsdiag.sources.line_format import Format, Gates
from wsdiag.sources.line_silence import Silence
from wsdiag.sources.log_reader import OTHER_SIGNS, TRANSCRIPT, LogReader
from wsdiag.sources.open_connections import Row
from wsdiag.sources.told_lines import ToldLines

ROWS_PER_BATCH = 50_000

FEW_LINES = 500
"""Fewer are read one by one sooner than in columns."""

_MAX_SHAPES = 4
_PLAIN = r"^[\t -~]*$"


class BlockReader(LogReader):
    """One pass over one input; it comes to the same as to read each line alone."""

    def __init__(self, clock: Clock, formats: Sequence[Format], client: bool = False) -> None:
        """As a `LogReader`."""
        super().__init__(clock, formats, client)
        self._shapes: list[Shape] = []
        self._blocks: list[_Columns] = []  # those whose rows were not taken yet

    def read(self, blocks: Iterable[Block]) -> Iterator[pl.DataFrame]:
        """The events of all lines in order; columns are made while the block before is read."""
        with ThreadPoolExecutor(1) as beside:
            coming: deque[tuple[Block, Future[_Columns | None]]] = deque()
            for block in blocks:
                coming.append((block, beside.submit(self._columns, block)))
                if len(coming) > 1:
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

    def _block(self, block: Block, made: Future[_Columns | None]) -> Iterator[pl.DataFrame]:
        columns = made.result()
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
            columns.close(block.first, self._maker)
            self._blocks.append(columns)
        if len(self.rows) + sum(columns.height for columns in self._blocks) >= ROWS_PER_BATCH:
            yield from self._take()

    def _columns(self, block: Block) -> _Columns | None:
        """What will mostly be asked about the lines of a block, as far as that is known already."""
        if len(block.lines) < FEW_LINES:
            return None
        columns, last = _Columns(block, self.clock), self._last
        if last:
            columns.of_format(last)
        for shape in self._shapes:
            columns.of_shape(shape, last, (self._lines, self._messages))
        return columns

    def _take(self) -> Iterator[pl.DataFrame]:
        """The events so far, in the order of their lines."""
        rest, blocks = events(self.rows), self._blocks
        self.rows, self._blocks = [], []
        for columns in blocks:
            before = rest["pos"].search_sorted(columns.behind)
            frames = [frame for frame in (rest[:before], *columns.frames()) if frame.height]
            rest = rest[before:]
            if len(frames) > 1:
                yield _told(pl.concat(frames).sort("pos", maintain_order=True))
            else:
                yield from map(_told, frames)
        yield _told(rest)

    def _pass_over(self, columns: _Columns, at: int) -> int:
        """Pass over the lines from `at` on that need no look; the place of the next that does."""
        if self._spread or self._last_words:
            return at
        last = self._last
        ahead = self._pass_known(columns, last, at) if last else at
        if ahead == at:
            ahead = self._pass_frames(columns, last, at)
        if ahead > at:
            return ahead
        if self._traceback is not None or (last and self._is_usual(last, self._read + 1)):
            return at
        if columns.silence is None:
            columns.silence = Silence(
                columns.lines, columns.plain, self._lines, self._messages, OTHER_SIGNS
            )
        ahead = columns.silence.of_none(last, at)
        if ahead > at:
            self._passed(ahead - at, columns.indented(at, ahead))
            self._unparsed, self._twin = (columns.lines[ahead - 1], None, None), ("", False, 0)
        return ahead

    def _pass_known(self, columns: _Columns, last: Format, at: int) -> int:
        """Pass over lines of the format of the last one."""
        told = columns.of_format(last)
        places = told.settled if self._transcript.is_idle() else told.silent
        ahead: int = places[bisect_left(places, at)]
        if ahead > at:
            telling, behind = told.pass_over(at, ahead)
            self._passed(ahead - at - telling, 0)
            self._read += telling
            self.lines["parsed"] += telling
            self.seen[last.id] += ahead - at
            self._unparsed = (columns.lines[ahead - 1], None, last) if ahead > behind else None
        return ahead

    def _pass_frames(self, columns: _Columns, last: Format | None, at: int) -> int:
        """Pass over lines of a transcript that only have frames."""
        if self._twin[0] and not self._twin[1]:
            return at
        for shape in self._shapes:
            framed = columns.of_shape(shape, last, (self._lines, self._messages))
            ahead: int = framed.unsettled[bisect_left(framed.unsettled, at)]
            if ahead > at:
                count, run = framed.pass_over(at, ahead)
                self._transcript.frames(run, count, shape.client)
                self._client = self._client or shape.client
                self._passed(ahead - at - count, 0)
                self._read += count
                self.lines["parsed"] += count
                self.seen[TRANSCRIPT] += ahead - at
                self._unparsed, self._traceback = None, None
                self._twin = (framed.message(columns.lines[ahead - 1]), True, count)
                return ahead
        return at

    def _learn(self, line: str) -> None:
        """Know lines of a transcript by how they begin, from a line that was read alone."""
        if len(self._shapes) < _MAX_SHAPES and TRANSCRIPT in self.seen:
            shape = shape_of(line)
            if shape and not any(known.pattern == shape.pattern for known in self._shapes):
                self._shapes.append(shape)

    def _passed(self, count: int, indented: int) -> None:
        self._read += count
        self.lines["continuation"] += indented
        self.lines["ignored"] += count - indented


def _told(frame: pl.DataFrame) -> pl.DataFrame:
    """Without the columns in which nothing stands: they take room."""
    return frame.select(column for column in frame if column.null_count() < len(column))


class _Columns:
    """What is known of the lines of one block; each is made when it is first asked for."""

    def __init__(self, block: Block, clock: Clock) -> None:
        self.lines = block.lines if block.plain else block.lines.fill_null("\0")
        self.plain = (
            pl.repeat(True, len(block.lines), eager=True)
            if block.plain
            else self.lines.str.contains(_PLAIN)
        )
        self.behind = block.first + len(block.lines)
        self.silence: Silence | None = None
        self._clock = clock
        self._indented: npt.NDArray[np.int64] | None = None
        self._told: dict[str, ToldLines] = {}
        self._framed: dict[tuple[str, str], FrameColumns] = {}
        self._rows: list[pl.DataFrame] = []
        self._runs: list[tuple[pl.DataFrame, list[Row]]] = []

    def of_format(self, made: Format) -> ToldLines:
        """The lines as a format reads them."""
        if made.id not in self._told:
            self._told[made.id] = ToldLines(made, self.lines, self.plain, self._clock)
        return self._told[made.id]

    def of_shape(self, shape: Shape, last: Format | None, gates: Sequence[Gates]) -> FrameColumns:
        """The lines that only have a frame, behind such a beginning."""
        name = (shape.pattern, last.id if last else "")
        if name not in self._framed:
            self._framed[name] = FrameColumns(
                shape, self.lines, self.plain, self._clock, gates, last
            )
        return self._framed[name]

    def indented(self, begin: int, end: int) -> int:
        """How many of these lines begin with a blank."""
        if self._indented is None:
            self._indented = np.cumsum([False, *self.lines.str.contains(r"^\s")])
        return int(self._indented[end] - self._indented[begin])

    def close(self, first: int, maker: RowMaker) -> None:
        """All lines were read: only what they told is kept."""
        self._rows = [told.rows(first, maker) for told in self._told.values()]
        self._runs = [framed.rows(first) for framed in self._framed.values()]
        self._told, self._framed, self.silence = {}, {}, None
        self.lines = self.plain = pl.Series(dtype=pl.String)

    @property
    def height(self) -> int:
        return sum(len(frame) for frame in (*self._rows, *(frame for frame, _ in self._runs)))

    def frames(self) -> list[pl.DataFrame]:
        """What the lines told."""
        return [*self._rows, *(named(*part) for part in self._runs)]
