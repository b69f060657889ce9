"""Both sides of a connection tried as WebSocket, where no boundary of a frame is known.

Frames are looked for at the starts of segments, and believed only when enough of them fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wsdiag.capture.websocket.frame_reader import Reader
from wsdiag.capture.websocket.protocol import Frame, Message

MAX_FAILURES = 200
"""Segments that did not start a frame before a connection is given up as WebSocket."""

# Frames without a fault, the last of which ends with its segment, that one side has to show.
_ENOUGH, _ENOUGH_OF_KNOWN = 3, 2

FRAME_STARTS = frozenset(b"\x81\x82\xc1\xc2\x88\x89\x8a")
FRAGMENT_STARTS = frozenset(b"\x01\x02\x41\x42")
"""The first bytes of frames that begin a message: of a fragment only where frames are sure to come.
"""


class Trials:
    """The trials of both sides; `begin` makes a reader where the bytes may start a frame."""

    def __init__(self, begin: Callable[[int, bytes], Reader | None]) -> None:
        self._begin = begin
        self._trials: list[Trial | None] = [None, None]
        self._failures = 0

    @property
    def are_hopeless(self) -> bool:
        """Whether too much did not start a frame."""
        return self._failures > MAX_FAILURES

    def forget(self) -> None:
        """Both sides begin anew."""
        self._trials = [None, None]

    def feed(self, side: int, data: bytes, pos: int, ts: int) -> bool:
        """Take bytes of a side; whether they fit."""
        trial = self._trials[side]
        if trial is None and (reader := self._begin(side, data)) is not None:
            trial = Trial(reader)
        fits = trial is not None and trial.feed(data, pos, ts)
        self._trials[side] = trial if fits else None
        self._failures += not fits
        return fits

    def lose(self, side: int, size: int, pos: int, ts: int) -> bool | None:
        """Pass over bytes of a side; whether they fit, None where the side is not on trial."""
        trial = self._trials[side]
        if trial is None:
            return None
        fits = trial.lose(size, pos, ts)
        self._trials[side] = trial if fits else None
        return fits

    def believed(self, *, known: bool, at_least: int | None = None) -> Iterator[Trial]:
        """Those that showed enough to be sure; they are over then. `known`: who asks is known."""
        enough = at_least or (_ENOUGH_OF_KNOWN if known else _ENOUGH)
        fitting = [trial for trial in self._trials if trial is not None and trial.fitting]
        both = len(fitting) == 2 and fitting[0].from_client != fitting[1].from_client
        for trial in fitting if both else [t for t in fitting if t.fitting >= enough][:1]:
            self._trials[trial.side] = None
            yield trial


class Trial:
    """A side read as frames from the start of a segment on, until it fits or fails."""

    def __init__(self, reader: Reader) -> None:
        self.side, self.from_client = reader.side, reader.from_client
        self.reader = reader
        self.facts: list[Frame | Message] = []
        self.fitting = 0  # frames, counted where one ends with its segment

    def feed(self, data: bytes, pos: int, ts: int) -> bool:
        """Whether everything is still as it should be."""
        return self._goes_on(self.reader.feed(data, pos, ts))

    def lose(self, size: int, pos: int, ts: int) -> bool:
        """Pass over bytes that are not in the capture; the same."""
        return self._goes_on(self.reader.lose(size, pos, ts))

    def _goes_on(self, new: list[Frame | Message]) -> bool:
        self.facts.extend(new)
        if self.reader.between_frames:
            self.fitting = sum(isinstance(fact, Frame) for fact in self.facts)
        return not (self.reader.broken or any(fact.violations for fact in new))
