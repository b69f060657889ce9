"""How far the reading is: who reads says so; who waits may look, or ask it to stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Progress:
    """How far a run is. `stopped` asks it to make do with what was read so far."""

    def __init__(self) -> None:
        self.total = 0  # bytes of all inputs
        self.name = ""  # of the input that is read; empty where none is
        self.note = ""  # what else is said about it
        self.stopped = False
        self.is_cut = False  # the input that was read last was left in the middle
        self._before = self._at = 0

    @property
    def read(self) -> int:
        """Bytes that were read."""
        return self._before + self._at

    def begin(self, name: str) -> None:
        """An input is read now."""
        self.name, self.is_cut = name, False

    def goes_on(self, at: int) -> bool:
        """Whether to read on in the input, of which `at` bytes were read."""
        self._at, self.is_cut = at, self.stopped
        return not self.stopped

    def end(self, size: int) -> None:
        """The input is read, as far as it was to be."""
        self.name = ""
        self._before, self._at = self._before + (self._at if self.is_cut else size), 0


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current() -> Progress:
    """The progress of this run; one that nobody looks at where none is watched."""
    return _current.get() or Progress()


@contextmanager
def watched(progress: Progress) -> Iterator[Progress]:
    """What is read in here tells `progress` how far it is."""
    token = _current.set(progress)
    try:
        yield progress
    finally:
        _current.reset(token)
