"""When lines of a log were written that state no time, or whose time nobody has asked for yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.formats.line_format import Format
from wsdiag.sources.line import stamps
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.stamps import Stamp

_LAST_WORDS = 200
"""Lines of a dying process, at most, that no time stands beside: its stacks."""


class Moments:
    """The moments of one input, by its clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        # a line of which nobody asked the time yet: it may be that of the lines after it
        # (where a format knows its time, by that format)
        self.unparsed: tuple[str, Stamp | None, Format | None] | None = None
        self.last_words: list[Row] = []  # of a process, that no time stands beside

    def instant(self, stamp: Stamp | None) -> datetime | None:
        """When a line was written that has this stamp; without one, when those before it were."""
        if stamp is None and self.unparsed:
            text, outer, reader = self.unparsed
            if reader and (fields := reader.fields(text)):
                text = fields["time"]
            stamp = stamps.parse(text) or stamps.find(text) or outer
        self.unparsed = None
        return self.clock.instant(stamp)

    def pass_over(self, text: str, stamp: Stamp | None) -> None:
        """A line tells nothing but perhaps its time, also that of the lines behind it."""
        if stamp or stamps.may_stand_in(text):
            self.unparsed = (text, stamp, None)

    def aside(self, stamp: Stamp | None) -> datetime | None:
        """Another moment that a line states, which is not its own."""
        last = self.clock.last
        instant = self.clock.instant(stamp) if stamp else None
        self.clock.last = last
        return instant

    def date(self, rows: Iterable[Row], stamp: Stamp | None) -> None:
        """Give rows of a line their moment."""
        instant = self.instant(stamp)
        if not stamp:
            self.last_words += [row for row in rows if row["kind"] == "server_stop"]
        for row in rows:
            row["ts"] = instant

    def beside(self, rows: Iterable[Row], stamp: Stamp | None) -> None:
        """Give rows of a line within a report the moment of that."""
        instant = self.instant(stamp) if stamp else self.clock.last
        for row in rows:
            row["ts"] = instant

    def date_last_words(self, before: datetime | None, pos: int) -> None:
        """A process dies between two lines with a time: rather at the next, which it came before.

        For what comes next is mostly its new start, while it may have been silent for long.
        `before` is the clock's last instant before the line at `pos`.
        """
        if self.unparsed:
            self.instant(None)
        if self.clock.last is not before:
            for row in self.last_words:
                row["ts"] = self.clock.last
        said = self.last_words[-1]["pos"]
        if self.clock.last is not before or pos - int(str(said)) > _LAST_WORDS:
            self.last_words = []
