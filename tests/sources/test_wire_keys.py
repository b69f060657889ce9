"""TLS with keys: the recorded case, its keys taken out of the capture and given as a key log."""

from __future__ import annotations

import shutil
import struct
import sys
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from wsdiag import sources
from wsdiag.capture.packets.records import Notes, records
from wsdiag.capture.packets.segments import segments
from wsdiag.capture.tcp.streams import TcpFact, What, follow
from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import pcap
from wsdiag.sources.wire import tshark
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.story import Story

sys.path.append(str(Path(__file__).parents[1] / "capture"))
import craft

WIRE = Path(__file__).parents[2] / "fixtures/encrypted-idle-cut/evidence/wire.pcapng"

KEYS = struct.pack("<I", 10)  # the type of the block that holds them

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def read(path: Path, keylog: Path | None = None) -> Reading:
    item = InputFile(name="wire.pcapng", path=path, sha256="", bytes=path.stat().st_size)
    return pcap.read(item, Config(keylog=str(keylog) if keylog else None))


def apart(folder: Path) -> tuple[Path, Path]:
    """The capture without its keys, and the keys."""
    data, notes = WIRE.read_bytes(), Notes()
    with WIRE.open("rb") as file:
        list(records(file, notes))
    at, kept = 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        kept += [data[at : at + size]] if kind != 10 else []
        at += size
    bare, keys = folder / "bare.pcapng", folder / "keys.log"
    bare.write_bytes(b"".join(kept))
    keys.write_bytes(notes.keys)
    return bare, keys


@needs_tshark
def test_keys_in_the_capture_or_beside_it_open_the_same(tmp_path: Path) -> None:
    bare, keys = apart(tmp_path)
    inside, beside = read(WIRE), read(bare, keys)
    assert inside.remarks == beside.remarks == ()
    assert inside.events.equals(beside.events)
    counted = dict(inside.events["kind"].cast(str).value_counts().iter_rows())
    assert counted == {"attempt": 7, "open": 7, "message": 30, "close": 8, "end": 14}


def split(folder: Path, at: int, *, bare: bool) -> list[InputFile]:
    """The capture in two files, as dumpcap -b writes them: the keys in the first, or in none."""
    data, offset, heads, packets = WIRE.read_bytes(), 0, list[bytes](), list[bytes]()
    while offset < len(data):
        kind, size = struct.unpack_from("<II", data, offset)
        block = data[offset : offset + size]
        if kind == 6:
            packets.append(block)
        elif not (bare and kind == 10):
            heads.append(block)
        offset += size
    items = []
    for number, some in enumerate((packets[:at], packets[at:]), 1):
        begin = heads if number == 1 else [head for head in heads if head[:4] != KEYS]
        path = folder / f"wire_0000{number}.pcapng"
        path.write_bytes(b"".join([*begin, *some]))
        items.append(InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size))
    return items


@needs_tshark
@pytest.mark.parametrize("beside", [True, False])
def test_a_connection_goes_on_in_the_next_file(tmp_path: Path, beside: bool) -> None:
    """The keys of its handshake open it there as well."""
    _, keys = apart(tmp_path)
    folder = tmp_path / "files"
    folder.mkdir()
    items = split(folder, 40, bare=beside)
    assert [len(group) for group in sources.in_turn(items)] == [2]
    told = sources.read_in_turn(items, Config(keylog=str(keys) if beside else None))
    assert [reading.remarks for reading in told] == [(), ()]
    one, two = (reading.events.lazy().collect().drop("source") for reading in told)
    parts = pl.concat([one, two.with_columns(pl.col("pos") + 40)])
    assert len(one)
    assert parts.equals(read(WIRE).events.drop("source"))


@needs_tshark
def test_excerpts_tell_what_was_inside(tmp_path: Path) -> None:
    """Also in the second file, whose packets have numbers of their own."""
    item = InputFile(name="wire.pcapng", path=WIRE, sha256="", bytes=0)
    closes = pcap.read(item, Config()).events.filter(kind="close")["pos"].to_list()
    told = pcap.excerpt(item, closes)
    assert all("TLS encrypted data" in text and "WebSocket Close" in text for text in told.values())
    items = split(tmp_path, 40, bare=False)
    sources.read_in_turn(items, Config())
    later = [pos - 40 for pos in closes if pos > 40]
    inside = [text.partition(" bytes: ")[2] for text in pcap.excerpt(items[1], later).values()]
    assert inside == [told[pos + 40].partition(" bytes: ")[2] for pos in later]


@needs_tshark
def test_rows_point_at_the_packets_of_the_capture() -> None:
    events, notes = read(WIRE).events, Notes()
    with WIRE.open("rb") as file:
        times = {record.pos: record.ts for record in records(file, notes)}
    for pos, ts in events.select("pos", events["ts"].dt.epoch("us").alias("us")).iter_rows():
        assert times[pos] == ts


@needs_tshark
def test_the_side_that_ends_tls_first_ends_the_connection() -> None:
    """nginx says close_notify; the client's FIN is on the wire before that of nginx."""
    ends = read(WIRE).events.filter(kind="end").group_by("conn", maintain_order=True).first()
    assert set(ends["dir"]) == {"s2c"}
    assert set(ends["reason"]) == {"eof"}


def test_a_side_that_is_done_before_anything_was_said() -> None:
    """TLS says so (close_notify); what is inside begins behind it."""
    wire = craft.Wire()
    wire.syn()
    wire.packet(craft.S2C, craft.SYN | craft.ACK, at=0)
    book = Book("wire.pcap")
    facts = [*follow(segments(records(BytesIO(wire.pcap()), Notes()), Notes()))]
    story = Story(facts[0].conn, book)
    said, later = craft.request(), craft.START + 5_000
    story.reveal(
        [
            TcpFact(What.EOF, story.conn, craft.S2C, 3, later),
            TcpFact(What.DATA, story.conn, craft.C2S, 4, later, len(said), said),
        ]
    )
    assert book.frame()["kind"].cast(str).to_list() == ["attempt", "end"]


@needs_tshark
def test_foreign_keys_open_nothing(tmp_path: Path) -> None:
    bare, keys = apart(tmp_path)
    keys.write_text("CLIENT_RANDOM " + "ab" * 32 + " " + "cd" * 48 + "\n")
    reading = read(bare, keys)
    assert reading.events.is_empty()
    assert reading.remarks[0].startswith("7 connections are encrypted (TLS)")


def test_without_keys_it_is_told_what_tls_shows(tmp_path: Path) -> None:
    reading = read(apart(tmp_path)[0])
    assert reading.events.is_empty()
    told = "\n".join(reading.remarks)
    assert "TLS handshakes took" in told
    assert "n=7" in told
    assert "encrypted connections ended by: the server (encrypted alert) ×7" in told


@pytest.mark.parametrize(
    ("version", "why"), [(None, "is not installed"), ("TShark (Wireshark) 2.6.1", "older than 3.2")]
)
def test_a_missing_or_old_tshark_is_one_sentence(
    version: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version:
        program = tmp_path / "tshark"
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if version else str(tmp_path))
    reading = read(WIRE)
    first, *others = reading.remarks
    assert first.startswith("the keys of TLS are at hand but not used: tshark")
    assert why in first
    assert tshark.INSTALL in first
    assert others[0].startswith("7 connections are encrypted (TLS)")


def test_a_key_log_that_cannot_be_read(tmp_path: Path) -> None:
    reading = read(apart(tmp_path)[0], tmp_path / "missing.log")
    assert reading.remarks[0] == "the key log is not read: No such file or directory"
