"""TLS with keys: the recorded case, its keys taken out of the capture and given as a key log."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from wsdiag.capture.packets.records import Notes, records
from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import pcap
from wsdiag.sources.wire import tshark

WIRE = Path(__file__).parents[2] / "fixtures/encrypted-idle-cut/evidence/wire.pcapng"

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
