"""Find the evidence: files, folders, globs and `-`; packed files are spooled; excerpts by position.

After this module everything is a plain file with a name, a digest and its remarks.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import polars as pl

HEAD_BYTES = 65_536
"""What a source sees of an input when it is asked whether it can read it."""

MAX_SPOOL_BYTES = 32 * 1024**3
"""A packed file that grows beyond this is a bomb, not evidence."""

_CHUNK = 1024 * 1024
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """One input, unpacked: `name` is what pointers cite, `path` the plain bytes on this disk."""

    name: str
    path: Path
    sha256: str
    bytes: int
    remarks: tuple[str, ...] = ()

    def head(self) -> bytes:
        """The first `HEAD_BYTES`."""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a source made of one input.

    `events` is an EVENT frame, `unread_lines` counts lines or records that could not be decoded,
    `resolution_ms` is the coarsest step of its timestamps, `redactions` counts by rule, `stacks` names
    the programs that wrote it (nginx, uvicorn, …) where the text tells.
    """

    format: str
    vantage: str | None
    events: pl.DataFrame
    unread_lines: int = 0
    resolution_ms: float = 1.0
    remarks: tuple[str, ...] = ()
    redactions: dict[str, int] = {}
    stacks: frozenset[str] = frozenset()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs, and one sentence for each path that could not be used."""

    inputs: list[InputFile]
    problems: list[str]


@contextmanager
def collect(paths: Sequence[str]) -> Iterator[Found]:
    """Find and unpack every input under `paths`; spooled copies live until the context ends."""
    with tempfile.TemporaryDirectory(prefix="wsdiag-") as folder:
        spool = Path(folder)
        inputs: list[InputFile] = []
        problems: list[str] = []
        for name, path in _expand(paths, problems):
            try:
                inputs.extend(_unpack(name, path, spool))
            except OSError as problem:
                problems.append(f"{name}: {problem.strerror or problem}")
        yield Found(inputs=_distinct(inputs), problems=problems)


def lines(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions` (from 1) and `context` lines around each. Raw: redact them."""
    wanted = {p + d for p in positions for d in range(-context, context + 1) if p + d > 0}
    found: dict[int, str] = {}
    last = max(wanted, default=0)
    with item.path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number in wanted:
                found[number] = line[:_CHUNK].decode("utf-8", "replace").rstrip("\r\n")
            if number >= last:
                break
    return found


def _expand(paths: Sequence[str], problems: list[str]) -> Iterator[tuple[str, Path]]:
    for text in paths:
        path = Path(text)
        if text == "-":
            yield "stdin", Path("-")
        elif path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p, path))
            if not files:
                problems.append(f"{text}: the folder holds no files")
            yield from ((p.relative_to(path).as_posix(), p) for p in files)
        elif path.exists():
            yield path.name, path
        elif matches := sorted(glob.glob(text, recursive=True)):
            yield from ((Path(m).name, Path(m)) for m in matches if Path(m).is_file())
        else:
            problems.append(f"{text}: no such file or folder")


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _distinct(inputs: list[InputFile]) -> list[InputFile]:
    """Give two inputs of one name two names: pointers must not be ambiguous."""
    seen: dict[str, int] = {}
    result = []
    for item in inputs:
        seen[item.name] = seen.get(item.name, 0) + 1
        if seen[item.name] > 1:
            item = msgspec.structs.replace(item, name=f"{item.name}~{seen[item.name]}")
        result.append(item)
    return result


def _unpack(name: str, path: Path, spool: Path) -> Iterator[InputFile]:
    remarks: list[str] = []
    if str(path) == "-":
        with _spooled(spool) as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy, _CHUNK)
        path = Path(copy.name)
    elif not path.is_file():  # a FIFO or a device: read once, into the spool
        with path.open("rb") as stream, _spooled(spool) as copy:
            shutil.copyfileobj(stream, copy, _CHUNK)
        path = Path(copy.name)
    digest, size = _digest(path)
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(_ZIP) and zipfile.is_zipfile(path):
        yield from _members(name, path, spool, digest)
        return
    if magic.startswith((_GZIP, _ZSTD)):
        with _spooled(spool) as copy:
            remarks.extend(_inflate(path, magic, copy))
        path, name = Path(copy.name), name.removesuffix(".gz").removesuffix(".zst")
    yield InputFile(name=name, path=path, sha256=digest, bytes=size, remarks=tuple(remarks))


def _members(name: str, path: Path, spool: Path, digest: str) -> Iterator[InputFile]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            remarks: list[str] = []
            with _spooled(spool) as copy:
                try:
                    with archive.open(member) as stream:
                        _copy_bounded(stream, copy)
                except (
                    zipfile.BadZipFile,
                    RuntimeError,
                    NotImplementedError,
                    EOFError,
                    zlib.error,
                ) as problem:
                    remarks.append(f"read only in part: {problem}")
            yield InputFile(
                name=f"{name}/{member.filename}",
                path=Path(copy.name),
                sha256=digest,
                bytes=member.file_size,
                remarks=tuple(remarks),
            )


def _inflate(path: Path, magic: bytes, copy: BinaryIO) -> list[str]:
    """Decompress as far as it goes; say where it stopped."""
    try:
        if magic.startswith(_GZIP):
            with gzip.open(path, "rb") as packed:
                _copy_bounded(packed, copy)
        else:
            import zstandard

            with (
                path.open("rb") as file,
                zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream,
            ):
                _copy_bounded(stream, copy)
    except Exception as problem:
        if (
            not isinstance(problem, EOFError | OSError | zlib.error | ValueError)
            and type(problem).__name__ != "ZstdError"
        ):
            raise
        return [f"the packed file is cut short or damaged; read as far as it goes ({problem})"]
    return []


def _copy_bounded(stream: object, copy: BinaryIO) -> None:
    total = 0
    while chunk := stream.read(_CHUNK):  # type: ignore[attr-defined]
        total += len(chunk)
        if total > MAX_SPOOL_BYTES:
            raise EOFError(f"unpacks to more than {MAX_SPOOL_BYTES} bytes")
        copy.write(chunk)


def _spooled(spool: Path) -> BinaryIO:
    return tempfile.NamedTemporaryFile(dir=spool, delete=False)  # type: ignore[return-value]


def _digest(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size
