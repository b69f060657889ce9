"""The key=value pairs and JSON fields of a log line, under names that can be compared.

Programs name the same thing in many ways (`closeCode`, `ws.close_code`, `statusCode`), so names are
compared without case and separators, whole first (`client.address`), then by their last part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from wsdiag.sources.line import field_names

_EQUALS = re.compile(
    r"(?:^|(?<=[\s{(\[,;|&?\"']))"
    r"[\"']?(?P<name>[A-Za-z_@][\w.@-]{0,47})[\"']?\s?=(?!=)\s?"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[\w.]+\((?:[^)\"']|\"[^\"]*\"|'[^']*')*\)"
    r"|[^\s,;&}\])\"']*)"
)
_COLON = re.compile(
    r"(?:(?:^|(?<=[\s{(\[,;|]))[\"'](?P<quoted>[A-Za-z_@][\w.@-]{0,47})[\"']\s?:\s?"
    r"|(?:^|(?<=[\s{(\[,;|]))(?P<plain>[A-Za-z_][\w.-]{0,47}):\s"
    r"|(?<=[{,])(?P<tight>[A-Za-z_][\w.-]{0,47}):)"
    r"\s*(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
    r"|-?\d[\w.:%µ-]*|[\w.-]+(?: [\w.-]+){0,7}(?=\s*[,}\])])|[\w.-]+$)"
)
_ESCAPED = re.compile(r"\\(.)")
_PAIRS_READ = 2_000
"""Characters of a message in which pairs are looked for."""

NOTHING = frozenset({"", "-", "null", "none", "nil", "undefined", "<nil>", "n/a", "unknown", "{}"})
_SEPARATORS = re.compile(r"[_\-]")


def split_fields(message: str) -> dict[str, str]:
    """The key=value, logfmt and `key: value` pairs in a message; the first of a name wins."""
    text = message[:_PAIRS_READ]
    found: dict[str, str] = {}
    if "=" in text:
        for pair in _EQUALS.finditer(text):
            if pair.start() and text[pair.start() - 1] in "?&" and not _hidden(pair["name"]):
                continue  # what a query says is not shown, unless by a pseudonym
            found.setdefault(pair["name"], unquoted(pair["value"]))
    if ":" in text:
        for pair in _COLON.finditer(text):
            name = pair["quoted"] or pair["plain"] or pair["tight"]
            found.setdefault(name, unquoted(pair["value"]))
    return found


def spread(fields: Mapping[str, object], pairs: Mapping[str, str]) -> dict[str, str]:
    """Fields and pairs under comparable names; what says nothing (null, empty) is left out."""
    said: dict[str, str] = {}
    tails: dict[str, str] = {}
    for source in (fields, pairs):
        for name, value in source.items():
            if value is None:
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text.lower() in NOTHING:
                continue
            low = name.lower()
            said.setdefault(_SEPARATORS.sub("", low.replace(".", "")), text)
            if "." in low:
                tails.setdefault(_SEPARATORS.sub("", low.rsplit(".", 1)[1]), text)
    return {**tails, **said}


def first(said: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The value of the first of `names` that is there."""
    for name in names:
        value = said.get(name)
        if value is not None:
            return value
    return None


def unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text


def _hidden(name: str) -> bool:
    """True for a field that is shown by a pseudonym only."""
    return _SEPARATORS.sub("", name.lower()) in {
        *field_names.TOKEN,
        *field_names.USER,
        *field_names.CREDENTIALS,
    }
