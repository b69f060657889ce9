"""What many text messages tell of themselves, read at once: as `payload.py` reads one.

JSON objects, which most are, are decoded as lines of one text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.packets.headers import Mask
from wsdiag.capture.websocket import payload
from wsdiag.capture.websocket.payload import (
    HEARTBEAT_NAMES,
    HEARTBEAT_TOPICS,
    MAX_BYTES,
    MAX_CHARACTERS,
    NAME_KEYS,
    TOPIC_KEYS,
    TRACE_KEYS,
    Payload,
)
from wsdiag.capture.websocket.protocol import is_utf8

LINE_END = b"\n"
_BRACE, _NEWLINE, _SIGNALR_END = 0x7B, 0x0A, 0x1E
_DECODER = msgspec.json.Decoder()


class Lines(NamedTuple):
    """Texts in one: `size` bytes each from `begin` on, then their ending, then blanks."""

    text: bytes
    begin: Ints
    size: Ints

    def line(self, at: int) -> bytes:
        """One of the texts."""
        begin = int(self.begin[at])
        return self.text[begin : begin + int(self.size[at])]

    def each(self, ending: bytes = b"") -> Iterator[bytes]:
        """The texts, one by one, each with its ending."""
        begin, end = self.begin.tolist(), (self.begin + self.size + len(ending)).tolist()
        return map(self.text.__getitem__, map(slice, begin, end))


class Said(NamedTuple):
    """What texts tell, raw, one entry a text: mask it before it is shown.

    `beats` has those that are a heartbeat, `broken` those that are not UTF-8.
    """

    name: list[str | None]
    topic: list[str | None]
    trace: list[str | None]
    beats: dict[int, Payload]
    broken: list[int]


def read(blocks: Iterable[Lines], engine_io: Mask) -> Said:
    """Read texts; those of Engine.IO endpoints are read as such."""
    said = Said([], [], [], {}, [])
    for given in blocks:
        done = len(said.name)
        told = _block(given, engine_io[done : done + given.size.size])
        for column, more in zip(said[:3], told[:3], strict=True):
            column.extend(more)
        said.beats.update((done + at, beat) for at, beat in told.beats.items())
        said.broken.extend(done + at for at in told.broken)
    return said


def _block(given: Lines, engine_io: Mask) -> Said:
    """Read some texts; where one of them is no JSON, each is read by itself."""
    empty: list[str | None] = [None] * given.size.size
    said = Said(empty, empty.copy(), empty.copy(), {}, _broken(given))
    plain = _objects(given) & ~engine_io
    if not _together(said, given, np.flatnonzero(plain)):
        plain[:] = False
    if not plain.all():
        for at in np.flatnonzero(~plain & (given.size > 0)).tolist():
            _alone(said, given, at, bool(engine_io[at]))
    return said


def _broken(given: Lines) -> list[int]:
    """The texts that are not UTF-8: no character reaches across a line's end."""
    if given.text.isascii() or is_utf8(given.text):
        return []
    return [at for at in range(given.size.size) if not is_utf8(given.line(at))]


def _objects(given: Lines) -> Mask:
    """The lines that may be a JSON object, and only that."""
    text, begin, size = np.frombuffer(given.text, np.uint8), given.begin, given.size
    may = (size > 0) & (size <= MAX_BYTES)
    may[may] = (text[begin[may]] == _BRACE) & (text[(begin + size)[may] - 1] != _SIGNALR_END)
    # Not by `bytes.count`, which takes four times as long.
    if np.count_nonzero(text == _NEWLINE) > size.size:
        ends = np.flatnonzero(text == _NEWLINE)
        within = np.searchsorted(begin, ends, side="right") - 1
        may[within[ends < (begin + size)[within]]] = False
    return may


def _together(said: Said, given: Lines, rows: Ints) -> bool:
    """Read lines as one text; whether all of them are JSON."""
    if not rows.size:
        return True
    try:
        members = _DECODER.decode_lines(_text(given, rows))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    if len(members) != rows.size:
        return False
    known = set().union(*members)
    columns = [_first(members, known, keys) for keys in (NAME_KEYS, TOPIC_KEYS, TRACE_KEYS)]
    for column, values in zip((said.name, said.topic, said.trace), columns, strict=True):
        if values and rows.size == given.size.size:
            column[:] = values
        else:
            for row, value in zip(rows.tolist(), values, strict=False):
                column[row] = value
    names, topics, _ = columns
    if not HEARTBEAT_NAMES.isdisjoint(names) or not HEARTBEAT_TOPICS.isdisjoint(topics):
        for row in rows.tolist():
            if said.name[row] in HEARTBEAT_NAMES or said.topic[row] in HEARTBEAT_TOPICS:
                _alone(said, given, row, engine_io=False)
    return True


def _text(given: Lines, rows: Ints) -> bytes:
    """Some of the lines: those that follow each other in one piece."""
    if rows.size == given.size.size:
        return given.text
    firsts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    begins = given.begin[rows[firsts]].tolist()
    lasts = rows[np.append(firsts[1:], rows.size) - 1]
    ends = (given.begin[lasts] + given.size[lasts] + len(LINE_END)).tolist()
    return b"".join(map(given.text.__getitem__, map(slice, begins, ends)))


def _first(
    members: Sequence[dict[str, object]], known: set[str], keys: tuple[str, ...]
) -> list[str | None]:
    """Of each object the first of `keys` that holds a short text or an integer.

    The list is empty where none is `known`.
    """
    found: list[str | None] = []
    for key in keys:
        if key not in known:
            continue
        values = _told([member.get(key) for member in members])
        if found:
            values = [
                old if old is not None else new for old, new in zip(found, values, strict=True)
            ]
        found = values
    return found


def _told(values: list[object]) -> list[str | None]:
    """The short texts and integers among values, as texts."""
    kinds = set(map(type, values))
    if kinds == {int}:  # as ids mostly are
        return list(map(str, values))
    if kinds == {str}:
        texts: list[str | None] = values  # type: ignore[assignment]  # as their types say
        sizes = set(map(len, values))  # type: ignore[arg-type]  # the same
        if min(sizes) > 0 and max(sizes) <= MAX_CHARACTERS:
            return texts
    return [
        value
        if type(value) is str and 0 < len(value) <= MAX_CHARACTERS
        else str(value)
        if type(value) is int
        else None
        for value in values
    ]


def _alone(said: Said, given: Lines, at: int, engine_io: bool) -> None:
    """Read one text by itself."""
    told = payload.read(given.line(at), engine_io)
    said.name[at], said.topic[at], said.trace[at] = told.name, told.topic, told.trace
    if told.heartbeat:
        said.beats[at] = told
