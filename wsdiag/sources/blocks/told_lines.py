"""The lines of one format in a block, and the events of those that give some, as columns.

A line whose words are of an unusual notation – a time, a duration, a size – is left to the reader
of single lines, as is a line of another format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from wsdiag.event import EVENTS, Kind
from wsdiag.sources.blocks.row_columns import RowColumns, duration_ms
from wsdiag.sources.blocks.word_columns import Words
from wsdiag.sources.context.only_if import WHILE_READ
from wsdiag.sources.formats.document import Document, Rule
from wsdiag.sources.formats.line_format import Format
from wsdiag.sources.formats.words import LIMITS, MS, WORD, RowMaker
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.constant_columns import constant
from wsdiag.sources.line.stamp_columns import Times, times

FEW_LINES = 50
"""Fewer that tell something are read one by one sooner than in columns."""

_DURATIONS = frozenset(prefix + unit for prefix in ("", "handshake_") for unit in MS)


class _Lines(NamedTuple):
    """Some lines of the block: their words, their places in it and their times."""

    words: Words
    places: pl.Series
    at: pl.Series

    def of(self, which: pl.Series) -> _Lines:
        if which.all():
            return self
        return _Lines(self.words.of(which), self.places.filter(which), self.at.filter(which))


class ToldLines:
    """The lines of one block as one format reads them."""

    def __init__(self, made: Format, lines: pl.Series, plain: pl.Series, clock: Clock) -> None:
        """`plain`: which of the lines are printable ASCII, where all engines of patterns agree."""
        self._made, self._clock = made, clock
        self._times = Times(pl.Series(dtype=EVENTS["ts"]), 0.0, frozenset())
        self._parts: list[tuple[Rule, _Lines]] = []
        self._untold = pl.Series(dtype=pl.Int64)
        silent = made.gate.silent(lines) & plain
        if _each_alone(made.document):
            maybe = ~silent & plain & ~lines.str.starts_with("{")
            if maybe.sum() >= FEW_LINES:
                try:
                    self._part(lines.filter(maybe), maybe.arg_true().cast(pl.Int64))
                except pl.exceptions.ComputeError:  # a user's pattern that only Python knows
                    self._parts, self._untold = [], self._untold.clear()
        silent = silent.scatter(self._untold, True)
        telling = pl.concat([pl.Series(dtype=pl.Int64), *(part.places for _, part in self._parts)])
        at = pl.concat([pl.Series(dtype=EVENTS["ts"]), *(part.at for _, part in self._parts)])
        order = telling.arg_sort()
        self._telling, self._at = telling.gather(order).to_numpy(), at.gather(order)
        self._passed = np.zeros(len(lines), np.bool_)
        self.silent = [*(~silent).arg_true().to_list(), len(lines)]
        self.settled = [*(~silent.scatter(telling, True)).arg_true().to_list(), len(lines)]

    def pass_over(self, begin: int, end: int) -> tuple[int, int]:
        """Pass over lines; how many of them tell something, and the place behind the last."""
        self._passed[begin:end] = True
        first, behind = map(int, np.searchsorted(self._telling, (begin, end)))
        if first == behind:
            return 0, begin
        self._clock.passed(self._at[behind - 1], self._times.resolution_ms, self._times.assumed)
        return behind - first, int(self._telling[behind - 1]) + 1

    def rows(self, first: int, maker: RowMaker) -> pl.DataFrame:
        """The event rows of the lines that were passed over; `first` is the block's first line."""
        frames = [frame for rule, part in self._parts for frame in self._rows(rule, part, maker)]
        if not frames:
            return pl.DataFrame(schema=WHILE_READ)
        made = pl.concat(frames, how="diagonal").sort("pos", maintain_order=True)
        missing = [name for name in WHILE_READ if name not in made]
        nothing = {name: pl.lit(None, WHILE_READ[name]) for name in missing}
        return made.with_columns(pl.col("pos") + first, **nothing).select(WHILE_READ.names())

    def _part(self, lines: pl.Series, places: pl.Series) -> None:
        """Part the lines by the rules that hold of them; where none does, they tell nothing."""
        words = Words.in_lines(self._made.document, lines)
        self._times = times(words["time"], self._clock)
        rest = _Lines(words, places, self._times.at)
        for rule in self._made.document.rule:
            held = _holds(rule, rest.words)
            part = rest.of(held)
            if rule.match:
                hit = part.words["message"].str.contains(rule.match)
                part, held = part.of(hit), held.scatter(held.arg_true(), hit)
                part.words.learn(rule.match)
            known = part.at.is_not_null()
            for word in filter(part.words.has, _numbers(rule)):
                known &= ~part.words.odd(word)
            if known.any() and rule.rows and all(row["kind"] != Kind.CLOSE for row in rule.rows):
                self._parts.append((rule, part.of(known)))
            rest = rest.of(~held)
            if not len(rest.places):
                break
        self._untold = rest.places.filter(rest.at.is_not_null())

    def _rows(self, rule: Rule, part: _Lines, maker: RowMaker) -> Iterator[pl.DataFrame]:
        passed = pl.Series(self._passed[part.places.to_numpy()])
        if not passed.any():
            return
        words, places, at = part.of(passed)
        columns = RowColumns(maker)
        told = columns.told(words)
        for constants in rule.rows:
            made = told | columns.row(words, constants)
            if "vantage" not in made:
                made["vantage"] = constant(self._made.vantage, len(words))
            made["ts"] = self._moment(constants.get("at", ""), words, at)
            made["pos"] = places
            yield pl.DataFrame({name: made[name].cast(WHILE_READ[name]) for name in made})

    def _moment(self, at: str, words: Words, instants: pl.Series) -> pl.Series:
        means = self._made.document.time
        if not at or means in ("event", at):
            return instants
        micros = (duration_ms(words) * 1000).round(mode="half_to_even").cast(pl.Int64)
        lasted = micros.cast(pl.Duration("us"))
        return instants + lasted if means == "start" else instants - lasted


def _each_alone(document: Document) -> bool:
    """True for a format of lines that say all themselves, and always from the same side."""
    if document.reads != "line" or document.vantage == "either" or document.anonymous:
        return False
    words = re.compile(document.pattern).groupindex.keys()
    return "time" in words and not words & {"started", "vantage"}


def _holds(rule: Rule, words: Words) -> pl.Series:
    held = constant(True, len(words))
    for word, value in rule.where.items():
        if isinstance(value, list):
            held &= words[word].is_in(value)
        elif value.startswith("~"):
            held &= words[word].str.contains(value[1:])
        else:
            held &= words[word] == value
    return held


def _numbers(rule: Rule) -> set[str]:
    """The words that become numbers in the rows of a rule."""
    stated = (row.get(column, "") for row in rule.rows for column in (*LIMITS, "ms"))
    return {*LIMITS, *_DURATIONS, *WORD.findall(" ".join(stated))}
