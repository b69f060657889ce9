"""journald's export (`journalctl -o export`): fields line by line, an empty line between entries.

A field that is not plain text has its length before it (systemd.io/JOURNAL_EXPORT_FORMATS). Each
entry goes on as one line of journald's JSON, at the place where its message stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from wsdiag import evidence
from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import text_log

MAX_FIELD_BYTES = 1 << 20
"""Of a longer field nothing more is read."""

_FIRST = b"__CURSOR="
_WANTED = {b"__REALTIME_TIMESTAMP", b"MESSAGE"}


def sniff(head: bytes, name: str) -> float:
    """0.9 where the head begins as each export does."""
    return 0.9 if head.startswith(_FIRST) and b"\n__REALTIME_TIMESTAMP=" in head else 0.0


def read(item: InputFile, config: Config) -> Reading:
    """The events of every entry."""
    return text_log.read_lines(item, config, _entries(item.path))


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions` and around. Raw: redact them."""
    return evidence.lines(item, positions, context)


def _entries(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        entry: dict[str, str] = {}
        number, place = 0, 1
        while line := file.readline(MAX_FIELD_BYTES):
            number += line.endswith(b"\n")
            name, told, value = line.rstrip(b"\n").partition(b"=")
            if not name:
                yield from _told(entry, place)
                entry = {}
                continue
            if name == b"MESSAGE":
                place = max(number, 1) if told else number + 1
            if not told:
                value = _sized(file)
                number += value.count(b"\n") + 1
            if name in _WANTED:
                entry[name.decode()] = value.decode("utf-8", "replace")
        yield from _told(entry, place)


def _sized(file: BinaryIO) -> bytes:
    """A field's bytes, behind their number (64 bits, little end first) and before a line feed."""
    size = int.from_bytes(file.read(8), "little")
    value = file.read(min(size, MAX_FIELD_BYTES))
    while (left := size - len(value)) > 0 and file.read(min(left, MAX_FIELD_BYTES)):
        size -= min(left, MAX_FIELD_BYTES)
    file.read(1)
    return value


def _told(entry: dict[str, str], place: int) -> Iterator[tuple[int, str]]:
    if len(entry) == len(_WANTED):
        yield place, msgspec.json.encode(entry).decode()
