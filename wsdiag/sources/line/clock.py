"""Make instants of stamps: fill in the year, the date and the zone that a log leaves out.

- No zone: the line is taken in the zone of the settings.
- No year: the year that brings the line nearest to a full date of the same file; where the file
  has none, the latest year that does not put the line after the file's last change.
- No date: the day of a full date of the same file, else of the file's last change; when the clock
  passes midnight the day advances.

Every assumption is told in `remarks()`.
"""

from __future__ import annotations

from collections.abc import Set
from copy import copy
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import polars as pl

from wsdiag.sources.line.stamps import Lacks, Stamp

_HALF_DAY = timedelta(hours=12)
_DAY = timedelta(days=1)
_LATE = timedelta(hours=23)
_END_OF_DAY = timedelta(days=1, microseconds=-1)


class Clock:
    """The clock of one input; it remembers the last instant, for lines without a time."""

    def __init__(self, tz: str, changed: datetime, known: datetime | None) -> None:
        """`changed` is the file's last change; `known` a full date in it, where it has one."""
        self._name = tz
        try:
            self._zone: tzinfo = ZoneInfo(tz)
        except (ValueError, OSError, KeyError):
            self._name, self._zone = "UTC", UTC
        self._changed = changed.astimezone(self._zone).replace(tzinfo=None)
        self._known = self._local(known) if known else None
        self._day = datetime.combine(self._known or self._changed, time.min)
        self._last_of_day: datetime | None = None
        self._assumed: set[str] = set()
        self.resolution_ms = 0.0
        self.last: datetime | None = None

    def apart(self) -> Clock:
        """A clock of the same settings that has shown nothing yet."""
        made = copy(self)
        made._assumed, made.resolution_ms, made.last = set(), 0.0, None
        return made

    def instant(self, stamp: Stamp | None) -> datetime | None:
        """The stamp in UTC; the last instant where there is no stamp."""
        if stamp is None:
            return self.last
        at = stamp.at
        self.resolution_ms = max(self.resolution_ms, stamp.resolution_ms)
        try:
            if stamp.lacks == Lacks.YEAR:
                at = self._with_year(at)
            elif stamp.lacks == Lacks.DATE:
                at = self._with_date(at)
            if at.tzinfo is None:
                self._assumed.add("zone")
                at = at.replace(tzinfo=self._zone)
            self.last = at.astimezone(UTC)
        except (ValueError, OverflowError):
            return self.last
        return self.last

    def zoned(self, times: pl.Series) -> pl.Series:
        """Times without a zone as instants; null for one that the zone's clocks leave out."""
        local = times.dt.replace_time_zone(
            str(self._zone), ambiguous="earliest", non_existent="null"
        )
        return local.dt.convert_time_zone("UTC")

    def passed(self, last: datetime, resolution_ms: float, assumed: Set[str]) -> None:
        """Times were read elsewhere, in columns; `last` was the last of them.

        `assumed` names what these left out: zone, year.
        """
        self.last = last
        self.resolution_ms = max(self.resolution_ms, resolution_ms)
        self._assumed |= assumed

    def day(self, midnight: datetime) -> datetime | None:
        """The midnight of a day without a year in its year; None where that depends on the hour."""
        try:
            first, last = (self._in_year(midnight + late) for late in (timedelta(), _END_OF_DAY))
        except ValueError:
            return None
        return first if first.year == last.year else None

    @property
    def zoneless(self) -> bool:
        """Whether times carried no zone, and none was given for them."""
        return "zone" in self._assumed and self._name == "UTC"

    def remarks(self) -> list[str]:
        """What was assumed, one sentence each."""
        told = []
        if "zone" in self._assumed:
            told.append(f"times carry no zone; taken as {self._name}")
        if "year" in self._assumed:
            told.append("times carry no year; taken from " + self._where("year"))
        if "date" in self._assumed:
            told.append("times carry no date; taken from " + self._where("date"))
        if self.last and self.last > datetime.now(UTC) + _DAY:
            told.append(f"times lie in the future ({self.last:%Y-%m-%d})")
        return told

    def _where(self, what: str) -> str:
        if self._known:
            return f"the full dates in this file ({self._known:%Y-%m-%d})"
        return f"the file's last change ({self._changed:%Y-%m-%d}): the {what} may be wrong"

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self._zone).replace(tzinfo=None) if at.tzinfo else at

    def _with_year(self, at: datetime) -> datetime:
        self._assumed.add("year")
        return self._in_year(at)

    def _in_year(self, at: datetime) -> datetime:
        near = self._known or self._changed
        plain = at.replace(tzinfo=None)
        candidates = [
            plain.replace(year=year)
            for year in (near.year - 1, near.year, near.year + 1)
            if (plain.month, plain.day) != (2, 29) or _leap(year)
        ]
        if not self._known:
            candidates = [c for c in candidates if c <= near + _DAY] or candidates
        if not candidates:
            raise ValueError("29 February in no leap year")
        return min(candidates, key=lambda c: abs(c - near)).replace(tzinfo=at.tzinfo)

    def _with_date(self, at: datetime) -> datetime:
        self._assumed.add("date")
        plain = datetime.combine(self._day, at.time())
        if self._last_of_day:
            if self._last_of_day - plain > _HALF_DAY:
                self._day += _DAY
                plain += _DAY
            elif plain - self._last_of_day > _LATE:  # written just before midnight, logged after
                plain -= _DAY
        self._last_of_day = plain
        return plain.replace(tzinfo=at.tzinfo)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
