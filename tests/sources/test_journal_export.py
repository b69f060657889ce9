"""journald's export, plain fields and sized ones."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag import sources
from wsdiag.config import Config
from wsdiag.evidence import InputFile
from wsdiag.sources import journal_export


def field(name: str, value: str) -> bytes:
    data = value.encode()
    if "\n" not in value and "\x1b" not in value:
        return f"{name}={value}\n".encode()
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


def entry(message: str, micros: int) -> bytes:
    return b"".join(
        (
            field("__CURSOR", f"s=1;t={micros:x}"),
            field("__REALTIME_TIMESTAMP", str(micros)),
            field("_HOSTNAME", "web1"),
            field("MESSAGE", message),
            b"\n",
        )
    )


def read(path: Path, data: bytes):
    path.write_bytes(data)
    item = InputFile(path=path, name=path.name, sha256="", bytes=len(data))
    assert sources.choose(item) is journal_export
    return item, sources.read(item, Config())


def test_entries_are_lines_with_their_time_and_place(tmp_path: Path) -> None:
    item, reading = read(
        tmp_path / "system.export",
        entry("\x1b[32mINFO\x1b[0m: ws connection opened conn=c7", 1_795_391_433_906_000)
        + entry("a trace\nof two lines", 1_795_391_434_000_000)
        + entry("ws connection closed conn=c7 code=1006", 1_795_391_437_000_000),
    )
    rows = reading.events.select("pos", "kind", "code", "conn").rows()
    assert [row[1:] for row in rows] == [("open", None, "c7"), ("close", 1006, "c7")]
    assert reading.events["ts"][0].isoformat() == "2026-11-22T23:50:33.906000+00:00"
    for pos, text in zip((row[0] for row in rows), ("opened", "closed"), strict=True):
        assert text in journal_export.excerpt(item, [pos])[pos]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes(tmp_path_factory, data: bytes, cut: int) -> None:
    whole = entry("ws closed code=1006", 1_795_391_433_906_000) + data
    path = tmp_path_factory.mktemp("journal") / "x.export"
    path.write_bytes(whole[: max(cut, 80)] if cut < len(whole) else whole)
    item = InputFile(path=path, name=path.name, sha256="", bytes=len(whole))
    journal_export.read(item, Config())
