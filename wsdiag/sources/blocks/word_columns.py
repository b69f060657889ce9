"""The words of many lines of one format at once, each a column: `words.Fields` in columns.

The lines are printable ASCII: there the engines of Python and polars agree on patterns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import polars as pl

from wsdiag.sources.formats.document import Document
from wsdiag.sources.formats.words import ASKING, DERIVED, KEY, POLLED, WORD, WS_PATH
from wsdiag.sources.line.constant_columns import constant

_KEY = f"(?:^|[^A-Za-z0-9+/])({KEY})"
_WEBSOCKET = f"(?i:{WS_PATH.pattern})"
_SAMPLE = 64
"""Lines that tell which searches find something in most of them."""

_CLASS = re.compile(r"\\[dDsSwW]|\[\^?\]?(?:\\.|[^\]\\])*\]")
_PIECE = re.compile(rf"{_CLASS.pattern}|\\.|[^\\\[]+", re.DOTALL)
_NOWHERE = pl.Series(dtype=pl.UInt32)
_NAME = re.compile(r"\(\?P<\w+>")
_NUMBER = r"^(?:-|\+?-?\d{1,9}(?:[.,]\d{1,9})?)$"


class Words:
    """The words of lines; a word that a line does not have is empty."""

    def __init__(
        self, lines: pl.Series, found: dict[str, pl.Series], finds: Sequence[str] = ()
    ) -> None:
        self._lines, self._found, self._finds = lines, found, finds
        self._there: dict[str, bool] = {}  # which words some line has, as far as it was asked

    @classmethod
    def in_lines(cls, document: Document, lines: pl.Series) -> Words:
        """The words of lines that match the format's pattern."""
        if not document.common:
            return cls(lines, _groups(lines, document.pattern), document.find)
        found = _groups(lines, document.common)
        others = (found["time"] == "").arg_true()
        if len(others):
            rest = _groups(lines.gather(others), document.pattern)
            found = {word: found[word].scatter(others, rest[word]) for word in found}
        return cls(lines, found, document.find)

    def __len__(self) -> int:
        return len(self._lines)

    def of(self, which: pl.Series) -> Words:
        """The words of some of the lines: those where it is true."""
        found = {word: column.filter(which) for word, column in self._found.items()}
        return Words(self._lines.filter(which), found, self._finds)

    def __getitem__(self, word: str) -> pl.Series:
        """One word of each line."""
        column = self._column(word)
        return self._constant("") if column is None else column

    def has(self, word: str) -> bool:
        """True where any line has the word."""
        if word not in self._there:
            column = self._column(word)
            self._there[word] = column is not None and bool((column != "").any())
        return self._there[word]

    def learn(self, pattern: str) -> None:
        """The groups of a pattern that is found in each line's message join the words."""
        if re.compile(pattern).groupindex:
            self._there.clear()
            for word, column in _groups(self["message"], pattern).items():
                self._found[word] = _first(column, self[word])

    def filled(self, template: str) -> pl.Series:
        """The text with each `{word}` replaced; empty where such a word is."""
        parts = WORD.split(template)
        if not all(map(self.has, parts[1::2])):
            return self._constant("")
        columns = [
            self[part] if number % 2 else self._constant(part) for number, part in enumerate(parts)
        ]
        if len(parts) == 1 or not (parts[0] or parts[2:] != [""]):
            return columns[len(parts) // 2]
        named = columns[1::2]
        frame = pl.DataFrame({str(number): column for number, column in enumerate(columns)})
        known = pl.all_horizontal(pl.col(str(2 * n + 1)) != "" for n in range(len(named)))
        return frame.select(
            pl.when(known).then(pl.concat_str(pl.all())).otherwise(pl.lit(""))
        ).to_series()

    def odd(self, word: str) -> pl.Series:
        """True where the word is neither empty nor a number in the usual notation."""
        text = self[word]
        return (text != "") & ~text.str.contains(_NUMBER)

    def _column(self, word: str) -> pl.Series | None:
        """One word of each line; None where no line has it."""
        if self._finds and (word not in self._found or (self._found[word] == "").any()):
            self._search()
        if word not in self._found and word in DERIVED:
            self._found[word] = self._derived(word)
        return self._found.get(word)

    def _constant(self, text: str) -> pl.Series:
        return constant(text, len(self))

    def _search(self) -> None:
        """Search for all words; for what is rare by one look for any of it, first."""
        finds, self._finds = self._finds, ()
        sample = self._lines.head(_SAMPLE)
        rare = [one for one in finds if not sample.str.contains(in_ascii(one)).any()]
        any_rare = in_ascii("|".join(map(_unnamed, rare)))
        places = self._lines.str.contains(any_rare).arg_true() if rare else _NOWHERE
        few = self._lines.gather(places)
        for pattern in finds:
            if pattern not in rare:
                told = _groups(self._lines, pattern)
            elif len(few):
                none = self._constant("")
                told = {
                    word: none.scatter(places, column)
                    for word, column in _groups(few, pattern).items()
                }
            else:
                continue
            for word, column in told.items():
                known = self._found.get(word)
                self._found[word] = column if known is None else _first(known, column)

    def _derived(self, word: str) -> pl.Series:
        if word == "message":
            return self._lines
        if word == "key":
            return self._key(self["captures"]) if self.has("captures") else self._constant("")
        if word == "websocket":
            asks = self["path"].str.contains(_WEBSOCKET) & self["method"].is_in(ASKING)
            asks &= ~self["path"].str.contains(in_ascii(POLLED))
            if self.has("upgrade"):
                asks |= self["upgrade"].str.to_lowercase() == "websocket"
            named = self._found.get("key", self._constant(""))
            if self.has("captures") or (named != "").any():
                asks |= self._key(_first(named, self["captures"])) != ""
            return self._constant("yes").zip_with(asks, self._constant(""))
        if not self.has("request"):
            return self._constant("")
        parts = self["request"].str.splitn(" ", 3).struct
        for place, part in enumerate(("method", "path")):
            self._found.setdefault(part, parts.field(f"field_{place}").fill_null(""))
        return self._found[word]

    def _key(self, text: pl.Series) -> pl.Series:
        return text.str.extract(_KEY, 1).fill_null("")


def _groups(texts: pl.Series, pattern: str) -> dict[str, pl.Series]:
    """The named groups of a pattern where it first matches; empty where it does not."""
    found = texts.str.extract_groups(in_ascii(pattern)).struct
    return {word: found.field(word).fill_null("") for word in re.compile(pattern).groupindex}


@lru_cache(256)
def in_ascii(pattern: str) -> str:
    """The pattern for texts of ASCII: with classes of few characters it is matched faster."""
    return _PIECE.sub(_narrowed, pattern)


def _narrowed(piece: re.Match[str]) -> str:
    text = piece.group()
    if text == r"\b":
        return r"(?-u:\b)"
    return rf"[\x00-\x7f&&{text}]" if _CLASS.fullmatch(text) else text


def _unnamed(pattern: str) -> str:
    """The pattern as one of many, among which a name may stand twice."""
    return f"(?:{_NAME.sub('(?:', pattern)})"


def _first(one: pl.Series, other: pl.Series) -> pl.Series:
    """The one, where it is not empty, else the other."""
    if not (one == "").any():
        return one
    return one.zip_with(one != "", other)
