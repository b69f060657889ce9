"""The words of many lines of one format at once, each a column: `line_fields.Fields` in columns.

The lines are printable ASCII: there the engines of Python and polars agree on patterns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from wsdiag.sources.format_document import Document
from wsdiag.sources.line_fields import DERIVED, KEY, WORD, WS_PATH

_KEY = f"(?:^|[^A-Za-z0-9+/])({KEY})"
_WEBSOCKET = f"(?i:{WS_PATH.pattern})"
_NUMBER = r"^(?:-|\+?-?\d{1,9}(?:[.,]\d{1,9})?)$"


class Words:
    """The words of lines; a word that a line does not have is empty."""

    def __init__(
        self, lines: pl.Series, found: dict[str, pl.Series], finds: Sequence[str] = ()
    ) -> None:
        self._lines, self._found, self._finds = lines, found, finds

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
        if self._finds and (word not in self._found or (self._found[word] == "").any()):
            self._search()
        if word not in self._found:
            self._found[word] = self._derived(word) if word in DERIVED else self._constant("")
        return self._found[word]

    def has(self, word: str) -> bool:
        """True where any line has the word."""
        if word not in self._found and not self._finds and word not in DERIVED:
            return False
        return bool((self[word] != "").any())

    def learn(self, pattern: str) -> None:
        """The groups of a pattern that is found in each line's message join the words."""
        if re.compile(pattern).groupindex:
            for word, column in _groups(self["message"], pattern).items():
                self._found[word] = _first(column, self[word])

    def filled(self, template: str) -> pl.Series:
        """The text with each `{word}` replaced; empty where such a word is."""
        parts = WORD.split(template)
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

    def _constant(self, text: str) -> pl.Series:
        return pl.repeat(text, len(self), eager=True)

    def _search(self) -> None:
        finds, self._finds = self._finds, ()
        for pattern in finds:
            for word, column in _groups(self._lines, pattern).items():
                known = self._found.get(word)
                self._found[word] = column if known is None else _first(known, column)

    def _derived(self, word: str) -> pl.Series:
        if word == "message":
            return self._lines
        if word == "key":
            return self._key(self["captures"])
        if word == "websocket":
            key = self._key(_first(self._found.get("key", self._constant("")), self["captures"]))
            asks = (self["upgrade"].str.to_lowercase() == "websocket") | (key != "")
            asks |= self["path"].str.contains(_WEBSOCKET)
            return pl.select(pl.when(asks).then(pl.lit("yes")).otherwise(pl.lit(""))).to_series()
        pattern = "^[^ ]* ([^ ]*)" if word == "path" else "^([^ ]*)"
        return self["request"].str.extract(pattern, 1).fill_null("")

    def _key(self, text: pl.Series) -> pl.Series:
        return text.str.extract(_KEY, 1).fill_null("")


def _groups(texts: pl.Series, pattern: str) -> dict[str, pl.Series]:
    """The named groups of a pattern where it first matches; empty where it does not."""
    found = texts.str.extract_groups(pattern).struct
    return {word: found.field(word).fill_null("") for word in re.compile(pattern).groupindex}


def _first(one: pl.Series, other: pl.Series) -> pl.Series:
    """The one, where it is not empty, else the other."""
    if not (one == "").any():
        return one
    return one.zip_with(one != "", other)
