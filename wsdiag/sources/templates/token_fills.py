"""How a value of an event row follows from the tokens of its line: found by trying, then done for
many lines at once.

A value is a number that the line states in some unit, a text with the tokens in it, or what one of
few functions makes of them: a pseudonym, an address as it may be shown, a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice, product
from typing import NamedTuple, Protocol

import polars as pl

from wsdiag import redact
from wsdiag.sources.context.only_if import WHILE_READ
from wsdiag.sources.line import quantities, shown_values

Tokens = Sequence[str]
Columns = Mapping[int, pl.Series]

_SCALES = (1.0, 1e3, 6e4, 3.6e6, 1e-3, 1e-6)
"""Milliseconds in the units that logs state durations in."""

_FACTORS = (1, 1024, 1024**2, 1024**3)
_MOST_PLACES = 256
"""Ways to place tokens in a text that are tried."""


def _expiry(token: str) -> datetime | None:
    return redact.jwt_times(token)[1]


_MADE: dict[str, tuple[Callable[[str], object], ...]] = {
    "conn": (shown_values.connection_id, redact.session),
    "user": (redact.user,),
    "peer": (shown_values.peer,),
    "token": (redact.token,),
    "expires": (quantities.instant, _expiry),
}


class Fill(Protocol):
    """Makes one value of a row."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens it is made of."""

    def one(self, tokens: Tokens) -> object:
        """The value of one line."""

    def many(self, column: str, tokens: Columns) -> pl.Series:
        """The values of many lines, each token a column."""


class Scaled(NamedTuple):
    """A number of which the row has so many times as much."""

    tokens: tuple[int]
    factor: float

    def one(self, tokens: Tokens) -> object:
        text = tokens[self.tokens[0]]
        if isinstance(self.factor, int):
            return int(text) * self.factor if text.isdecimal() else None
        return float(text) * self.factor

    def many(self, column: str, tokens: Columns) -> pl.Series:
        kind = pl.Int64 if isinstance(self.factor, int) else pl.Float64
        return (tokens[self.tokens[0]].cast(kind) * self.factor).cast(WHILE_READ[column])


class Texts(NamedTuple):
    """A text in which tokens stand between other parts, of which there is one more."""

    parts: tuple[str, ...]
    tokens: tuple[int, ...]

    def one(self, tokens: Tokens) -> object:
        told = [tokens[token] for token in self.tokens]
        return "".join(a + b for a, b in zip(self.parts, [*told, ""], strict=True))

    def many(self, column: str, tokens: Columns) -> pl.Series:
        made = self.parts[0] + tokens[self.tokens[0]]
        for token, part in zip(self.tokens[1:], self.parts[1:], strict=False):
            made = made + part + tokens[token]
        return (made + self.parts[-1] if self.parts[-1] else made).cast(WHILE_READ[column])


class Made(NamedTuple):
    """What a function makes of the tokens, joined by colons."""

    function: Callable[[str], object]
    tokens: tuple[int, ...]

    def one(self, tokens: Tokens) -> object:
        return self.function(":".join(tokens[token] for token in self.tokens))

    def many(self, column: str, tokens: Columns) -> pl.Series:
        joined = tokens[self.tokens[0]]
        for token in self.tokens[1:]:
            joined = joined + ":" + tokens[token]
        texts = joined.to_list()
        known = {text: self.function(text) for text in set(texts)}
        return pl.Series([known[text] for text in texts], dtype=WHILE_READ[column])


def found(
    column: str, cases: Sequence[tuple[Tokens, object]], moving: Sequence[int]
) -> Fill | None:
    """What makes the values of a column in all cases; `moving` are the tokens that change it."""
    for fill in _candidates(column, cases[0], moving):
        if all(_agrees(fill, tokens, value) for tokens, value in cases):
            return fill
    return None


def _agrees(fill: Fill, tokens: Tokens, value: object) -> bool:
    try:
        made = fill.one(tokens)
    except (ValueError, OverflowError):
        return False
    return made == value


def _candidates(column: str, case: tuple[Tokens, object], moving: Sequence[int]) -> list[Fill]:
    tokens, value = case
    kind, made = WHILE_READ[column], tuple(moving)
    functions: list[Fill] = [Made(function, made) for function in _MADE.get(column, ())]
    if kind == pl.Float64:
        return [Scaled((made[0],), scale) for scale in _SCALES] if len(made) == 1 else []
    if kind.is_integer():
        return [Scaled((made[0],), factor) for factor in _FACTORS] if len(made) == 1 else []
    if isinstance(value, str):
        return [*_in_text(value, tokens, made), *functions]
    return functions


def _in_text(value: str, tokens: Tokens, moving: tuple[int, ...]) -> list[Fill]:
    """The ways in which the tokens may stand in a text, in their order or not."""
    places = [
        [at for at in range(len(value)) if value.startswith(tokens[token], at)] for token in moving
    ]
    ways: list[Fill] = []
    for chosen in islice(product(*places), _MOST_PLACES):
        spans = sorted(
            (at, at + len(tokens[token]), token) for at, token in zip(chosen, moving, strict=True)
        )
        ends = [0, *(end for _, end, _ in spans)]
        begins = [*(begin for begin, _, _ in spans), len(value)]
        if all(end <= begin for end, begin in zip(ends, begins, strict=True)):
            parts = tuple(value[end:begin] for end, begin in zip(ends, begins, strict=True))
            ways.append(Texts(parts, tuple(token for _, _, token in spans)))
    return ways
