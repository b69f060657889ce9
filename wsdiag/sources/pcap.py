"""Packet captures: pcap and pcapng, as tcpdump and Wireshark write them.

TCP is put in order, HTTP upgrades and WebSocket frames are read from it. Other traffic gives no
rows, except a SYN that was refused or never answered. TLS hides everything above TCP, unless the
keys are at hand: in a key log (`--keylog`) or in the pcapng itself. Over HTTP/2 each WebSocket is a
connection of its own, named by its stream.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import polars as pl

from wsdiag import contents, progress
from wsdiag.capture import describe
from wsdiag.capture.packets.index import Index
from wsdiag.capture.packets.records import Notes, kind, records
from wsdiag.capture.tcp.streams import TcpFact
from wsdiag.config import Config
from wsdiag.event import Vantage
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources.freed import give_back
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.reader import CaptureReader

PAUSE_US, OVERLAP_US = 60_000_000, 10_000
"""So far apart are the last packet of a file and the first of the next at most, where they are of
one capture; times of packets beside one another may be a little out of order."""

MAX_KEYS = 64 * 1024**2
"""Bytes of a key log that are taken."""

MAX_OPENED = 64 * 1024**2
"""Bytes that keys opened and that are kept for excerpts."""

# What was learned of a capture when it was read serves its excerpts, as long as it is an input:
# whose its packets are, what keys opened and how many packets were in the files before.
_indexes = WeakKeyDictionary[InputFile, Index]()
_opened = WeakKeyDictionary[InputFile, tuple[list[TcpFact], int]]()
_NUMBERS = re.compile(r"[-_.T]?\d+")


def sniff(head: bytes, name: str) -> float:
    """1 by the magic number of a capture file."""
    return 1.0 if kind(head) else 0.0


class _Read(NamedTuple):
    """Files of one capture, read as one: the notes on each, how many packets were before each and
    are in all, and the book of them."""

    notes: list[Notes]
    starts: list[int]
    book: Book


def read(item: InputFile, config: Config) -> Reading:
    """The WebSocket connections of a capture."""
    return _readings([item], config)[0]


def in_turn(items: Sequence[InputFile]) -> list[list[InputFile]]:
    """The captures among inputs that may be files of one, as rotated by tcpdump -C, -G or dumpcap
    -b: their names differ in numbers only. In the order of their first packets."""
    found = defaultdict[tuple[str, str], list[tuple[int, int, InputFile]]](list)
    for number, item in enumerate(items):
        if form := kind(item.head()):
            with item.path.open("rb") as file:
                first = next(records(file, Notes()), None)
            if first is not None:
                name = (form, _NUMBERS.sub("", item.name))
                found[name].append((first.ts, number, item))
    return [[item for *_, item in sorted(group)] for group in found.values() if len(group) > 1]


def read_in_turn(items: Sequence[InputFile], config: Config) -> list[Reading]:
    """Readings of the first of these files, and of those that go on where the one before ends: in
    them connections go on, too."""
    far = progress.current()
    far.begin(items[0].name)
    told = _readings(items, config)
    if far.is_cut:
        remark = "interrupted: it was not read to its end"
        told[-1] = msgspec.structs.replace(told[-1], remarks=(*told[-1].remarks, remark))
    far.end(items[len(told) - 1].path.stat().st_size)
    return told


def _readings(items: Sequence[InputFile], config: Config) -> list[Reading]:
    (told, starts, book), keys, remarks = _with_keys(items, config)
    items = items[: len(told)]
    remarks += _reveal(items, starts, book, keys)
    give_back()
    events = book.frame()
    give_back()
    if len(items) == 1:
        return [_reading(items[0], told[0], events, book, *remarks)]
    pos, last = pl.col("pos"), items[-1]
    return [
        _reading(
            item,
            notes,
            events.filter((pos > before) & (pos <= until)).with_columns(pos - before),
            book if item is last else None,
            *(remarks if item is last else ()),
        )
        for item, notes, (before, until) in zip(items, told, pairwise(starts), strict=True)
    ]


def _reveal(
    items: Sequence[InputFile], starts: Sequence[int], book: Book, keys: bytes
) -> list[str]:
    """Read what keys open in the files of one capture; `starts`: the packets before each. Returns
    remarks on what hinders it."""
    if not book.keyed:
        return []
    from wsdiag.sources.wire import keyed

    told, hindered = keyed.opened([item.path for item in items], book.keyed, keys)
    for story in book.keyed:
        story.reveal(told.get(story, []))
    facts = [fact for of_story in told.values() for fact in of_story]
    if sum(fact.size for fact in facts) <= MAX_OPENED:
        _opened.update((item, (facts, before)) for item, before in zip(items, starts, strict=False))
    return hindered


def _goes_on(file: BufferedReader, before: Notes) -> bool:
    """Whether a file begins where the one before it ended."""
    first = next(records(file, Notes()))  # there is one: `in_turn` looked
    file.seek(0)
    return -OVERLAP_US <= first.ts - before.last[1] <= PAUSE_US


def _reading(
    item: InputFile, notes: Notes, events: pl.DataFrame, book: Book | None, *more: str
) -> Reading:
    """What was read of a file; `book` is that which it ends, where it ends one."""
    return Reading(
        format=kind(item.head()) or "pcap",
        vantage=Vantage.NETWORK,
        events=events,
        unread_lines=notes.undecoded + (book.unreadable if book else 0),
        resolution_ms=notes.resolution_us / 1000,
        remarks=(*notes.remarks, *more, *(book.remarks() if book else ())),
        redactions=dict(book.redactor.counts) if book else {},
    )


def opened(item: InputFile, config: Config) -> list[TcpFact]:
    """What keys open in the TLS of a capture: bytes, and that a side is done."""
    read, keys, _ = _with_keys([item], config)
    if not read.book.keyed:
        return []
    from wsdiag.sources.wire import keyed

    told, _ = keyed.opened([item.path], read.book.keyed, keys)
    return [fact for facts in told.values() for fact in facts]


def _with_keys(items: Sequence[InputFile], config: Config) -> tuple[_Read, bytes, list[str]]:
    """What is read without keys, the keys that are at hand, and what is wrong with them."""
    keys, remarks = _keys(config)
    read = _read(items, opening=bool(keys))
    if read.book.keyed is None and any(notes.keys for notes in read.notes):
        # They stand in the capture itself: once more.
        items = items[: len(read.notes)]
        progress.current().total += sum(item.path.stat().st_size for item in items[:-1])
        read = _read(items, opening=True)
    return read, keys + b"".join(notes.keys for notes in read.notes), remarks


def _read(items: Sequence[InputFile], *, opening: bool) -> _Read:
    """The first of these files, and those that continue it."""
    far, notebook = progress.current(), contents.current()
    book = Book(items[0].name, notebook)
    book.keyed = [] if opening else None
    reader, told, starts = CaptureReader(book), list[Notes](), [0]
    for before, item in zip((None, *items), items, strict=False):
        with item.path.open("rb") as file:
            if before is not None:
                if far.stopped or not _goes_on(file, told[-1]):
                    break
                far.end(before.path.stat().st_size)
                far.begin(item.name)
            if notebook is not None:
                notebook.forget(item.name)
            book.begins.append((reader.packets, item.name))
            told.append(Notes())
            _indexes[item] = reader.read(file, told[-1])
        starts.append(reader.packets)
    reader.finish()
    return _Read(told, starts, book)


def _keys(config: Config) -> tuple[bytes, list[str]]:
    """The key log of the settings, and what is wrong with it."""
    if not config.keylog:
        return b"", []
    try:
        with Path(config.keylog).open("rb") as file:
            return file.read(MAX_KEYS) + b"\n", []
    except OSError as problem:
        return b"", [f"the key log is not read: {problem.strerror}"]


def depth(item: InputFile, pos: int, config: Config) -> list[str]:
    """What Wireshark's dissectors say of one packet, and how to find it there. Raw: redact it."""
    from wsdiag.sources.wire import dissected

    keys, remarks = _keys(config)
    return [*remarks, *dissected.dissect(item.path, pos, keys)]


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The packets at `positions` and `context` around each, one line each. Raw: redact them."""
    wanted = {p + d for p in positions for d in range(-context, context + 1) if p + d > 0}
    give_back()
    with item.path.open("rb") as file:
        told = describe.packets(file, wanted, _indexes.get(item))
    facts, before = _opened.get(item, ([], 0))
    for pos, text in describe.inside(facts, {pos + before for pos in told}).items():
        told[pos - before] += f": {text}"
    give_back()
    return told
