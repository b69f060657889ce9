"""Captures read packet by packet, as the reader in batches has to read them."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO, NamedTuple

import polars as pl

from wsdiag.capture.packets.batches import BATCH_BYTES
from wsdiag.capture.packets.records import Notes, records
from wsdiag.capture.packets.segments import segments
from wsdiag.capture.tcp.streams import Connection, What, follow
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.reader import CaptureReader
from wsdiag.sources.wire.story import Story


class Told(NamedTuple):
    """All that a capture gives."""

    events: pl.DataFrame
    remarks: tuple[str, ...]
    unread: int
    redactions: dict[str, int]


def read(stream: BinaryIO, name: str) -> Told:
    """Read a capture slowly."""
    notes, book = Notes(), Book(name)
    stories: dict[Connection, Story] = {}
    for fact in follow(segments(records(stream, notes), notes)):
        story = stories.setdefault(fact.conn, Story(fact.conn, book))
        if fact.what is What.OVER:
            story.finish(*(fact.conn.last if fact.conn.replaced else notes.last))
            del stories[fact.conn]
        else:
            story.take(fact)
    return told(book, notes)


def in_batches(data: bytes, batch_bytes: int = BATCH_BYTES) -> Told:
    """Read a capture as wsdiag does, in batches of this size."""
    notes, book = Notes(), Book("wire.pcap")
    reader = CaptureReader(book)
    reader.read(BytesIO(data), notes, batch_bytes)
    reader.finish()
    return told(book, notes)


def told(book: Book, notes: Notes) -> Told:
    """What a book and its notes hold."""
    return Told(
        book.frame(),
        (*notes.remarks, *book.remarks()),
        notes.undecoded + book.unreadable,
        dict(book.redactor.counts),
    )
