"""Which lines of a format surely give no event, judged for a whole column of lines at once.

A log of requests is mostly about other things than WebSockets. Of each rule of a format it is asked
what must stand in a line for the rule to hold: patterns that are looked for in the line itself,
without parting it into words. That is never more than the rule asks, so a line that passes may
still give nothing: the reader of single lines has the last word on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate, takewhile
from string import ascii_letters, digits

import polars as pl

from wsdiag.sources.formats.document import Document, Rule
from wsdiag.sources.formats.words import ASKS_FOR_UPGRADE, KEY
from wsdiag.sources.line.constant_columns import constant
from wsdiag.sources.line.needles import needles

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P<\w+>|.", re.DOTALL)
_NAME = re.compile(r"\(\?P<\w+>")
_PLAIN = frozenset(' "<>=:,;/@#&%~!') | frozenset(ascii_letters) | frozenset(digits)
_TIMES = frozenset("?*+{")
_ANCHORS = frozenset({"^", "$", r"\b", r"\B", r"\A", r"\Z"})


class Gate:
    """The gate of one format. It takes printable ASCII: there all engines of patterns agree."""

    def __init__(self, document: Document) -> None:
        self._document = document

    @cached_property
    def _rules(self) -> list[tuple[str, ...]]:
        return [tuple(_asked(self._document, rule)) for rule in self._document.rule]

    def matches(self, lines: pl.Series) -> pl.Series:
        """True for each line that may be of the format."""
        try:
            return lines.str.contains(self._document.pattern)
        except pl.exceptions.ComputeError:
            return constant(True, len(lines))

    def silent(self, lines: pl.Series) -> pl.Series:
        """True for each line that is of the format, but of which no rule holds."""
        firsts = sorted({asked[0] for asked in self._rules if asked})
        line = pl.col("line")
        try:
            held = (
                lines.alias("line")
                .to_frame()
                .select(line.str.contains(one).alias(str(n)) for n, one in enumerate(firsts))
            )
            column = dict(zip(firsts, held.get_columns(), strict=True))
            maybe = lines.str.starts_with("{")
            for asked in self._rules:
                if not asked:
                    return constant(False, len(lines))
                maybe |= _all_of(lines, column[asked[0]], asked[1:])
            places = (~maybe).arg_true()
            of_it = lines.gather(places).str.contains(self._document.pattern)
        except pl.exceptions.ComputeError:  # a user's pattern in words that only Python knows
            return constant(False, len(lines))
        return constant(False, len(lines)).scatter(places.filter(of_it), True)


def _all_of(lines: pl.Series, passed: pl.Series, patterns: Iterable[str]) -> pl.Series:
    """The lines that passed so far and in which each of the patterns stands."""
    places = passed.arg_true()
    for pattern in patterns:
        if any_of := needles(pattern):  # quicker to look for than the pattern
            places = places.filter(lines.gather(places).str.contains_any(list(any_of)))
        places = places.filter(lines.gather(places).str.contains(pattern))
    return constant(False, len(lines)).scatter(places, True)


def _asked(document: Document, rule: Rule) -> Iterator[str]:
    """Patterns that all stand in a line of which the rule holds; the quickest to look for first."""
    groups = re.compile(document.pattern).groupindex
    narrow: dict[str, str] = {}
    for word, value in rule.where.items():
        texts = [value] if isinstance(value, str) else value
        if word == "websocket" and word not in groups and "" not in texts:
            yield from _loosened(ASKS_FOR_UPGRADE)
        elif isinstance(value, str) and value.startswith("~"):
            if list(_loosened(value[1:])):
                before, _ = _beside(document, word)
                begins = value[1] == "^" and "|" not in value
                yield from _found(document, word)
                yield from ((before if begins else "") + one for one in _loosened(value[1:]))
        elif "" not in texts:
            exactly = "|".join(map(re.escape, texts))
            around = _beside(document, word)
            yield f"(?:{exactly})".join(around)
            if word in groups and not all(around):
                narrow[word] = exactly
    yield from _loosened(rule.match)
    if narrow:
        yield _narrowed(document.pattern, narrow)


def _found(document: Document, word: str) -> Iterator[str]:
    """What stands in a line whose word is one that the format only finds by a search."""
    searches = [text for text in document.find if f"(?P<{word}>" in text]
    if searches and word not in re.compile(document.pattern).groupindex:
        yield _NAME.sub("(?:", "|".join([*searches, KEY] if word == "key" else searches))


def _beside(document: Document, word: str) -> tuple[str, str]:
    """The characters that stand right before and behind a word in each line of the format."""
    pattern = document.pattern
    if any(f"(?P<{word}>" in text for text in document.find):
        return "", ""
    tokens, name = _TOKEN.findall(pattern), f"(?P<{word}>"
    depths = [0, *accumulate(one.startswith("(") - (one == ")") for one in tokens)]
    either = any(one == "|" and not at for one, at in zip(tokens, depths, strict=False))
    if name not in tokens or either or "(?i" in pattern or depths[tokens.index(name)]:
        return "", ""
    opens = tokens.index(name)
    closes = depths.index(0, opens + 1)
    before = "".join(takewhile(_PLAIN.__contains__, reversed(tokens[:opens])))[::-1]
    behind = "".join(takewhile(_PLAIN.__contains__, tokens[closes:]))
    after = tokens[closes + len(behind) :][:1]
    if after and after[0] in _TIMES:  # the last one may be missing, or the word itself
        return ("", "") if not behind else (before, behind[:-1])
    return before, behind


def _loosened(pattern: str) -> Iterator[str]:
    """What must stand anywhere in a line for a part of it to match; nothing where all may."""
    tokens = _TOKEN.findall(_NAME.sub("(?:", pattern))
    loose = "".join(token for token in tokens if token not in _ANCHORS)
    if not re.search(loose, ""):
        yield loose


def _narrowed(pattern: str, words: dict[str, str]) -> str:
    """The pattern with each of these groups replaced by what it must hold."""
    parts: list[str] = []
    depth, skipped = 0, 0  # the depth at which the group that is left out began
    for piece in _TOKEN.findall(pattern):
        if piece.startswith("("):
            depth += 1
            name = piece[4:-1]
            if not skipped and name in words:
                skipped = depth
                parts.append(f"(?:{words[name]}")
                continue
        if piece == ")":
            skipped = 0 if skipped == depth else skipped
            depth -= 1
        if not skipped:
            parts.append(piece)
    return "".join(parts)
