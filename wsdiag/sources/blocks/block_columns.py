"""The lines of one block as columns, as they stand there and as they stand in their wrappers."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from wsdiag.sources.blocks.frame_columns import FrameColumns, Shape, named
from wsdiag.sources.blocks.line_blocks import Block
from wsdiag.sources.blocks.silence import loud, loud_records
from wsdiag.sources.blocks.told_lines import ToldLines
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.formats.line_format import Format, Gates
from wsdiag.sources.formats.words import RowMaker
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.wrapper import (
    ESCAPE,
    IN_JSON_FILE,
    IN_PARTS,
    JSON_ESCAPES,
    JSON_FILE,
    WRAPPED,
    WRAPPED_ONCE,
)
from wsdiag.sources.line_by_line.effect import State, Told
from wsdiag.sources.templates.template_book import TemplateBook
from wsdiag.sources.templates.template_columns import TemplateLines

_IS_WRAPPED = re.compile(WRAPPED).match
_PLAIN = r"^[\t -~]*$"
FEW_LINES = 500
"""Fewer of which nothing is known are read one by one sooner."""

_FIRST = 20
"""Lines of which one is wrapped where a log is."""


def next_of(places: list[int], at: int) -> int:
    """The first of the places from `at` on."""
    return places[bisect_left(places, at)]


class View:
    """Lines and what is known of them; each column is made when it is first asked for."""

    def __init__(
        self,
        lines: pl.Series,
        plain: pl.Series,
        clock: Clock,
        gates: tuple[Gates, Gates, Gates],
        raw: pl.Series | None = None,
    ) -> None:
        """`plain`: which lines are printable ASCII. `raw`: the lines in their wrappers."""
        self.lines, self.wrapped = lines, raw is not None
        self.raw = lines if raw is None else raw
        self._plain, self._clock, self._gates = plain, clock, gates
        self._told: dict[str, ToldLines] = {}
        self._framed: dict[tuple[str, str], FrameColumns] = {}
        self._learned: dict[State, TemplateLines] = {}
        self._loud: dict[str, list[int]] = {}
        self._loud_records: list[int] | None = None
        self._indented: npt.NDArray[np.int64] | None = None

    def of_format(self, made: Format) -> ToldLines:
        """The lines as a format reads them."""
        if made.id not in self._told:
            plain = self._plain
            if self.wrapped:
                plain = plain & self.lines.str.contains_any(list(made.needs))
            self._told[made.id] = ToldLines(made, self.lines, plain, self._clock)
        return self._told[made.id]

    def of_shape(self, shape: Shape, last: Format | None) -> FrameColumns:
        """The lines that only have a frame, behind such a beginning."""
        name = (shape.head, last.id if last else "")
        if name not in self._framed:
            self._framed[name] = FrameColumns(
                shape, self.lines, self._plain, self._clock, self._gates[:2], last
            )
        return self._framed[name]

    def of_templates(self, book: TemplateBook, state: State) -> TemplateLines:
        """The lines as they were learned; those that are known otherwise are left out."""
        if state not in self._learned:
            wanted = np.ones(len(self.lines), np.bool_)
            if not book.knows(state):
                wanted = _are(self.loud(state.last), len(self.lines))
            for framed in self._framed.values():
                wanted &= _are(framed.unsettled, len(self.lines))
            if state.last:
                wanted &= _are(self.of_format(state.last).settled, len(self.lines))
            self._learned[state] = TemplateLines(self.lines, wanted, self._clock, book, state)
        return self._learned[state]

    def is_learned(self) -> bool:
        """True where nearly all lines follow templates."""
        return any(len(one.unsettled) <= FEW_LINES for one in self._learned.values())

    def loud(self, last: Format | None) -> list[int]:
        """The places of lines that may give events or be of any format.

        `last` is the format that reads lines even where its need does not stand.
        """
        name = last.id if last else ""
        if name not in self._loud:
            plain = self._plain
            for learned in self._learned.values():
                plain = plain & pl.Series(_are(learned.unsettled, len(self.lines)))
            found = pl.repeat(True, len(self.lines), eager=True)
            if plain.sum() >= FEW_LINES:
                found = loud(self.lines, plain, *self._gates[:2])
            if last:
                found |= last.gate.matches(self.lines)
            self._loud[name] = [*found.arg_true().to_list(), len(self.lines)]
        return self._loud[name]

    @property
    def loud_records(self) -> list[int]:
        """The places of lines that are no JSON objects or may give events."""
        if self._loud_records is None:
            found = loud_records(self.lines, self._plain, *self._gates[1:])
            self._loud_records = [*found.arg_true().to_list(), len(self.lines)]
        return self._loud_records

    def indented(self, begin: int, end: int) -> int:
        """How many of these lines begin with a blank."""
        if self._indented is None:
            self._indented = np.cumsum([False, *self.lines.str.contains(r"^\s")])
        return int(self._indented[end] - self._indented[begin])

    def rows(self, first: int, maker: RowMaker) -> list[pl.DataFrame]:
        """What known formats and templates told."""
        told = [told.rows(first, maker) for told in self._told.values()]
        return [*told, *(learned.rows(first) for learned in self._learned.values())]

    def counts(self) -> Iterator[tuple[Told, int, bool]]:
        """What lines of templates told beside their rows: see `TemplateLines.counts`."""
        for learned in self._learned.values():
            yield from learned.counts()

    def runs(self, first: int) -> list[tuple[pl.DataFrame, list[Row]]]:
        """What transcripts told."""
        return [framed.rows(first) for framed in self._framed.values()]


def _are(places: list[int], height: int) -> npt.NDArray[np.bool_]:
    """True for these places of so many; the last is the end."""
    made = np.zeros(height, np.bool_)
    made[places[:-1]] = True
    return made


class BlockColumns:
    """What is known of the lines of one block."""

    def __init__(self, block: Block, clock: Clock, gates: tuple[Gates, Gates, Gates]) -> None:
        """`gates`: the formats that read lines, messages, and records."""
        lines = block.lines if block.plain else block.lines.fill_null("\0")
        plain = (
            pl.repeat(True, len(lines), eager=True) if block.plain else lines.str.contains(_PLAIN)
        )
        self._bare = View(lines, plain, clock, gates)
        self._plain, self._clock, self._gates = plain, clock, gates
        self._inner: dict[str, View] = {}
        self._is_wrapped = any(
            _IS_WRAPPED(line) or line.startswith(JSON_FILE) for line in lines.head(_FIRST)
        )
        self._behind = block.first + len(lines)
        self._rows: list[pl.DataFrame] = []
        self._runs: list[tuple[pl.DataFrame, list[Row]]] = []

    @property
    def behind(self) -> int:
        """The number of the line behind the last."""
        return self._behind

    def views(self, last: Format | None) -> Iterator[View]:
        """The lines as they are, and what is in their wrappers, where many are not known yet."""
        yield self._bare
        if self._is_wrapped and not self._bare.is_learned():
            name = last.id if last else ""
            if name not in self._inner:
                self._inner[name] = self._unwrapped(last)
            yield self._inner[name]

    def counts(self) -> Iterator[tuple[Told, int, bool]]:
        """What lines of templates told beside their rows."""
        return self._bare.counts()

    def close(self, first: int, maker: RowMaker) -> None:
        """All lines were read: only what they told is kept."""
        views = [self._bare, *self._inner.values()]
        self._rows = [frame for view in views for frame in view.rows(first, maker)]
        self._runs = [run for view in views for run in view.runs(first)]
        self._inner = {}
        del self._bare, self._plain

    @property
    def height(self) -> int:
        """The rows of what was told."""
        return sum(map(len, self._rows)) + sum(len(frame) for frame, _ in self._runs)

    def frames(self) -> Sequence[pl.DataFrame]:
        """What the lines told."""
        return [*self._rows, *(named(*part) for part in self._runs)]

    def _unwrapped(self, last: Format | None) -> View:
        raw = self._bare.lines
        lines = raw.str.replace(WRAPPED_ONCE, "")
        in_json = raw.str.starts_with(JSON_FILE).arg_true()
        lines = lines.scatter(in_json, _out_of_json(raw.gather(in_json)))
        plain = self._plain & (lines != raw) & ~lines.str.contains(WRAPPED)
        plain &= ~lines.str.contains(ESCAPE, literal=True) & ~raw.str.contains(IN_PARTS)
        if last:
            plain &= ~last.gate.matches(raw)
        return View(lines, plain, self._clock, self._gates, raw)


def _out_of_json(lines: pl.Series) -> pl.Series:
    """What docker wrapped in JSON; a line as it is, where it is no plain one."""
    inner = lines.str.extract(IN_JSON_FILE, 1)
    for written, meant in JSON_ESCAPES.items():
        inner = inner.str.replace_all(written, meant, literal=True)
    return inner.zip_with(inner.is_not_null(), lines)
