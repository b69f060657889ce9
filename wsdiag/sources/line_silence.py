"""Which lines of no format surely give no event, judged for the whole column of a block at once.

Most lines of an application's log are such: nothing stands in them that any reader of single lines
looks for: no sign of a wrapper, a record or a transcript, no stem of a phrase, no format's need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import polars as pl

from wsdiag.sources.line_format import Format, Gates
from wsdiag.sources.line_wrapper import WRAPPED
from wsdiag.sources.log_reader import OTHER_SIGNS
from wsdiag.sources.stack_marks import STACK_MARKS
from wsdiag.sources.vocabulary import STEMS


def loud(lines: pl.Series, plain: pl.Series, by_line: Gates, by_message: Gates) -> pl.Series:
    """True for a line that may say something; `plain`: which lines are printable ASCII.

    Signs are looked for in turn, the most telling first, and only where none was found before.
    """
    places, rest = plain.arg_true(), lines.filter(plain)
    for found in _signs(by_line, by_message):
        silent = ~found(rest)
        places, rest = places.filter(silent), rest.filter(silent)
    return pl.repeat(True, len(lines), eager=True).scatter(places, False)


def _signs(by_line: Gates, by_message: Gates) -> Iterator[Callable[[pl.Series], pl.Series]]:
    telling = ["{", *OTHER_SIGNS, *STACK_MARKS, *by_message.needs]
    yield lambda lines: lines.str.contains_any(telling)
    yield lambda lines: lines.str.contains_any(list(STEMS), ascii_case_insensitive=True)
    yield lambda lines: lines.str.contains(WRAPPED)
    for made in by_line.formats:
        yield partial(_matched, made)


def _matched(made: Format, lines: pl.Series) -> pl.Series:
    wanted = lines.str.contains_any(list(made.needs))
    return wanted.scatter(wanted.arg_true(), made.gate.matches(lines.filter(wanted)))
