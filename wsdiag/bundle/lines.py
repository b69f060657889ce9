"""A log as it may leave: the lines that are needed, each at its place and with no secret in it.

The lines between are empty, so that every proof pointer still leads to the same line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from wsdiag.redact import Redactor

LONGEST = 1024 * 1024
"""Bytes of a line; what comes after them is left out."""


def write(source: Path, target: Path, needed: Callable[[int], bool]) -> None:
    """Copy the lines at the places `needed`, from 1, masked."""
    redactor = Redactor(rereadable=True)
    with source.open("rb") as lines, target.open("wb") as out:
        for number, line in enumerate(_lines(lines), 1):
            if needed(number):
                out.write(masked(line.decode("utf-8", "replace"), redactor).encode())
            out.write(b"\n")


def write_journal(source: Path, target: Path) -> None:
    """Copy journald's export: of each entry its time and its message."""
    redactor = Redactor(rereadable=True)
    with source.open("rb") as lines, target.open("wb") as out:
        for line in _lines(lines):
            name, told, value = line.partition(b"=")
            if name == b"__CURSOR":
                out.write(b"__CURSOR=-")
            elif told and name == b"MESSAGE":
                text = masked(value.decode("utf-8", "replace"), redactor)
                out.write(b"MESSAGE=" + text.encode())
            elif name == b"__REALTIME_TIMESTAMP" and value.isdigit():
                out.write(line)
            elif line:
                out.write(b"_=")
            out.write(b"\n")


def masked(line: str, redactor: Redactor) -> str:
    """One line without secrets; JSON stays JSON, also where a number was one."""
    text = redactor.mask(line)
    begin = line.find("{")
    if begin < 0 or text == line or not line.rstrip().endswith("}"):
        return text
    if _is_json(line[begin:]) and not _is_json(text[text.find("{") :]):
        head = redactor.mask(line[:begin])
        told = json.dumps(tree(json.loads(line[begin:]), redactor), ensure_ascii=False)
        text = redactor.mask(f"{head}{told}")
    return text


def tree(value: object, redactor: Redactor, name: str = "") -> object:
    """JSON without secrets, member by member: each is known by its name."""
    if isinstance(value, dict):
        return {redactor.mask(key): tree(held, redactor, key) for key, held in value.items()}
    if isinstance(value, list):
        return [tree(held, redactor, name) for held in value]
    if value is None or isinstance(value, bool):
        return value
    plain = json.dumps({name: value}, ensure_ascii=False)
    text = redactor.mask(plain)
    if text == plain:
        return value
    try:
        return next(iter(json.loads(text).values()))
    except (ValueError, StopIteration, AttributeError):
        return text.partition(":")[2].strip(' "}')


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines without their ends; of a longer one the first part."""
    while line := file.readline(LONGEST):
        part = line
        while part and not part.endswith(b"\n"):
            part = file.readline(LONGEST)
        yield line.rstrip(b"\r\n")
