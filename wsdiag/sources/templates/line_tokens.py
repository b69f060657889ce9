"""The parts of a log line that differ from line to line: times, addresses, numbers, ids.

What is left of a line without them is its skeleton. Lines of one skeleton were mostly written by
one statement of a program (a log template; the mining of such is known from Drain, He et al. 2017).
"""

from __future__ import annotations

import random
import re

import polars as pl

from wsdiag.sensitive import TOKEN_SIGNS
from wsdiag.sources.prose.vocabulary import NUMBERS, STEMS

MARK = "\x01"
"""Stands in a skeleton for each token."""

_HEX = "[0-9a-f]"
_UUID = rf"\b{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_STAMP = (
    r"\b(?:(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]|[0-9]{4}/[0-9]{2}/[0-9]{2} "
    r"|[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:|[0-9]{2}\.[0-9]{2}\.[0-9]{4} )"
    r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?: ?(?:Z\b|[+-][0-9]{2}:?[0-9]{2}\b))?"
    rf"|{_MONTH} [0-9 ][0-9] [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?"
    r"(?: 20[0-9]{2}\b)?"
    r"|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4},? [0-9]{1,2}:[0-9]{2}:[0-9]{2} [AP]M\b)"
)
_ADDRESS = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?\b"
_JWT = r"\beyJ[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]*){1,2}"
_ID = r"\b[A-Za-z]{0,11}[0-9][0-9A-Za-z_-]{9,}"
_MIXED = rf"\b(?:[0-9]+[a-f]|[a-f]+[0-9]){_HEX}*\b"
_SECONDS = r"\b[12][0-9]{9}\.[0-9]{1,9}\b"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
TOKEN = "|".join((_UUID, _STAMP, _ADDRESS, _JWT, _SECONDS, _ID, _MIXED, _NUMBER))
"""A pattern of polars, which has no lookaround: of the alternatives the first counts."""

_IS_NUMBER = re.compile(r"(?P<whole>[0-9]+)(?P<rest>\.[0-9]+)?")
_IS_OF = {
    "stamp": re.compile(_STAMP),
    "address": re.compile(_ADDRESS),
    "jwt": re.compile(_JWT),
}
_EPOCH_DIGITS = (10, 13, 16, 19)
_LETTERED = r"[A-Za-z_-]"
_LIKE_A_KEY = r"[0-9A-Za-z]{35}"
"""As long a run may be a secret without any other sign."""

_STEMS = [word for word in STEMS if len(word) > 2]
"""Words of two letters stand in ids by chance, and tell nothing alone."""

_BOUNDS = (
    "99",
    "100",
    "600",
    "999",
    "1000",
    "1500",
    "3000",
    "4000",
    "4999",
    "5000",
    "65535",
    "65536",
)
"""Numbers at the bounds of what is a status, a close code or a port."""

_TRIED = 3


def form(token: str) -> str:
    """A pattern of the tokens that are written as this one: as many digits, as long an id."""
    number = _IS_NUMBER.fullmatch(token)
    if number:
        width = len(number["whole"])
        first = "0" if token[0] == "0" else "[1-9]"
        rest = r"\.[0-9]{1,9}" if number["rest"] else ""
        return f"{first}[0-9]{{{width - 1}}}{rest}" if width > 1 else first + rest
    if _IS_OF["stamp"].fullmatch(token):
        return re.sub(
            "[0-9]", "[0-9]", re.escape(token).replace("AM", "[AP]M").replace("PM", "[AP]M")
        )
    if _IS_OF["address"].fullmatch(token):
        return r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}" + (":[0-9]{1,5}" if ":" in token else "")
    if _IS_OF["jwt"].fullmatch(token):
        return r"eyJ[0-9A-Za-z_-]+" + r"\.[0-9A-Za-z_-]*" * token.count(".")
    return f"[0-9A-Za-z_-]{{{len(token)}}}"


def telling(pattern: str) -> list[str]:
    """The whole numbers of a form that a reader may take for something."""
    of_form = re.compile(pattern).fullmatch
    return sorted(filter(of_form, NUMBERS.union(_BOUNDS))) if not is_id(pattern) else []


def others(token: str) -> list[str]:
    """Tokens of the same form; always the same ones."""
    chance = random.Random(token)  # noqa: S311 - no secret is made of it
    number = _IS_NUMBER.fullmatch(token)
    if number:
        width = len(number["whole"])
        begun = "0" if token[0] == "0" else token[: width // 3]
        made = [_digits(chance, begun, width) for _ in range(_TRIED)]
        if not number["rest"]:
            return made
        return [f"{made[0]}.00", *(f"{text}.{_digits(chance, '', 2)}" for text in made)]
    if _IS_OF["stamp"].fullmatch(token):
        moved = re.sub(r":[0-9]{2}(?=[.,Z +]|$)", ":07", token, count=1)
        return [moved if moved != token else token.replace(":07", ":08", 1)]
    if _IS_OF["address"].fullmatch(token):
        ends = ("10.1.2.3:40000", "93.184.216.34:51000", "127.0.0.1:6000", "203.0.113.9:443")
        return [end if ":" in token else end.partition(":")[0] for end in ends]
    if _IS_OF["jwt"].fullmatch(token):
        head, *rest = token.split(".")
        return [".".join([head, *(_letters(chance, part) for part in rest)]) for _ in range(_TRIED)]
    return [_letters(chance, token) for _ in range(_TRIED)]


def is_stamp(token: str) -> bool:
    """True for a time with its date."""
    return bool(_IS_OF["stamp"].fullmatch(token))


def is_epoch(token: str) -> bool:
    """True for a number that may be seconds, milliseconds, … since 1970."""
    whole, _, rest = token.partition(".")
    width = len(whole)
    return whole.isdecimal() and width in _EPOCH_DIGITS and (not rest or width == _EPOCH_DIGITS[0])


def is_id(pattern: str) -> bool:
    """True for the form of an id: of letters, too."""
    return pattern.startswith("[0-9A-Za-z_-]")


def are_ids(tokens: pl.Series) -> pl.Series:
    """True for a token with letters in which no word stands that a reader looks for, nor the sign
    of a secret, which is hidden where it stands."""
    words = tokens.str.contains_any([*_STEMS, *TOKEN_SIGNS], ascii_case_insensitive=True)
    return ~words & ~tokens.str.contains(_LIKE_A_KEY) & tokens.str.contains(_LETTERED)


def _digits(chance: random.Random, begun: str, width: int) -> str:
    """So many digits; a time, as a long number may be one, remains near."""
    first = begun or chance.choice("123456789")
    return first + "".join(chance.choices("0123456789", k=width - len(first)))


def _letters(chance: random.Random, token: str) -> str:
    """Another token with letters, digits and signs where this has some."""
    return "".join(chance.choice(_instead_of(char)) for char in token)


def _instead_of(char: str) -> str:
    if char.isdecimal():
        return "0123456789"
    if char.islower():
        return "abcdef" if char in "abcdef" else "ghkqvwxz"
    return "ABCDEFGHKQVWXZ" if char.isupper() else char
