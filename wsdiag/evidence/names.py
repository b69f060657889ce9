"""The name of each input: what pointers cite, short, unambiguous and safe to show."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wsdiag.evidence.inputs import InputFile
from wsdiag.redact import Redactor

# What a name ends with is no part of an e-mail address or a token in it.
_SUFFIX = re.compile(
    r"(?:\.(?:log|txt|out|err|jsonl?|csv|har|pcap|pcapng|cap|gz|zst|zip|md|bin))+(?:\.\d{1,3})?$",
    re.IGNORECASE,
)


def shown(name: str) -> str:
    """A path or a file's name as it may be shown: names can hold tokens and e-mail addresses."""
    return "/".join(_shown_part(part) for part in name.split("/"))


def _shown_part(part: str) -> str:
    suffix = _SUFFIX.search(part)
    stem = part[: suffix.start()] if suffix else part
    return Redactor().mask(stem) + (suffix.group() if suffix else "")


def named(found: Iterator[tuple[Path, Path]]) -> list[tuple[str, Path]]:
    """Names for pointers: short, and with the parents' names where two files share one."""
    entries = [(name, path) for name, path in found]
    for _ in range(8):
        taken = Counter(name for name, _ in entries)
        longer = [
            (_with_parent(name, path), path) if taken[name] > 1 else (name, path)
            for name, path in entries
        ]
        if longer == entries:
            break
        entries = longer
    return [("stdin" if str(path) == "-" else name.as_posix(), path) for name, path in entries]


def _with_parent(name: Path, path: Path) -> Path:
    """The name with one more of the folders above it."""
    parts = Path(os.path.normpath(path.absolute())).parts
    return Path(*parts[max(len(parts) - len(name.parts) - 1, 1) :])


def distinct(inputs: list[InputFile]) -> list[InputFile]:
    """Give two inputs of one name two names: pointers must not be ambiguous."""
    taken: set[str] = set()
    result = []
    for item in inputs:
        given = shown(item.name) or "unnamed"
        name, number = given, 1
        while name in taken:
            number += 1
            name = f"{given}~{number}"
        taken.add(name)
        result.append(msgspec.structs.replace(item, name=name))
    return result
