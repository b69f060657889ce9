"""Log formats as data: load the files in `wsdiag/formats/` and read lines by them.

What such a file may say stands in `document.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path

from wsdiag.sources.formats.document import Document, FormatError, Rule, parse, trusted
from wsdiag.sources.formats.gate import Gate
from wsdiag.sources.formats.words import Fields, RowMaker
from wsdiag.sources.line.needles import Searches

_GATES_KNOWN = 4_096


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
    def gate(self) -> Gate:
        """Tells for many lines at once which of them give nothing."""
        return Gate(self.document)

    @cached_property
    def _finds(self) -> tuple[Searches, ...]:
        return tuple(Searches([text]) for text in self.document.find)

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


class Gates:
    """The formats that read lines of one sort, behind their cheap gates."""

    def __init__(self, formats: Sequence[Format], reads: str) -> None:
        of_sort = (f for f in formats if f.document.reads == reads)
        self.formats = sorted(of_sort, key=lambda one: one.document.fallback)
        self.needs = tuple(dict.fromkeys(need for f in self.formats for need in f.needs))
        self._behind: dict[tuple[str, ...], list[Format]] = {}  # by the needs that a text has

    def opens(self, text: str) -> bool:
        """True when a text passes any gate."""
        return any(map(text.__contains__, self.needs))

    def passed(self, text: str, first: Format | None) -> Iterator[Format]:
        """The formats whose gate a text passes; `first` before the others."""
        if first and first.wants(text):
            yield first
        there = tuple(filter(text.__contains__, self.needs))
        behind = self._behind.get(there)
        if behind is None:
            if len(self._behind) > _GATES_KNOWN:
                self._behind.clear()
            behind = [f for f in self.formats if not set(there).isdisjoint(f.needs)]
            self._behind[there] = behind
        yield from (reader for reader in behind if reader is not first)


@lru_cache(maxsize=1)
def all_formats() -> tuple[Format, ...]:
    """Every format of the package, by id."""
    folder = resources.files("wsdiag") / "formats"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".toml"))
    texts = ((folder / name).read_text("utf-8") for name in names)
    # The tests check them: to do so at each start would take longer than to read a small log.
    return tuple(Format(trusted(text, name), text) for text, name in zip(texts, names, strict=True))


@lru_cache(maxsize=16)
def formats_with(folders: tuple[str, ...]) -> tuple[Format, ...]:
    """Those of the user's folders, which are asked first, then those of the package.

    One of the user's takes the place of what has the same id in a later folder or in the package.
    Raises `FormatError`.
    """
    known: dict[str, Format] = {}
    for folder in folders:
        if not Path(folder).is_dir():
            raise FormatError(f"{folder}: no such folder of log formats")
        for path in sorted(Path(folder).glob("*.toml")):
            known.setdefault(path.stem, load(path))
    for made in all_formats():
        known.setdefault(made.id, made)
    return tuple(known.values())


def load(path: Path) -> Format:
    """Read one format file. Raises `FormatError`."""
    try:
        text = path.read_text("utf-8")
        return Format(parse(text, path.name), text)
    except (OSError, UnicodeDecodeError) as problem:
        raise FormatError(f"{path.name}: {problem}") from None


def _test(value: str | list[str]) -> object:
    if isinstance(value, list):
        return frozenset(value)
    return re.compile(value[1:]) if value.startswith("~") else value


def _holds(test: object, text: str) -> bool:
    if isinstance(test, re.Pattern):
        return test.search(text) is not None
    return text in test if isinstance(test, frozenset) else text == test
