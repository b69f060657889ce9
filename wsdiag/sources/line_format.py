"""Log formats as data: load and check the files in `wsdiag/formats/`, and read lines by them.

One format is one TOML file:

    id = "nginx-error"              # the file's name
    title = "nginx error log"
    vantage = "proxy"               # server, proxy or client: who writes such a log; either: both
                                    # write it, and a row's `dir` may be "sent" or "received"
    stack = "nginx"
    reads = "line"                  # line; message: what follows time, level and logger;
                                    # record: a JSON object
    needs = ["#", "*"]              # cheap gate: one of these stands in every such line
    pattern = '''^(?P<time>…) …'''  # its named groups are words of line_fields.py
    find = ['''request: "(?P<request>[^"]*)"''']   # further words, each searched anywhere
    time = "event"                  # what the line's time means: event, start or end

    [[rule]]                        # the first rule that holds gives its rows, and no other
    where = { status = "101" }      # a word equals; is one of a list; "~…" matches a regex
    match = 'timed out'             # searched in the word `message`; its groups are words too
    rows = [{ kind = "open", at = "start" }, { kind = "end", code = "{status}" }]

    [[sample]]                      # a test: what a real line must give; [] = nothing
    line = '''…'''
    events = [{ kind = "open", ts = "2026-11-22T23:45:36Z" }]

A row names columns of the event frame; all words of the line that are columns come along, unless
the row names the column itself ("" leaves it out). `at` is `start` or `end` where the line
states a duration; without it the row has the line's own time. A record has `fields` (word → dotted
name in the object, or several) in place of `pattern`. `anonymous`: the lines name no connection,
so they belong to the only one that is open, if it is the only one; "states" where the format
states each opening and closing, "explains" where it only says why another line's closing came.

Patterns stay in what Python and Rust regexes have in common: no lookaround, no backreference.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from wsdiag.event import EVENTS, Kind
from wsdiag.sources.line_fields import CHOICES, Fields, RowMaker

_UNCOMMON = re.compile(r"\(\?(?:=|!|<=|<!|P=)|\\[1-9]")
_REFERENCE = re.compile(r"\{(\w+)\}")


class FormatError(ValueError):
    """A format file that cannot be used; the text names the file and the field."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it holds, its rows are what the line says."""

    rows: list[dict[str, str]]
    where: dict[str, str | list[str]] = {}
    match: str = ""


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Real lines and the events they must give: for each event the columns that must agree."""

    events: list[dict[str, object]]
    line: str = ""
    lines: list[str] = []


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A format file as it is written."""

    id: str
    title: str
    vantage: Literal["server", "proxy", "client", "either"]
    stack: str
    reads: Literal["line", "message", "record"] = "line"
    needs: list[str]
    pattern: str = ""
    find: list[str] = []
    fields: dict[str, str | list[str]] = {}
    time: Literal["event", "start", "end"] = "event"
    anonymous: Literal["", "states", "explains"] = ""
    rule: list[Rule]
    sample: list[Sample]


class Format:
    """A format ready to read lines."""

    def __init__(self, document: Document, text: str = "") -> None:
        self.document, self.text = document, text
        self.id, self.vantage = document.id, document.vantage
        self.needs = tuple(document.needs)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when the first line passes the gate."""
        return re.compile(self.document.pattern)

    @cached_property
    def _finds(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(text) for text in self.document.find)

    @cached_property
    def _rules(self) -> list[tuple[list[tuple[str, object]], re.Pattern[str] | None, Rule]]:
        return [
            (
                [(word, _test(value)) for word, value in rule.where.items()],
                re.compile(rule.match) if rule.match else None,
                rule,
            )
            for rule in self.document.rule
        ]

    def wants(self, text: str) -> bool:
        """The cheap gate."""
        return any(need in text for need in self.needs)

    def fields(self, text: str) -> Fields | None:
        """The words of a line; None when it is not of this format."""
        found = self.pattern.search(text)
        return Fields(found.groupdict(), text, self._finds) if found else None

    def record_fields(self, record: Mapping[str, object], text: str) -> Fields:
        """The words of a flat JSON object."""
        words: dict[str, str | None] = {}
        for word, names in self.document.fields.items():
            for name in [names] if isinstance(names, str) else names:
                if record.get(name.lower()) is not None:
                    words[word] = str(record[name.lower()])
                    break
        return Fields(words, text, self._finds)

    def rule(self, fields: Fields) -> Rule | None:
        """The first rule that holds; its groups join the fields."""
        for where, match, rule in self._rules:
            if not all(_holds(test, fields[word]) for word, test in where):
                continue
            if match:
                found = match.search(fields["message"])
                if not found:
                    continue
                fields.update({name: text for name, text in found.groupdict().items() if text})
            return rule
        return None

    def rows(
        self, rule: Rule, fields: Fields, instant: datetime | None, maker: RowMaker
    ) -> list[dict[str, object]]:
        """The event rows of a line by the rule that holds, each with its `ts`."""
        made = []
        for constants in rule.rows:
            row = maker.row(fields, constants)
            row["ts"] = self._moment(constants.get("at", ""), fields, instant)
            if self.vantage != "either":
                row.setdefault("vantage", self.vantage)
            made.append(row)
        return made

    def _moment(self, at: str, fields: Fields, instant: datetime | None) -> datetime | None:
        means = self.document.time
        if not instant or not at or means in ("event", at):
            return instant
        duration = fields.duration_ms()
        if duration is None:
            return None
        try:
            return instant + timedelta(milliseconds=duration if means == "start" else -duration)
        except OverflowError:
            return None


@lru_cache(maxsize=1)
def all_formats() -> tuple[Format, ...]:
    """Every format of the package, by id."""
    folder = resources.files("wsdiag") / "formats"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".toml"))
    return tuple(parse((folder / name).read_text("utf-8"), name) for name in names)


def load(path: Path) -> Format:
    """Read one format file. Raises `FormatError`."""
    try:
        return parse(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as problem:
        raise FormatError(f"{path.name}: {problem}") from None


def parse(text: str, file: str) -> Format:
    """Make a format of the text of its file. Raises `FormatError` naming file and field."""
    try:
        document = msgspec.convert(tomllib.loads(text), Document)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise FormatError(f"{file}: {problem}") from None
    for problem in _problems(document, file):
        raise FormatError(f"{file}: {problem}")
    return Format(document, text)


def _problems(document: Document, file: str) -> Iterator[str]:
    if document.id != file.removesuffix(".toml"):
        yield f"id: {document.id!r} is not the file's name"
    if bool(document.pattern) == (document.reads == "record"):
        yield "pattern: a line or message has a pattern, a record has fields"
    if not document.needs:
        yield "needs: name at least one text that stands in every such line"
    patterns = {"pattern": document.pattern}
    patterns |= {f"find[{n}]": text for n, text in enumerate(document.find)}
    for number, rule in enumerate(document.rule, 1):
        patterns[f"rule {number}: match"] = rule.match
        for word, value in rule.where.items():
            if isinstance(value, str) and value.startswith("~"):
                patterns[f"rule {number}: where.{word}"] = value[1:]
        for row in rule.rows:
            yield from (f"rule {number}: rows: {problem}" for problem in _row_problems(row))
    for field, text in patterns.items():
        if _UNCOMMON.search(text):
            yield f"{field}: no lookaround and no backreference"
        try:
            re.compile(text)
        except re.error as problem:
            yield f"{field}: {problem}"


def _row_problems(row: Mapping[str, str]) -> Iterator[str]:
    if row.get("kind") not in set(Kind):
        yield f"kind: {row.get('kind')!r} is not a kind"
    if row.get("at", "start") not in ("start", "end"):
        yield f"at: {row['at']!r} is not start or end"
    for column in row.keys() - EVENTS.keys() - {"at"}:
        yield f"{column}: not a column"
    for column in row.keys() & {"dir", "vantage"}:
        if not _REFERENCE.search(row[column]) and row[column]:
            if row[column] not in CHOICES[column]:
                yield f"{column}: {row[column]!r} is not one of {', '.join(sorted(CHOICES[column]))}"


def _test(value: str | list[str]) -> object:
    if isinstance(value, list):
        return frozenset(value)
    return re.compile(value[1:]) if value.startswith("~") else value


def _holds(test: object, text: str) -> bool:
    if isinstance(test, re.Pattern):
        return test.search(text) is not None
    return text in test if isinstance(test, frozenset) else text == test
