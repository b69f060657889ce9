"""From paths to inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from wsdiag.evidence.find import expand, once
from wsdiag.evidence.inputs import Found, InputFile
from wsdiag.evidence.names import distinct, named, shown
from wsdiag.evidence.spool import Spool
from wsdiag.evidence.unpack import unpack

Place = str | os.PathLike[str]

Paths = Place | Sequence[Place]
"""Files, folders and globs; one, or several."""


@contextmanager
def collect(paths: Paths) -> Iterator[Found]:
    """Find and unpack every input under `paths`; spooled copies live until the context ends."""
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    with ExitStack() as stack:
        spool = Spool(stack)
        inputs: list[InputFile] = []
        problems: list[str] = []
        for name, path in named(once(expand([os.fspath(path) for path in several], problems))):
            try:
                inputs.extend(unpack(name, path, spool))
            except (OSError, ValueError) as problem:
                why = problem.strerror if isinstance(problem, OSError) else None
                problems.append(f"{shown(name)}: {shown(why or str(problem))}")
        yield Found(inputs=distinct(inputs), problems=problems)
