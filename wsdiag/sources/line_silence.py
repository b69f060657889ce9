"""Which lines of no format surely give no event, judged for the whole column of a block at once.

Most lines of an application's log are such: nothing stands in them that any reader of single lines
looks for: no sign of a wrapper, a record or a transcript, no stem of a phrase, no format's need.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import polars as pl

from wsdiag.sources.line_format import Format, Gates
from wsdiag.sources.line_wrapper import WRAPPED
from wsdiag.sources.stack_marks import STACK_MARKS
from wsdiag.sources.vocabulary import STEMS


class Silence:
    """The lines of one block."""

    def __init__(
        self,
        lines: pl.Series,
        plain: pl.Series,
        by_line: Gates,
        by_message: Gates,
        signs: Iterable[str],
    ) -> None:
        """`plain`: which lines are printable ASCII; `signs`: what else tells that one is loud."""
        self._lines, self._plain = lines, plain
        self._by_line, self._telling = by_line, ["{", *signs, *STACK_MARKS, *by_message.needs]
        self._of_none: dict[str, list[int]] = {}

    def of_none(self, last: Format | None, at: int) -> int:
        """The first place from `at` on of a line that may give events or be of any format.

        `last` is the format that reads lines even where its need does not stand.
        """
        name = last.id if last else ""
        if name not in self._of_none:
            loud = self._loud()
            self._of_none[name] = _places(loud | last.gate.matches(self._lines) if last else loud)
        places = self._of_none[name]
        return places[bisect_left(places, at)]

    def _loud(self) -> pl.Series:
        """Looked for in turn, the most telling first, and only where nothing was found before."""
        places, lines = self._plain.arg_true(), self._lines.filter(self._plain)
        for found in self._signs():
            silent = ~found(lines)
            places, lines = places.filter(silent), lines.filter(silent)
        return pl.repeat(True, len(self._lines), eager=True).scatter(places, False)

    def _signs(self) -> Iterator[Callable[[pl.Series], pl.Series]]:
        yield lambda lines: lines.str.contains_any(self._telling)
        yield lambda lines: lines.str.contains_any(list(STEMS), ascii_case_insensitive=True)
        yield lambda lines: lines.str.contains(WRAPPED)
        for made in self._by_line.formats:
            yield partial(_matched, made)


def _matched(made: Format, lines: pl.Series) -> pl.Series:
    wanted = lines.str.contains_any(list(made.needs))
    return wanted.scatter(wanted.arg_true(), made.gate.matches(lines.filter(wanted)))


def _places(true: pl.Series) -> list[int]:
    """Where it is true, and behind its end."""
    return [*true.arg_true().to_list(), len(true)]
