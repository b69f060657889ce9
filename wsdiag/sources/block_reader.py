"""Read a log block by block: what gives nothing is passed over, and what a known format tells is
read, in whole columns; the rest line by line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import polars as pl

from wsdiag.event import events
from wsdiag.sources.line_blocks import Block
from wsdiag.sources.line_clock import Clock
from wsdiag.sources.line_format import Format
from wsdiag.sources.line_silence import Silence
from wsdiag.sources.log_reader import OTHER_SIGNS, LogReader
from wsdiag.sources.told_lines import ToldLines

FEW_LINES = 500
"""Fewer are read one by one sooner than in columns."""

_PLAIN = r"^[\t -~]*$"


class BlockReader(LogReader):
    """One pass over one input; it comes to the same as to read each line alone."""

    def __init__(self, clock: Clock, formats: Sequence[Format], client: bool = False) -> None:
        """As a `LogReader`."""
        super().__init__(clock, formats, client)
        self._frames: list[pl.DataFrame] = []

    def block(self, block: Block) -> None:
        """Read many lines."""
        texts = block.lines.to_list()
        columns = _Columns(block) if len(texts) >= FEW_LINES else None
        at = 0
        while at < len(texts):
            ahead = self._pass_over(columns, texts, at) if columns else at
            if ahead > at:
                at = ahead
                continue
            if texts[at] is None:
                self._read += 1
                self.lines["unread"] += 1
            else:
                self.line(texts[at], block.first + at, whole=at not in block.cut)
            at += 1
        for told in columns.told.values() if columns else ():
            frame = told.rows(block.first, self._maker)
            if frame.height:
                self._frames.append(frame)

    def take(self) -> Iterator[pl.DataFrame]:
        """The events so far, in the order of their lines; each is given once."""
        rest, frames = events(self.rows), self._frames
        self.rows, self._frames = [], []
        for frame in frames:
            before = rest["pos"].search_sorted(frame["pos"][-1], side="right")
            here, rest = rest[:before], rest[before:]
            yield pl.concat([here, frame]).sort("pos", maintain_order=True) if before else frame
        yield rest

    def _pass_over(self, columns: _Columns, texts: Sequence[str], at: int) -> int:
        """Pass over the lines from `at` on that need no look; the place of the next that does."""
        if self._spread:
            return at
        last = self._last
        ahead = self._pass_known(columns, last, texts, at) if last else at
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
            self._passed(ahead - at, sum(text[:1].isspace() for text in texts[at:ahead]))
            self._unparsed, self._twin = (texts[ahead - 1], None, None), ("", False, 0)
        return ahead

    def _pass_known(self, columns: _Columns, last: Format, texts: Sequence[str], at: int) -> int:
        """Pass over lines of the format of the last one."""
        told = columns.told.get(last.id)
        if told is None:
            told = columns.told[last.id] = ToldLines(last, columns.lines, columns.plain, self.clock)
        places = told.settled if self._transcript.is_idle() else told.silent
        ahead: int = places[bisect_left(places, at)]
        if ahead > at:
            telling, behind = told.pass_over(at, ahead)
            self._passed(ahead - at - telling, 0)
            self._read += telling
            self.lines["parsed"] += telling
            self.seen[last.id] += ahead - at
            self._unparsed = (texts[ahead - 1], None, last) if ahead > behind else None
        return ahead

    def _passed(self, count: int, indented: int) -> None:
        self._read += count
        self.lines["continuation"] += indented
        self.lines["ignored"] += count - indented


class _Columns:
    """What is known of the lines of one block; each is made when it is first asked for."""

    def __init__(self, block: Block) -> None:
        self.lines = block.lines if block.plain else block.lines.fill_null("\0")
        self.plain = (
            pl.repeat(True, len(block.lines), eager=True)
            if block.plain
            else self.lines.str.contains(_PLAIN)
        )
        self.told: dict[str, ToldLines] = {}  # by format
        self.silence: Silence | None = None
