"""The lines of one block that follow templates, read in whole columns.

A line that is about a connection whose name or state other lines may know is still told one by
one; the others become rows of a frame.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from wsdiag.event import EVENTS
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.stamp_columns import Times, epochs, times
from wsdiag.sources.line_by_line.effect import State, Told
from wsdiag.sources.templates import line_tokens
from wsdiag.sources.templates.line_template import Plan, Template
from wsdiag.sources.templates.part import Part, is_apart
from wsdiag.sources.templates.template_book import TemplateBook

FEW_LINES = 200
"""Fewer that may say something are read one by one sooner."""

_LONGEST = 2_000
"""Bytes of a line; longer ones hold payloads or stacks, which differ in all but tokens."""

_SAMPLE = 10
"""Lines on which it is proved what was learned, about."""

_ODD = r"[\x00\x01]"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SPOKEN = ("", "spoken", "silent", "bare")


class Passed(NamedTuple):
    """What is known behind lines that were passed over.

    `at`: the last time that was asked for, with its resolution in ms and what it left out;
    `unasked`: the text of the last line's time where that was not; `message`: the place of the last
    line with a message, -1 for none of them, -2 where that was one in which nothing was looked for;
    `headed`: whether that message had a time or a level before it.
    """

    at: datetime | None
    resolution_ms: float
    assumed: frozenset[str]
    unasked: str
    message: int
    headed: bool


class TokenColumns:
    """The tokens of lines of one skeleton, each a column."""

    def __init__(self, texts: pl.Series, width: int) -> None:
        self.height, self._width = len(texts), width
        self._flat = texts.str.extract_all(line_tokens.TOKEN).explode()

    def of(self, n: int) -> pl.Series:
        """One token of each line."""
        return self._flat.gather_every(self._width, n)

    def some(self, which: pl.Series) -> list[list[str]]:
        """All tokens of some lines."""
        places = (which * self._width).to_list()
        return [self._flat[at : at + self._width].to_list() for at in places]


class TemplateLines:
    """The lines of one block that follow templates."""

    def __init__(
        self,
        lines: pl.Series,
        wanted: npt.NDArray[np.bool_],
        clock: Clock,
        book: TemplateBook,
        state: State,
    ) -> None:
        """`wanted`: the lines that nothing else reads."""
        self._clock, self._book, self._state = clock, book, state
        self._parts: list[Part] = []
        self._telling: dict[int, tuple[list[Row], str]] = {}
        places = pl.Series(np.flatnonzero(wanted))
        if len(places) >= FEW_LINES:
            self._read(lines, places)
        self._passed = np.zeros(len(lines), np.bool_)
        number = np.full(len(lines), -1, np.int32)
        self._micros = np.zeros(len(lines), np.int64)
        for n, part in enumerate(self._parts):
            number[part.places] = n
            self._micros[part.places] = part.at.dt.timestamp("us").to_numpy()
        self._number = number
        told = [part.plan.told for part in self._parts]
        self._timed = np.array([one.timed for one in told])
        self._spoken = np.array([_SPOKEN.index(one.message) for one in told])
        self._told_at = sorted(self._telling)
        known = number >= 0
        bare = np.zeros(len(lines), np.bool_)
        bare[known] = self._spoken[number[known]] == _SPOKEN.index("bare")
        self._bare = bare
        # A line without a head may be told once more, with a head, by the line before or behind it.
        alone = bare.copy()
        alone[1:-1] &= ~(bare[:-2] & bare[2:])
        self.unsettled = [*np.flatnonzero(~known | alone).tolist(), len(lines)]

    def is_bare(self, at: int) -> bool:
        """True for a line whose message stands without time and level."""
        return bool(self._bare[at])

    def ends_traceback(self, at: int) -> bool:
        """True for a line behind which a traceback before it does not go on."""
        number = int(self._number[at])
        return number >= 0 and self._parts[number].template.ends_traceback

    def telling(self, begin: int, end: int) -> Iterator[tuple[int, list[Row], str]]:
        """The places and rows of lines that are told one by one, and if these are anonymous."""
        # Not by numpy, which would let another thread go first each time.
        first, behind = bisect_left(self._told_at, begin), bisect_left(self._told_at, end)
        for place in self._told_at[first:behind]:
            yield place, *self._telling[place]

    def pass_over(self, begin: int, end: int) -> Passed:
        """Pass over lines."""
        self._passed[begin:end] = True
        numbers = self._number[begin:end]
        timed, spoken = self._timed[numbers], self._spoken[numbers]
        at, resolution, assumed = None, 0.0, frozenset[str]()
        if timed.any():
            micros = self._micros[begin + int(np.flatnonzero(timed)[-1])]
            at = _BEGINNING + timedelta(microseconds=int(micros))
            met = [self._parts[n].times for n in np.unique(numbers[timed])]
            resolution = max(one.resolution_ms for one in met)
            assumed = assumed.union(*(one.assumed for one in met))
        unasked = ""
        if not timed[-1]:
            part = self._parts[numbers[-1]]
            stamps = part.tokens[part.template.stamp]
            unasked = stamps[int(np.searchsorted(part.places, end - 1))]
        said = np.flatnonzero(spoken)
        last = _SPOKEN[spoken[said[-1]]] if len(said) else ""
        message = -2 if last == "silent" else begin + int(said[-1]) if last else -1
        return Passed(at, resolution, assumed, unasked, message, last == "spoken")

    def counts(self) -> Iterator[tuple[Told, int, bool]]:
        """What lines passed over told, how many did, and whether they were told one by one."""
        for part in self._parts:
            count = int(self._passed[part.places].sum())
            if count:
                yield part.plan.told, count, not is_apart(part.plan)

    def rows(self, first: int) -> pl.DataFrame:
        """The rows of all other lines passed over; `first` is the block's first line."""
        frames = [frame for part in self._parts for frame in self._frames(part)]
        if not frames:
            return pl.DataFrame(schema={"pos": EVENTS["pos"]})
        made = pl.concat(frames, how="diagonal").sort("pos", maintain_order=True)
        return made.with_columns(pl.col("pos") + first)

    def _frames(self, part: Part) -> Iterator[pl.DataFrame]:
        passed = self._passed[part.places]
        if part.plan.rows and is_apart(part.plan) and passed.any():
            yield from part.of(passed).rows()

    def _read(self, lines: pl.Series, places: pl.Series) -> None:
        texts = lines.gather(places)
        fit = (texts.str.len_bytes() <= _LONGEST) & ~texts.str.contains(_ODD)
        texts, places = texts.filter(fit), places.filter(fit)
        skeletons = texts.str.replace_all(line_tokens.TOKEN, line_tokens.MARK)
        alike = (
            pl.DataFrame({"skeleton": skeletons, "n": pl.int_range(len(texts), eager=True)})
            .group_by("skeleton", maintain_order=True)
            .agg("n")
        )
        for skeleton, numbers in alike.iter_rows():
            some = partial(_chosen, texts, numbers)
            template = self._book.template(self._state, skeleton, len(numbers), some)
            if template:
                self._group(skeleton, template, some(), _chosen(places, numbers))

    def _group(
        self, skeleton: str, template: Template, texts: pl.Series, places: pl.Series
    ) -> None:
        fit = texts.str.contains(template.pattern)
        if not fit.all():
            self._book.missed(self._state, skeleton, texts.filter(~fit))
            texts, places = texts.filter(fit), places.filter(fit)
        if not len(texts):
            return
        tokens = TokenColumns(texts, len(template.parts) - 1)
        told = _times(tokens.of(template.stamp), self._clock)
        fit = told.at.is_not_null() & _ids_fit(template, tokens)
        parts: dict[tuple[object, ...], pl.Series] = {(): fit.arg_true()}
        if template.fixed:
            frame = pl.DataFrame({str(n): tokens.of(n) for n in template.fixed})
            numbered = frame.with_row_index("n").filter(fit)
            grouped = numbered.partition_by([str(n) for n in template.fixed], as_dict=True)
            parts = {key: part["n"] for key, part in grouped.items()}
        for key, which in parts.items():
            if len(which):
                some = partial(tokens.some, which.gather_every(len(which) // _SAMPLE + 1))
                plan = self._book.plan(self._state, skeleton, template, key, len(which), some)
                if plan:
                    self._plan(template, plan, tokens, which, places, told)

    def _plan(
        self,
        template: Template,
        plan: Plan,
        tokens: TokenColumns,
        which: pl.Series,
        places: pl.Series,
        told: Times,
    ) -> None:
        needed = {n for row in plan.rows for fill in row.fills.values() for n in fill.tokens}
        if not plan.told.timed:
            needed.add(template.stamp)
        part = Part(
            plan,
            template,
            places.gather(which).to_numpy(),
            told.at.gather(which),
            {n: tokens.of(n).gather(which) for n in needed},
            told._replace(at=pl.Series(dtype=EVENTS["ts"])),
        )
        self._parts.append(part)
        if not is_apart(plan):
            for place, rows in part.by_line():
                self._telling[place] = (rows, plan.told.anonymous)


def _chosen(column: pl.Series, places: list[int]) -> pl.Series:
    return column.gather(pl.Series(places, dtype=pl.Int64))


def _ids_fit(template: Template, tokens: TokenColumns) -> pl.Series:
    """True where each token that may be an id is one, or a number of a form that was tried."""
    fit = pl.repeat(True, tokens.height, eager=True)
    for n, numbers in template.ids.items():
        of_id = line_tokens.are_ids(tokens.of(n))
        fit &= of_id | tokens.of(n).str.contains(f"^(?:{numbers})$") if numbers else of_id
    return fit


def _times(stamps: pl.Series, clock: Clock) -> Times:
    if len(stamps) and line_tokens.is_epoch(stamps[0]):
        return epochs(stamps)
    return times(stamps, clock)
