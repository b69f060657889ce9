"""The phrases of `phrases.toml`, ready to be looked for.

A `Phrase` is one wording: the kind of event, who writes it, stems of which one must occur (cheap to
look for) and a pattern over the lower-cased line, compiled when its stem first occurs.
"""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from functools import cached_property
from importlib import resources

import msgspec

from wsdiag.event import Kind
from wsdiag.sources.line.needles import Searches

FAMILIES = ("handshake", "closing", "heartbeat", "trouble", "credential", "server", "traffic")
"""Each family gives at most one phrase of a line."""

_NAMED = re.compile(r"%([A-Z]+)%")


class Need(StrEnum):
    """What must be known beside the words before they count."""

    NOTHING = "nothing"
    NOT_FOREIGN = "not-foreign"
    CONNECTION = "connection"
    ERROR = "error"  # … or the line is a bare error, with nothing of another program in it
    CLOSE_CODE = "close-code"
    CLOSE_FIELD = "close-field"
    CLOSE_OF_ONE = "close-of-one"  # … and one has the id of the connection
    NO_BUSINESS = "no-business"  # not foreign, and no ticket, order or account


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    kind: Kind
    writer: str
    stems: list[str]
    says: list[str] = []
    reason: list[str] = []
    then: str = ""
    needs: Need = Need.NOTHING
    set: dict[str, str | int] = {}


class _Book(msgspec.Struct, forbid_unknown_fields=True):
    gate: list[str]
    websocket: list[str]
    foreign: list[str]
    business: list[str]
    echo: list[str]
    client: list[str]
    library: list[str]
    unsaid: list[str]
    codes: dict[str, int]
    words: dict[str, str]
    handshake: list[_Entry]
    closing: list[_Entry]
    heartbeat: list[_Entry]
    trouble: list[_Entry]
    credential: list[_Entry]
    server: list[_Entry]
    traffic: list[_Entry]


class Phrase:
    """One wording of one kind of event."""

    def __init__(self, entry: _Entry, words: dict[str, str]) -> None:
        self.kind = entry.kind
        self.writer = entry.writer
        self.stems = tuple(entry.stems)
        self.needs = entry.needs
        self.fixed = dict(entry.set)
        reason = f"(?P<reason>{'|'.join(entry.reason)}){entry.then}" if entry.reason else ""
        self.source = _filled("|".join([*entry.says, reason] if reason else entry.says), words)

    def search(self, low: str) -> re.Match[str] | None:
        """Find the phrase in a lower-cased line.

        Groups are named for columns and for what `phrase_rows.py` reads; a figure behind a name
        only tells alternatives apart.
        """
        for stem in self.stems:
            if stem in low:
                return self._pattern.search(low)
        return None

    @cached_property
    def _pattern(self) -> Searches:
        return Searches([self.source])


def candidates(low: str) -> list[tuple[Phrase, ...]]:
    """The phrases, by family, of which a stem may occur in a lower-cased line."""
    seen = frozenset(_EVERYWHERE.findall(low))
    found = _CANDIDATES.get(seen)
    if found is None:
        if len(_CANDIDATES) > _CANDIDATE_SETS:
            _CANDIDATES.clear()
        found = [
            tuple(phrase for phrase in family if _may_occur(phrase, seen)) for family in PHRASES
        ]
        found = _CANDIDATES[seen] = [family for family in found if family]
    return found


def _may_occur(phrase: Phrase, seen: frozenset[str]) -> bool:
    for stem in phrase.stems:
        gates = [word for word in STEMS if word in stem]
        if not gates or not seen.isdisjoint(gates):
            return True
    return False


def _trie(words: list[str]) -> str:
    """A pattern for any of the words that shares their beginnings: faster by four than `a|b|c`."""
    if "" in words:
        return ""
    tails: dict[str, list[str]] = {}
    for word in words:
        tails.setdefault(word[0], []).append(word[1:])
    branches = [re.escape(letter) + _trie(rest) for letter, rest in sorted(tails.items())]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _gate(words: list[str]) -> str:
    """A pattern for any of the words; those that begin with ^ only where a word begins.

    Each branch begins with a letter, for the engine skips the places where no branch can begin.
    """
    branches = []
    for letter in sorted({word.lstrip("^")[0] for word in words}):
        anywhere = [word[1:] for word in words if word[0] == letter]
        starts = [word[2:] for word in words if word[:2] == f"^{letter}"]
        tails = [_trie(anywhere)] if anywhere else []
        if starts:
            tails.append(f"(?<![a-z]{re.escape(letter)}){_trie(starts)}")
        branches.append(f"{re.escape(letter)}(?:{'|'.join(tails)})")
    return "|".join(branches)


def _filled(pattern: str, words: dict[str, str]) -> str:
    """The pattern with its %NAMES% replaced and its lines joined."""
    while found := _NAMED.search(pattern):
        pattern = pattern[: found.start()] + words[found[1]] + pattern[found.end() :]
    return pattern.replace("\\\n", "")


def _any_of(alternatives: list[str]) -> Searches:
    return Searches(_filled(one, _BOOK.words) for one in alternatives)


_TEXT = resources.files("wsdiag.sources.prose").joinpath("phrases.toml").read_text("utf-8")
_BOOK = msgspec.convert(tomllib.loads(_TEXT), _Book)

STEMS = [word.lstrip("^") for word in _BOOK.gate]
_GATE = _gate(_BOOK.gate)
GATE = re.compile(_GATE)
"""A lower-cased line without any of these says nothing here."""
_EVERYWHERE = re.compile(f"(?=({_GATE}))")
_CANDIDATES: dict[frozenset[str], list[tuple[Phrase, ...]]] = {}
_CANDIDATE_SETS = 4_096
PHRASES: tuple[tuple[Phrase, ...], ...] = tuple(
    tuple(Phrase(entry, _BOOK.words) for entry in getattr(_BOOK, family)) for family in FAMILIES
)
ABOUT_WEBSOCKET = _any_of(_BOOK.websocket)
FOREIGN = _any_of(_BOOK.foreign)
BUSINESS = _any_of(_BOOK.business)
ECHO = _any_of(_BOOK.echo)
CLIENT_SPEECH = _any_of(_BOOK.client)
LIBRARY = _any_of(_BOOK.library)
SPEAKER = re.compile(_filled(r"\[?(?P<who>%LABEL%)(?:\]|:? )", _BOOK.words))
"""The name with which a line begins, in lower case; not where it is a program's or a machine's."""
NUMBERS = frozenset(re.findall(r"\b\d{2,5}\b", _TEXT))
"""The numbers that stand in phrases: statuses, close codes, ports."""
UNSAID = frozenset(_BOOK.unsaid)
CLOSE_NAMES = _BOOK.codes
