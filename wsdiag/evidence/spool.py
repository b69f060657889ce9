"""A private folder that goes with the run: unpacked copies, bounded in total, and events that are
too many for memory.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import polars as pl

from wsdiag.evidence.names import shown

MAX_SPOOL_BYTES = 32 * 1024**3
"""What one run unpacks at most: packed files that grow beyond this are a bomb, not evidence."""

CHUNK = 1024 * 1024


class Spool:
    """The folder; it is made when the first copy is, and removed when `stack` closes.

    `is_full`: the disk did not take events, which stay in memory then.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._folder: Path | None = None
        self._left = MAX_SPOOL_BYTES
        self._files = 0
        self.is_full = False

    def keep(self, events: pl.DataFrame) -> pl.LazyFrame:
        """The plan of events that wait in the folder, or in memory where the disk takes none."""
        if self.is_full:
            return events.lazy()
        with self._open() as file:
            try:
                # To pack them smaller takes longer than to read more.
                events.write_parquet(file, compression="lz4")
                file.flush()
            except (OSError, pl.exceptions.ComputeError):
                self.is_full = True
        if self.is_full:
            Path(file.name).unlink()
            return events.lazy()
        return pl.scan_parquet(file.name, glob=False)

    def copy(self, chunks: Iterable[bytes], remarks: list[str]) -> Path:
        """A copy of `chunks`, as far as they come; a remark says why they stopped.

        Raises `OSError` where the disk does not take it.
        """
        with self._open() as copy:
            try:
                self._fill(copy, chunks)
            except Exception as problem:  # each way of packing fails in a way of its own
                if isinstance(problem, OSError) and problem.errno is not None:
                    Path(copy.name).unlink()  # the disk, not the data
                    raise _no_room(problem, Path(copy.name).parent) from None
                remarks.append(
                    "cut short, damaged or not to be unpacked; read as far as it goes "
                    f"({shown(str(problem) or type(problem).__name__)})"
                )
        return Path(copy.name)

    def _open(self) -> IO[bytes]:
        if self._folder is None:
            made = self._stack.enter_context(TemporaryDirectory(prefix="wsdiag-"))
            self._folder = Path(made)
        self._files += 1
        return (self._folder / str(self._files)).open("xb")

    def _fill(self, copy: IO[bytes], chunks: Iterable[bytes]) -> None:
        """Write all `chunks`; raises `EOFError` where the bound is reached."""
        for chunk in chunks:
            copy.write(chunk[: self._left])
            self._left -= len(chunk)
            if self._left < 0:
                self._left = 0
                raise EOFError(f"all that is unpacked exceeds {MAX_SPOOL_BYTES} bytes")
        copy.flush()


_current: ContextVar[Spool | None] = ContextVar("spool", default=None)


def keep(events: pl.DataFrame) -> pl.LazyFrame:
    """The plan of events that wait in this run's spool; in memory where there is none."""
    spool = _current.get()
    return spool.keep(events) if spool else events.lazy()


def opened(stack: ExitStack) -> Spool:
    """A run's spool: until `stack` closes, what is kept waits in it."""
    spool = Spool(stack)
    stack.callback(_current.reset, _current.set(spool))
    return spool


def chunks_of(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What `read` gives, until it gives nothing."""
    return iter(partial(read, CHUNK), b"")


def _no_room(problem: OSError, folder: Path) -> OSError:
    if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
        return problem
    why = f"no room to unpack it in {folder.parent}; TMPDIR may name a folder that has room"
    return OSError(problem.errno, why)
