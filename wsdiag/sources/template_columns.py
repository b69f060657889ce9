"""The lines of one block that follow templates, read in whole columns.

A line that is about a connection whose name or state other lines may know is still told one by
one; the others become rows of a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from wsdiag.event import EVENTS, Kind
from wsdiag.sources import line_tokens
from wsdiag.sources.line_clock import Clock
from wsdiag.sources.line_effect import State, Told
from wsdiag.sources.line_template import Plan, Template
from wsdiag.sources.open_connections import Row
from wsdiag.sources.template_book import TemplateBook
from wsdiag.sources.time_columns import Times, epochs, times

FEW_LINES = 200
"""Fewer that may say something are read one by one sooner."""

_LONGEST = 2_000
"""Bytes of a line; longer ones hold payloads or stacks, which differ in all but tokens."""

_ODD = r"[\x00\x01]"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_STATEFUL = frozenset({Kind.OPEN, Kind.CLOSE, Kind.END, Kind.REJECTED, Kind.SERVER_START})
_IDENTITY = frozenset({"conn", "peer"})


class Passed(NamedTuple):
    """What is known behind lines that were passed over.

    `at`: the last time that was asked for, with its resolution in ms and whether a zone was stated;
    `unasked`: the text of the last line's time where that was not; `message`: the place of the last
    line with a message, -1 for none of them, -2 where that was one in which nothing was looked for.
    """

    at: datetime | None
    resolution_ms: float
    zoned: bool
    unasked: str
    message: int


class _Part(NamedTuple):
    """Lines of one plan."""

    plan: Plan
    places: npt.NDArray[np.int64]
    at: pl.Series
    tokens: dict[int, pl.Series]
    stamps: pl.Series
    times: Times


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
        """`wanted`: the lines that nothing else has read."""
        self._clock, self._book, self._state = clock, book, state
        self._parts: list[_Part] = []
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
        self._told_at = np.array(sorted(self._telling), np.int64)
        self.unsettled = [*np.flatnonzero(number < 0).tolist(), len(lines)]

    def telling(self, begin: int, end: int) -> Iterator[tuple[int, list[Row], str]]:
        """The places and rows of lines that are told one by one, and if these are anonymous."""
        first, behind = np.searchsorted(self._told_at, (begin, end))
        for place in self._told_at[first:behind].tolist():
            yield place, *self._telling[place]

    def pass_over(self, begin: int, end: int) -> Passed:
        """Pass over lines."""
        self._passed[begin:end] = True
        numbers = self._number[begin:end]
        plans = [self._parts[n].plan.told for n in range(len(self._parts))]
        timed = np.array([told.timed for told in plans])[numbers]
        spoken = np.array([("", "spoken", "silent").index(told.message) for told in plans])[numbers]
        at, resolution, zoned = None, 0.0, True
        if timed.any():
            micros = self._micros[begin + int(np.flatnonzero(timed)[-1])]
            at = _BEGINNING + timedelta(microseconds=int(micros))
            met = [self._parts[n].times for n in np.unique(numbers[timed])]
            resolution = max(one.resolution_ms for one in met)
            zoned = all(one.zoned for one in met)
        unasked = ""
        if not timed[-1]:
            part = self._parts[numbers[-1]]
            unasked = part.stamps[int(np.searchsorted(part.places, end - 1))]
        said = np.flatnonzero(spoken)
        message = -1 if not len(said) else -2 if spoken[said[-1]] == 2 else begin + int(said[-1])
        return Passed(at, resolution, zoned, unasked, message)

    def counts(self) -> Iterator[tuple[Told, int, bool]]:
        """What lines passed over told, how many did, and whether they were told one by one."""
        for part in self._parts:
            count = int(self._passed[part.places].sum())
            if count:
                yield (
                    part.plan.told,
                    count,
                    bool(len(part.places)) and part.places[0] in self._telling,
                )

    def rows(self, first: int) -> pl.DataFrame:
        """The rows of all other lines passed over; `first` is the block's first line."""
        frames = [frame for part in self._parts for frame in self._frames(part)]
        if not frames:
            return pl.DataFrame(schema={"pos": EVENTS["pos"]})
        made = pl.concat(frames, how="diagonal").sort("pos", maintain_order=True)
        return made.with_columns(pl.col("pos") + first)

    def _frames(self, part: _Part) -> Iterator[pl.DataFrame]:
        if not part.plan.rows or (len(part.places) and part.places[0] in self._telling):
            return
        passed = self._passed[part.places]
        if not passed.any():
            return
        if not passed.all():
            which = pl.Series(passed)
            tokens = {n: column.filter(which) for n, column in part.tokens.items()}
            part = part._replace(
                places=part.places[passed], at=part.at.filter(which), tokens=tokens
            )
        yield from _rows_of(part)

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
            which = pl.Series(numbers, dtype=pl.Int64)
            self._group(skeleton, texts.gather(which), places.gather(which))

    def _group(self, skeleton: str, texts: pl.Series, places: pl.Series) -> None:
        width = skeleton.count(line_tokens.MARK)
        if not width:
            return
        template = self._book.template(self._state, skeleton, texts)
        if not template:
            return
        fit = texts.str.contains(template.pattern)
        texts, places = texts.filter(fit), places.filter(fit)
        flat = texts.str.extract_all(line_tokens.TOKEN).explode()
        tokens = {n: flat.gather_every(width, n) for n in range(width)}
        fit = _ids_fit(template, tokens, len(texts))
        told = _times(tokens[template.stamp], self._clock)
        fit &= told.at.is_not_null()
        frame = pl.DataFrame({str(n): column for n, column in tokens.items()}).with_columns(
            place=places, at=told.at
        )
        frame = frame.filter(fit)
        fixed = [str(n) for n in template.fixed]
        parts = frame.partition_by(fixed, as_dict=True) if fixed else {(): frame}
        for key, part in parts.items():
            if part.height:
                self._plan(skeleton, template, key, part, told)

    def _plan(
        self,
        skeleton: str,
        template: Template,
        key: tuple[object, ...],
        frame: pl.DataFrame,
        told: Times,
    ) -> None:
        plan = self._book.plan(self._state, skeleton, key, frame.drop("place", "at"))
        if not plan:
            return
        needed = {n for row in plan.rows for fill in row.fills.values() for n in fill.tokens}
        part = _Part(
            plan,
            frame["place"].to_numpy(),
            frame["at"],
            {n: frame[str(n)] for n in needed},
            frame[str(template.stamp)] if not plan.told.timed else pl.Series(dtype=pl.String),
            told._replace(at=pl.Series(dtype=EVENTS["ts"])),
        )
        if _is_apart(plan):
            self._parts.append(part)
            return
        made = [frame.to_dicts() for frame in _rows_of(part)]
        for number, place in enumerate(part.places.tolist()):
            rows = [_stated(rows[number]) for rows in made]
            self._telling[place] = (rows, plan.told.anonymous)
        self._parts.append(part)


def _ids_fit(template: Template, tokens: dict[int, pl.Series], height: int) -> pl.Series:
    """True where each token that may be an id is one, or a number of a form that was tried."""
    fit = pl.repeat(True, height, eager=True)
    for n, numbers in template.ids.items():
        of_id = line_tokens.are_ids(tokens[n])
        fit &= of_id | tokens[n].str.contains(f"^(?:{numbers})$") if numbers else of_id
    return fit


def _times(stamps: pl.Series, clock: Clock) -> Times:
    if len(stamps) and line_tokens.is_epoch(stamps[0]):
        return epochs(stamps)
    return times(stamps, clock)


def _is_apart(plan: Plan) -> bool:
    """True where nothing that other lines tell bears upon the rows, nor they upon others."""
    for fixed, fills in plan.rows:
        if fixed["kind"] in _STATEFUL:
            return False
        names = {*fixed, *fills}
        if "conn" not in names and ("peer" in names or plan.told.anonymous):
            return False
    return True


def _rows_of(part: _Part) -> Iterator[pl.DataFrame]:
    """The rows of a plan's lines, a frame for each row that these have."""
    for fixed, fills in part.plan.rows:
        columns = {column: fill.many(column, part.tokens) for column, fill in fills.items()}
        yield pl.DataFrame({"pos": pl.Series(part.places), "ts": part.at, **columns}).with_columns(
            pl.lit(value, EVENTS[column]).alias(column) for column, value in fixed.items()
        )


def _stated(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and name != "pos"}
