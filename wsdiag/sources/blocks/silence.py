"""Which lines of no format surely give no event, judged for the whole column of a block at once.

Most lines of an application's log are such: nothing stands in them that any reader of single lines
looks for: no sign of a wrapper or a transcript, no stem of a phrase, no format's need. So it is
with most JSON objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import polars as pl

from wsdiag.sources.context.raised import BEGINS_A_STACK
from wsdiag.sources.context.stack_marks import STACK_MARKS
from wsdiag.sources.formats.line_format import Format, Gates
from wsdiag.sources.line.constant_columns import constant
from wsdiag.sources.line.wrapper import WRAPPED
from wsdiag.sources.line_by_line.log_reader import OTHER_SIGNS
from wsdiag.sources.prose.vocabulary import STEMS

_TOGETHER = 200
_RECORD_SIGNS = (
    *("\\u", "\\/"),  # letters in another notation
    *("rss", "RSS"),  # of fields only this name tells something
    *('"log":', '"log" :', "__REALTIME", "resourceLogs"),  # a wrapper, or several records
    *('"< ', '"> ', '"= ', '"! ', '"% ', '"x ', '"- ', '"server ', '"client ', "websockets"),
)
_FIELD = r'"[\w.@-]*":'
_objects = msgspec.json.Decoder(list[dict[str, object]]).decode


def loud(lines: pl.Series, plain: pl.Series, by_line: Gates, by_message: Gates) -> pl.Series:
    """True for a line that may say something; `plain`: which lines are printable ASCII.

    Signs are looked for in turn, the most telling first, and only where none was found before.
    """
    places, rest = plain.arg_true(), lines.filter(plain)
    for found in _signs(by_line, by_message):
        silent = ~found(rest)
        places, rest = places.filter(silent), rest.filter(silent)
    return constant(True, len(lines)).scatter(places, False)


def loud_records(
    lines: pl.Series, plain: pl.Series, by_message: Gates, by_record: Gates
) -> pl.Series:
    """True for a line that may say something or is no JSON object."""
    telling = [*_RECORD_SIGNS, *by_message.needs, *by_record.needs]
    silent = plain & lines.str.starts_with('{"') & ~lines.str.contains_any(telling)
    places, rest = silent.arg_true(), lines.filter(silent)
    values = rest.str.replace_all(_FIELD, "")
    silent = ~values.str.contains_any(list(STEMS), ascii_case_insensitive=True)
    places, rest = places.filter(silent), rest.filter(silent)
    whole = [_are_objects(rest[at : at + _TOGETHER]) for at in range(0, len(rest), _TOGETHER)]
    objects = pl.Series(whole, dtype=pl.Boolean).gather(
        pl.int_range(len(rest), eager=True) // _TOGETHER
    )
    return constant(True, len(lines)).scatter(places.filter(objects), False)


def _are_objects(texts: pl.Series) -> bool:
    try:
        return len(_objects(f"[{','.join(texts)}]")) == len(texts)
    except (msgspec.DecodeError, RecursionError):
        return False


def _signs(by_line: Gates, by_message: Gates) -> Iterator[Callable[[pl.Series], pl.Series]]:
    telling = ["{", *OTHER_SIGNS, *STACK_MARKS, *by_message.needs]
    yield lambda lines: lines.str.contains_any(telling)
    yield lambda lines: lines.str.contains_any(list(STEMS), ascii_case_insensitive=True)
    yield lambda lines: lines.str.contains(WRAPPED)
    yield lambda lines: lines.str.contains(BEGINS_A_STACK)
    for made in by_line.formats:
        yield partial(_matched, made)


def _matched(made: Format, lines: pl.Series) -> pl.Series:
    wanted = lines.str.contains_any(list(made.needs))
    return wanted.scatter(wanted.arg_true(), made.gate.matches(lines.filter(wanted)))
