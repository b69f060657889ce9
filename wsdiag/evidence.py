"""Find the evidence: files, folders, globs and `-`; packed files are spooled; excerpts by position.

After this module everything is a plain file with a name, a digest and its remarks.
"""

from __future__ import annotations

import builtins
import glob
import gzip
import hashlib
import os
import re
import stat
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import msgspec
import polars as pl

from wsdiag.redact import Redactor
from wsdiag.report import Lines

HEAD_BYTES = 65_536
"""What a source sees of an input when it is asked whether it can read it."""

MAX_SPOOL_BYTES = 32 * 1024**3
"""What one run unpacks at most: packed files that grow beyond this are a bomb, not evidence."""

MAX_MEMBERS = 10_000
"""Files in one zip."""

_CHUNK, _BITE = 1024 * 1024, 4096
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", (b"PK\x03\x04", b"PK\x05\x06")


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


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """One input, unpacked: `name` is what pointers cite, `path` the plain bytes on this disk.

    `sha256` and `bytes` are of the file as it was given, still packed.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    remarks: tuple[str, ...] = ()

    def head(self) -> builtins.bytes:
        """The first `HEAD_BYTES`."""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a source made of one input.

    `events` is an EVENT frame, or the plan of one that waits on the disk, `unread_lines` counts
    lines or records that could not be decoded, `resolution_ms` is the coarsest step of its
    timestamps, `redactions` counts by rule, `stacks` names the programs that wrote it (nginx,
    uvicorn, …) where the text tells, `doubtful` the close codes that these are known to write
    without having got them, `lines` accounts for the lines of a log.
    """

    format: str
    vantage: str | None
    events: pl.DataFrame | pl.LazyFrame
    unread_lines: int = 0
    resolution_ms: float = 1.0
    remarks: tuple[str, ...] = ()
    redactions: dict[str, int] = {}
    stacks: frozenset[str] = frozenset()
    doubtful: frozenset[int] = frozenset()
    lines: Lines | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs, and one sentence for each path that could not be used."""

    inputs: list[InputFile]
    problems: list[str]


class _Spool:
    """Unpacked copies in a private folder, bounded in total."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left = MAX_SPOOL_BYTES
        self.files = 0

    def open(self) -> IO[bytes]:
        self.files += 1
        return (self.folder / str(self.files)).open("xb")

    def fill(self, copy: IO[bytes], chunks: Iterable[bytes]) -> None:
        """Write all `chunks`; raises `EOFError` where the bound is reached."""
        for chunk in chunks:
            copy.write(chunk[: self.left])
            self.left -= len(chunk)
            if self.left < 0:
                self.left = 0
                raise EOFError(f"all that is unpacked exceeds {MAX_SPOOL_BYTES} bytes")


@contextmanager
def collect(paths: Sequence[str]) -> Iterator[Found]:
    """Find and unpack every input under `paths`; spooled copies live until the context ends."""
    with tempfile.TemporaryDirectory(prefix="wsdiag-") as folder:
        spool = _Spool(Path(folder))
        inputs: list[InputFile] = []
        problems: list[str] = []
        for name, path in _named(_once(_expand(paths, problems))):
            try:
                inputs.extend(_unpack(name, path, spool))
            except (OSError, ValueError) as problem:
                why = problem.strerror if isinstance(problem, OSError) else None
                problems.append(f"{shown(name)}: {shown(why or str(problem))}")
        yield Found(inputs=_distinct(inputs), problems=problems)


def lines(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions` (from 1) and `context` lines around each. Raw: redact them.

    Of a line longer than 1 MiB the first part.
    """
    wanted = {p + d for p in positions for d in range(-context, context + 1) if p + d > 0}
    found: dict[int, str] = {}
    last = max(wanted, default=0)
    with item.path.open("rb") as file:
        for number in range(1, last + 1):
            line = part = file.readline(_CHUNK)
            if not line:
                break
            while part and not part.endswith(b"\n"):  # the rest of a huge line is passed over
                part = file.readline(_CHUNK)
            if number in wanted:
                found[number] = line.decode("utf-8", "replace").rstrip("\r\n")
    return found


def _expand(paths: Sequence[str], problems: list[str]) -> Iterator[tuple[Path, Path]]:
    """Each file under `paths`, and its path as its name is to be made from it."""
    for text in paths:
        path, told = Path(text), shown(text)
        try:
            if text == "-":
                yield path, path
            elif path.is_dir():
                yield from _walk(path, told, problems)
            elif path.exists():
                yield Path(path.name), path
            elif matches := sorted(glob.glob(text, recursive=True)):  # noqa: PTH207 – may be absolute
                for match in map(Path, matches):
                    if match.is_dir():
                        if "**" not in text:
                            yield from _walk(match, shown(str(match)), problems)
                    else:
                        yield Path(match.name), match
            else:
                problems.append(f"{told}: no such file or folder")
        except (OSError, ValueError) as problem:
            problems.append(f"{told}: {getattr(problem, 'strerror', None) or problem}")


def _walk(folder: Path, told: str, problems: list[str]) -> Iterator[tuple[Path, Path]]:
    """The regular files of a folder, in order; neither hidden ones nor behind linked folders."""

    def refused(problem: OSError) -> None:
        problems.append(f"{shown(str(problem.filename))}: {problem.strerror}")

    empty = True
    for root, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if name.startswith("."):
                continue
            if path.is_symlink() and not path.exists():
                problems.append(f"{shown(str(path))}: the link leads nowhere")
            elif path.is_file():
                empty = False
                yield path.relative_to(folder), path
    if empty:
        problems.append(f"{told}: the folder holds no files")


def _once(found: Iterator[tuple[Path, Path]]) -> Iterator[tuple[Path, Path]]:
    """Without the files that were there already, however they are called."""
    seen: set[str] = set()
    for name, path in found:
        real = str(path) if str(path) == "-" else os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield name, path


def _named(found: Iterator[tuple[Path, Path]]) -> list[tuple[str, Path]]:
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


def _distinct(inputs: list[InputFile]) -> list[InputFile]:
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


def _unpack(name: str, path: Path, spool: _Spool) -> Iterator[InputFile]:
    remarks: list[str] = []
    if str(path) == "-":
        path = _spooled(_chunks(sys.stdin.buffer.read), spool, remarks)
    elif path.is_char_device() or path.is_block_device():
        raise ValueError("a device, not evidence")
    elif not path.is_file():  # a pipe can be read once only
        with path.open("rb") as stream:
            path = _spooled(_chunks(stream.read), spool, remarks)
    digest, size = _digest(path)
    given = InputFile(name=name, path=path, sha256=digest, bytes=size, remarks=tuple(remarks))
    if _magic(path).startswith(_ZIP):
        yield from _members(given, spool)
    else:
        yield _plain(given, spool)


def _plain(item: InputFile, spool: _Spool) -> InputFile:
    """The input with its .gz or .zst packing undone, as far as it goes."""
    magic = _magic(item.path)
    if not magic.startswith((_GZIP, _ZSTD)):
        return item
    remarks = list(item.remarks)
    with item.path.open("rb") as file:
        # read1 hands out what is unpacked so far, where read would lose it at a cut.
        gzipped = magic.startswith(_GZIP)
        chunks = _chunks(gzip.GzipFile(fileobj=file).read1) if gzipped else _unzstd(file)
        path = _spooled(chunks, spool, remarks)
    name = item.name.removesuffix(".gz").removesuffix(".zst")
    return msgspec.structs.replace(item, name=name, path=path, remarks=tuple(remarks))


def _members(archive: InputFile, spool: _Spool) -> Iterator[InputFile]:
    try:
        opened = zipfile.ZipFile(archive.path)
    except zipfile.BadZipFile as problem:
        raise ValueError(f"the zip file is cut short or damaged ({problem})") from None
    with opened:
        members = [member for member in opened.infolist() if _wanted(member)]
        if not members:
            raise ValueError("the zip file holds no files")
        if len(members) > MAX_MEMBERS:
            raise ValueError(f"the zip file holds more than {MAX_MEMBERS} files")
        for member in members:
            remarks: list[str] = []
            path = _spooled(_unzip(opened, member), spool, remarks)
            inner = "/".join(_safe_parts(member.filename)) or "unnamed"
            unpacked = msgspec.structs.replace(
                archive, name=f"{archive.name}/{inner}", path=path, remarks=tuple(remarks)
            )
            yield _plain(unpacked, spool)


def _wanted(member: zipfile.ZipInfo) -> bool:
    """A regular file, neither hidden nor what macOS adds."""
    linked = stat.S_ISLNK(member.external_attr >> 16)
    parts = _safe_parts(member.filename)
    odd = any(part.startswith(".") for part in parts) or "__MACOSX" in parts
    return not (member.is_dir() or linked or odd)


def _safe_parts(name: str) -> list[str]:
    """The parts of a member's name, none of which leads out of the archive."""
    parts = re.split(r"[/\\]", name)
    return [part for part in parts if part not in ("", ".", "..") and not part.endswith(":")]


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.flag_bits & 1:
        raise EOFError("it is encrypted")
    with archive.open(member) as stream:
        assert isinstance(stream, zipfile.ZipExtFile)  # what open gives for reading
        yield from _chunks(stream.read1)


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


def _spooled(chunks: Iterable[bytes], spool: _Spool, remarks: list[str]) -> Path:
    """A spooled copy of `chunks`, as far as they come; a remark says why they stopped."""
    with spool.open() as copy:
        try:
            spool.fill(copy, chunks)
        except Exception as problem:  # each way of packing fails in a way of its own
            if isinstance(problem, OSError) and problem.errno is not None:
                raise  # the disk, not the data
            remarks.append(
                "cut short, damaged or not to be unpacked; read as far as it goes "
                f"({shown(str(problem) or type(problem).__name__)})"
            )
    return Path(copy.name)


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    return iter(partial(read, _CHUNK), b"")


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _digest(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size
