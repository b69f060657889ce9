"""While evidence is read: how far it is, and an exit code where none is usable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wsdiag.cli.progress import told
from wsdiag.cli.streams import INTERRUPTED, NO_EVIDENCE, USAGE, stop
from wsdiag.progress import Progress


@contextmanager
def evidence_expected(progress: Progress, *, shown: bool) -> Iterator[None]:
    """Exit with 3 where no usable evidence is found; tell how far it is meanwhile."""
    from wsdiag.config import ConfigError
    from wsdiag.gather import NoEvidence

    try:
        with told(progress, shown=shown):
            yield
    except NoEvidence as problem:
        stop(str(problem), INTERRUPTED if progress.stopped else NO_EVIDENCE)
    except ConfigError as problem:
        stop(str(problem), USAGE)
