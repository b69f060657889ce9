"""A digest of all that an incident's reports depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

import wsdiag
from wsdiag.batch.task import Task
from wsdiag.evidence.find import expand

_PIECE = 1024 * 1024


def of_task(task: Task) -> str:
    """The same as long as version, settings, kinds of report and every byte of evidence are."""
    digest = hashlib.sha256()
    settings = msgspec.json.encode([wsdiag.__version__, task.config, task.forms])
    _add(digest, settings)
    _files(digest, expand([task.folder], []))
    for folder in task.config.formats:
        _files(digest, ((path.relative_to(folder), path) for path in _formats(folder)))
    if task.config.keylog:
        _files(digest, [(Path("keylog"), Path(task.config.keylog))])
    return digest.hexdigest()


def _formats(folder: str) -> Iterator[Path]:
    yield from sorted(Path(folder).glob("*.toml"))


def _files(digest: hashlib._Hash, files: Iterable[tuple[Path, Path]]) -> None:
    for name, path in files:
        _add(digest, name.as_posix().encode("utf-8", "surrogateescape"))
        content = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    content.update(piece)
        except OSError as problem:
            content.update(str(problem.errno).encode())
        _add(digest, content.digest())


def _add(digest: hashlib._Hash, data: bytes) -> None:
    digest.update(len(data).to_bytes(8) + data)
