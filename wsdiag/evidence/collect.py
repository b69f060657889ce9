"""From paths to inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from wsdiag.evidence import archives
from wsdiag.evidence.find import expand, once
from wsdiag.evidence.inputs import Found, InputFile
from wsdiag.evidence.names import distinct, named, shown
from wsdiag.evidence.spool import opened
from wsdiag.evidence.unpack import as_given, unpack

Place = str | os.PathLike[str]

Paths = Place | Sequence[Place]
"""Files, folders and globs; one, or several."""


def _is_bundle(path: Path) -> bool:
    return path.is_file() and archives.is_bundle(path)


@contextmanager
def collect(paths: Paths) -> Iterator[Found]:
    """Find and unpack every input under `paths`; spooled copies live until the context ends."""
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    with ExitStack() as stack:
        spool = opened(stack)
        inputs: list[InputFile] = []
        problems: list[str] = []
        given = [os.fspath(path) for path in several]
        found = named(once(expand(given, problems)))
        asked = {str(Path(text)) for text in given}
        packed = [path for _, path in found if str(path) not in asked and _is_bundle(path)]
        for name, path in found:
            # A bundle tells again what lies beside it; where there is nothing else it is read.
            alone = path not in packed or len(packed) == len(found)
            try:
                inputs.extend(unpack(name, path, spool) if alone else [as_given(name, path)])
            except (OSError, ValueError) as problem:
                why = problem.strerror if isinstance(problem, OSError) else None
                problems.append(f"{shown(name)}: {shown(why or str(problem))}")
        yield Found(inputs=distinct(inputs), problems=problems)
