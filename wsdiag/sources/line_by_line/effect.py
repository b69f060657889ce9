"""What it comes to when one line is read alone: the rows it gives, and what it tells beside them.

Where two lines have the same effect but for some values, the reader of lines need not read both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.formats.line_format import Format, Gates
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line_by_line.frame_transcript import may_be_one
from wsdiag.sources.line_by_line.log_reader import LogReader

_NOTHING_BEFORE = ("\0", True, 0)


class Told(NamedTuple):
    """What lines tell beside their rows; lines of one template tell the same.

    `anonymous` as in a format file. `timed`: whether the line's time was asked for. `message`:
    "spoken" where it had one, "bare" where that stood without time and level, "silent" where
    nothing was looked for, else empty. `sort` as in `report.Lines`; the others are counts and names
    that are added up.
    """

    anonymous: str
    timed: bool
    message: str
    sort: str
    seen: frozenset[str]
    client_sentences: int
    stacks: frozenset[str]
    redactions: tuple[tuple[str, int], ...]


class Effect(NamedTuple):
    """Rows without place and time, the line's time, and what it tells beside."""

    rows: list[Row]
    at: datetime
    told: Told


class State(NamedTuple):
    """What of the lines before bears upon how any line is read."""

    last: Format | None
    client: bool


class LineEffects:
    """Reads single lines as they would be read behind others."""

    def __init__(
        self, clock: Clock, formats: Sequence[Format], gates: tuple[Gates, Gates, Gates]
    ) -> None:
        """As for a `LogReader`."""
        self._clock, self._formats, self._gates = clock, formats, gates

    def of(self, line: str, state: State) -> Effect | None:
        """The effect of a line; None where it depends on others, or they on it."""
        return self._alone(state).effect(line)

    def ends_traceback(self, line: str, state: State) -> bool:
        """True for a line behind which a traceback does not go on."""
        return self._alone(state).ends_traceback(line)

    def _alone(self, state: State) -> _Alone:
        return _Alone(self._clock.apart(), self._formats, self._gates, state)


class _Alone(LogReader):
    def __init__(
        self,
        clock: Clock,
        formats: Sequence[Format],
        gates: tuple[Gates, Gates, Gates],
        state: State,
    ) -> None:
        super().__init__(clock, formats, state.client, gates)
        self._state = state
        self._last = state.last
        self._twin = _NOTHING_BEFORE
        self._told: list[tuple[list[Row], str]] = []
        self._follows = False

    def effect(self, line: str) -> Effect | None:
        self.line(line, 1)
        timed = self._moments.unparsed is None
        at = self._moments.instant(None)
        if at is None or self._follows or self._is_changed() or self.unread or len(self._told) > 1:
            return None
        rows, anonymous = self._told[0] if self._told else ([], "")
        for row in rows:
            row.pop("pos", None)
            if row.pop("ts", None) != at:
                return None
        told = Told(
            anonymous=anonymous,
            timed=timed,
            message=self._how_spoken(),
            sort=next(iter(+self.lines)),
            seen=frozenset(self.seen),
            client_sentences=self.client_sentences,
            stacks=self.stacks,
            redactions=tuple(sorted(self.redactions.items())),
        )
        return Effect(rows, at, told)

    def ends_traceback(self, line: str) -> bool:
        self._traceback = []
        self.line(line, 1)
        return self._traceback is None

    def _is_changed(self) -> bool:
        """True where the line changes how the next is read."""
        return bool(
            self._spread
            or self._docker
            or self._moments.last_words
            or self._traceback is not None
            or self._raised
            or self._last is not self._state.last
            or self._client != self._state.client
            or not self._unwrapper.is_idle()
            or (self._state.last and self._state.last.id in self.seen)
        )

    def _how_spoken(self) -> str:
        if self._twin is _NOTHING_BEFORE:
            return ""
        message, headed, _ = self._twin
        return "spoken" if headed else "bare" if message else "silent"

    def _adopt(self, rows: list[Row], pos: int, anonymous: str) -> list[Row]:
        self._told.append(([dict(row) for row in rows], anonymous))
        self._keep(rows, pos)
        return rows

    def _message(self, message: str, *rest: object) -> bool:
        self._follows = self._follows or may_be_one(message)
        return super()._message(message, *rest)  # type: ignore[arg-type]
