"""Texts of which one must stand in a line for a pattern to match: cheap to look for first."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P<\w+>|<?[=!]|:)|\{\d*,?\d*\}|.",
    re.DOTALL,
)
_UNCOMMON = re.compile(r"\(\?(?!P<\w|<?[=!]|:)")
_SHORTEST = 2


class Searches:
    """Alternatives, any of which may stand in a text."""

    def __init__(self, patterns: Iterable[str]) -> None:
        whole = "|".join(patterns)
        self._search = re.compile(whole).search
        self._needles = needles(whole)

    def search(self, text: str) -> re.Match[str] | None:
        """The first place where one of the patterns matches."""
        if self._needles and not any(map(text.__contains__, self._needles)):
            return None
        return self._search(text)


def needles(pattern: str) -> tuple[str, ...]:
    """One of these stands in each text that the pattern matches; none where that is not known."""
    if _UNCOMMON.search(pattern):
        return ()
    return tuple(sorted(_any_of(_TOKEN.findall(pattern), 0)[0]))


def _any_of(tokens: list[str], at: int) -> tuple[set[str], int]:
    """The needles of all alternatives of a group, or none; and the place behind it."""
    found: set[str] = set()
    known = True
    while True:
        told, at = _all_of(tokens, at)
        found |= told
        known = known and bool(told)
        if at >= len(tokens) or tokens[at] == ")":
            return found if known else set(), at + 1
        at += 1


def _all_of(tokens: list[str], at: int) -> tuple[set[str], int]:
    """The most telling part of one alternative, and where it ends."""
    parts: list[set[str]] = []
    text = ""
    while at < len(tokens) and tokens[at] not in "|)":
        piece = tokens[at]
        inner, at = _any_of(tokens, at + 1) if piece[0] == "(" else (set(), at + 1)
        if piece[0] == "(" and piece[-1] in "=!":
            inner = set()
        times = at
        while times < len(tokens) and _is_quantifier(tokens[times]):
            times += 1
        if times > at and not tokens[at].startswith(("+", "{1")):
            parts.append({text})  # what may be missing is not relied on
            text = ""
        elif letter := _letter(piece):
            text += letter
            if times > at:
                parts.append({text})
                text = ""
        else:
            parts += [{text}, inner]
            text = ""
        at = times
    best = max([{text}, *parts], key=_worth)
    return best if _worth(best) >= _SHORTEST else set(), at


def _letter(piece: str) -> str:
    """The character that stands for itself; empty for all that does not."""
    if len(piece) == 1:
        return "" if piece in ".^$" else piece
    return piece[1] if piece[0] == "\\" and not piece[1].isalnum() else ""


def _is_quantifier(piece: str) -> bool:
    return piece in "?*+" or (piece[0] == "{" and len(piece) > 1)


def _worth(part: set[str]) -> int:
    return min(map(len, part), default=0)
