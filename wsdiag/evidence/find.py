"""The files that paths, folders and globs mean."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wsdiag.evidence.names import shown


def expand(paths: Iterable[str], problems: list[str]) -> Iterator[tuple[Path, Path]]:
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


def once(found: Iterator[tuple[Path, Path]]) -> Iterator[tuple[Path, Path]]:
    """Without the files that were there already, however they are called."""
    seen: set[str] = set()
    for name, path in found:
        real = str(path) if str(path) == "-" else os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield name, path
