"""The files in a zip or tar archive: regular ones, neither hidden nor leading out of it."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from wsdiag.evidence.spool import chunks_of

MAX_MEMBERS = 10_000
"""Files in one archive."""

Member = tuple[str, Iterable[bytes]]

BUNDLE = "bundle.json"
"""The first file of a bundle that wsdiag packed: what is below `evidence` is named as it was."""

EVIDENCE = "evidence/"

_BUNDLE_HEAD = b'{"schema":"wsdiag.bundle/'
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_USTAR, _USTAR_AT = b"ustar", 257  # POSIX.1-1988 and GNU alike


def members(path: Path) -> Iterator[Member] | None:
    """The name and content of each file in an archive, to be read in turn; None for no archive.

    The iterator raises `ValueError` where the archive holds no files, too many, or is damaged.
    """
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if head.startswith(_ZIP):
        return _counted(_of_zip(path), "zip")
    return _counted(_of_tar(path), "tar") if _begins_tar(head) else None


def is_bundle(path: Path) -> bool:
    """Whether it is a bundle of wsdiag."""
    try:
        with path.open("rb") as file:
            if not file.read(len(_ZIP[0])).startswith(_ZIP):
                return False
        with zipfile.ZipFile(path) as archive:
            return _bundled(archive)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _bundled(archive: zipfile.ZipFile) -> bool:
    found = archive.infolist()[:1]
    if not found or found[0].filename != BUNDLE or found[0].flag_bits & 1:
        return False
    with archive.open(found[0]) as file:
        return file.read(len(_BUNDLE_HEAD)) == _BUNDLE_HEAD


def _begins_tar(head: bytes) -> bool:
    """Whether it is a tar header with its checksum: a text may hold the magic word by chance."""
    if not head[_USTAR_AT:].startswith(_USTAR):
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _counted(found: Iterator[Member], kind: str) -> Iterator[Member]:
    number = 0
    for number, (name, content) in enumerate(found, 1):
        if number > MAX_MEMBERS:
            raise ValueError(f"the {kind} file holds more than {MAX_MEMBERS} files")
        yield "/".join(_safe_parts(name)) or "unnamed", content
    if not number:
        raise ValueError(f"the {kind} file holds no files")


def _of_zip(path: Path) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as problem:
        raise ValueError(f"the zip file is cut short or damaged ({problem})") from None
    with archive:
        below = EVIDENCE if _bundled(archive) else ""
        for member in archive.infolist():
            linked = stat.S_ISLNK(member.external_attr >> 16)
            name = member.filename
            if not (member.is_dir() or linked or _odd(name)) and name.startswith(below):
                yield name.removeprefix(below), _unzip(archive, member)


def _of_tar(path: Path) -> Iterator[Member]:
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content and not _odd(member.name):
                    yield member.name, chunks_of(content.read)
    except tarfile.TarError as problem:  # all before it was read
        raise ValueError(f"the tar file is cut short or damaged ({problem})") from None


def _odd(name: str) -> bool:
    """True for what is hidden and for what macOS adds."""
    parts = _safe_parts(name)
    return any(part.startswith(".") for part in parts) or "__MACOSX" in parts


def _safe_parts(name: str) -> list[str]:
    """The parts of a member's name, none of which leads out of the archive."""
    parts = re.split(r"[/\\]", name)
    return [part for part in parts if part not in ("", ".", "..") and not part.endswith(":")]


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.flag_bits & 1:
        raise EOFError("it is encrypted")
    with archive.open(member) as stream:
        assert isinstance(stream, zipfile.ZipExtFile)  # what open gives for reading
        yield from chunks_of(stream.read1)
