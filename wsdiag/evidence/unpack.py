"""From a path to plain files: devices and pipes, packed files and archives, UTF-16."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from wsdiag.evidence import archives
from wsdiag.evidence.inputs import InputFile
from wsdiag.evidence.spool import Spool, chunks_of

_BITE = 4096
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FEW = 8
"""Characters from which on text is told from bytes that look alike by chance."""

_TEXT = bytes((*b"\t\n\r", *range(32, 127)))


def as_given(name: str, path: Path) -> InputFile:
    """A file as it is, whatever is in it."""
    digest, size = _digest(path)
    return InputFile(name=name, path=path, sha256=digest, bytes=size)


def unpack(name: str, path: Path, spool: Spool) -> Iterator[InputFile]:
    """The plain files in one: itself, what is packed in it, or what an archive holds.

    Raises `OSError` and `ValueError` for what cannot be used.
    """
    remarks: list[str] = []
    if str(path) == "-":
        path = spool.copy(chunks_of(sys.stdin.buffer.read), remarks)
    elif path.is_char_device() or path.is_block_device():
        raise ValueError("a device, not evidence")
    elif not path.is_file():  # a pipe can be read once only
        with path.open("rb") as stream:
            path = spool.copy(chunks_of(stream.read), remarks)
    given = _unpacked(replace(as_given(name, path), remarks=tuple(remarks)), spool)
    members = archives.members(given.path)
    if members is None:
        yield _as_utf8(given, spool)
        return
    above = "" if archives.is_bundle(given.path) else f"{given.name}/"
    for inner, content in members:
        member = _copied(replace(given, name=f"{above}{inner}"), content, spool)
        yield _as_utf8(_unpacked(member, spool), spool)


def _unpacked(item: InputFile, spool: Spool) -> InputFile:
    """The input with its .gz or .zst packing undone, as far as it goes."""
    magic = _head(item.path)
    if not magic.startswith((_GZIP, _ZSTD)):
        return item
    name = item.name.removesuffix(".gz").removesuffix(".zst")
    with item.path.open("rb") as file:
        # read1 hands out what is unpacked so far, where read would lose it at a cut.
        gzipped = magic.startswith(_GZIP)
        chunks = chunks_of(gzip.GzipFile(fileobj=file).read1) if gzipped else _unzstd(file)
        return _copied(replace(item, name=name), chunks, spool)


def _as_utf8(item: InputFile, spool: Spool) -> InputFile:
    """The input as UTF-8, where it is text in UTF-16, as PowerShell's `>` writes it."""
    encoding = _utf_16(_head(item.path))
    if not encoding:
        return item
    with item.path.open("rb") as file:
        # Incremental: a chunk may end inside a character.
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        known = replace(item, remarks=(*item.remarks, "UTF-16 text"))
        return _copied(known, _recoded(decoder, chunks_of(file.read)), spool)


def _recoded(decoder: codecs.IncrementalDecoder, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()  # half a character at the end is replaced


def _utf_16(head: bytes) -> str:
    """The byte order of text in UTF-16; empty for anything else."""
    for mark, encoding, high in (
        (codecs.BOM_UTF16_LE, "utf-16-le", 1),
        (codecs.BOM_UTF16_BE, "utf-16-be", 0),
    ):
        low, pairs = head[1 - high :: 2], len(head) // 2
        plain = pairs - len(low.translate(None, _TEXT))
        if head.startswith(mark) and not head.startswith(codecs.BOM_UTF32_LE):
            return "utf-16"  # which takes the mark away
        if pairs >= _FEW and head[high::2].count(0) >= 0.9 * pairs and plain >= 0.9 * pairs:
            return encoding
    return ""


def _copied(item: InputFile, chunks: Iterable[bytes], spool: Spool) -> InputFile:
    remarks = list(item.remarks)
    path = spool.copy(chunks, remarks)
    return replace(item, path=path, remarks=tuple(remarks))


def _unzstd(file: IO[bytes]) -> Iterator[bytes]:
    import zstandard

    # Small bites: one block of 128 KiB can be four bytes long (RFC 8878 section 3.1.1.2).
    frame, begun = zstandard.ZstdDecompressor().decompressobj(), False
    while chunk := file.read(_BITE):
        while chunk:
            yield frame.decompress(chunk)
            chunk, begun = frame.unused_data if frame.eof else b"", not frame.eof
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
    if begun:
        raise EOFError("it ends inside a frame")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_BITE)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
