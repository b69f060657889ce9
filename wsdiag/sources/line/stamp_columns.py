"""Read the times of many lines at once, where they are written alike: `clock.py` in columns.

Times written alike differ in their digits of hour, minute, second and fraction; what stands before
and behind these, the date and the zone, is read once for all lines that share it.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from wsdiag.event import EVENTS
from wsdiag.sources.line import stamps
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.stamps import Lacks

_TIME_OF_DAY = re.compile(
    r"(?<!\d)\d\d:\d\d:\d\d(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?=(?: ?(?:Z|UTC|[+-]\d\d:?\d\d)| \d{4}|(?P<half> [AP]M))?$)"
)
_ONE_DIGIT = r" (\d:\d\d:\d\d\S* [AP]M)$"
_MAX_DATES = 64
"""Times of more dates than that are not written alike."""

_MAX_CHARS = 40
_LATEST_S = 7_258_118_400
"""The year 2200: such times are none to reckon with."""


class Times(NamedTuple):
    """Instants, null where the time is not written as most are, and how they came about.

    `assumed` names what the times leave out: zone, year.
    """

    at: pl.Series
    resolution_ms: float
    assumed: frozenset[str]


def times(texts: pl.Series, clock: Clock) -> Times:
    """The instants of texts that hold a time and nothing else."""
    nothing = pl.Series([None], dtype=EVENTS["ts"]).new_from_index(0, len(texts))
    none = Times(nothing, 0.0, frozenset())
    if len(texts) and texts[0].endswith("M"):
        texts = texts.str.replace(_ONE_DIGIT, " 0${1}")
    first = texts[0] if len(texts) else ""
    found = _TIME_OF_DAY.search(first)
    width = len(first)
    if not found or width > _MAX_CHARS:
        return none
    alike = (texts.str.len_bytes() == width).arg_true()
    chars = np.frombuffer(texts.gather(alike).str.join("").item().encode(), np.uint8)
    chars = chars.reshape(-1, width)
    begin, end = found.span()
    micros, sound = _time_of_day(chars[:, begin:end], chars[0, begin:end], bool(found["half"]))
    around = np.delete(chars, np.s_[begin:end], axis=1)
    dates = np.full(len(chars), -1, np.int64)
    left, kind = sound.copy(), None
    for _ in range(_MAX_DATES):
        if not left.any():
            break
        one = int(left.argmax())
        same = left & (around == around[one]).all(axis=1)
        left &= ~same
        midnight = chars[one].copy()
        midnight[begin:end][(midnight[begin:end] >= 48) & (midnight[begin:end] <= 57)] = 48
        stamp = stamps.parse(midnight.tobytes().decode())
        if not stamp or stamp.lacks == Lacks.DATE or stamp.end != width:
            continue
        day = clock.day(stamp.at) if stamp.lacks == Lacks.YEAR else stamp.at
        how = (stamp.resolution_ms, stamp.at.tzinfo is not None, stamp.lacks)
        kind = kind or how
        if day and how == kind:
            zone = day.tzinfo or UTC
            dates[same] = int(day.replace(tzinfo=zone).timestamp())
    if kind is None:
        return none
    known = (dates >= 0) & (dates < _LATEST_S)
    at = pl.Series(dates[known] * 1_000_000 + micros[known]).cast(pl.Datetime("us"))
    resolution_ms, zoned, lacks = kind
    at = at.dt.replace_time_zone("UTC") if zoned else clock.zoned(at)
    places = alike.gather(np.flatnonzero(known))
    assumed = {*([] if zoned else ["zone"]), *(["year"] if lacks == Lacks.YEAR else [])}
    return Times(nothing.scatter(places, at), resolution_ms, frozenset(assumed))


def epochs(texts: pl.Series) -> Times:
    """The instants of texts that are seconds, milliseconds, micro- or nanoseconds since 1970."""
    first = texts[0]
    stamp = stamps.of_value(first)
    seconds = texts.str.slice(0, 10).cast(pl.Int64, strict=False)
    rest = texts.str.slice(10).str.strip_chars_start(".").str.slice(0, 6).str.pad_end(6, "0")
    at = (seconds * 1_000_000 + rest.cast(pl.Int64, strict=False)).cast(pl.Datetime("us", "UTC"))
    known = texts.str.len_bytes() == len(first)
    known &= seconds.is_between(978_307_200, 4_102_444_799)
    return Times(at.set(~known, None), stamp.resolution_ms if stamp else 0.0, frozenset())


def _time_of_day(
    chars: npt.NDArray[np.uint8], first: npt.NDArray[np.uint8], half: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Microseconds since midnight, and whether it is a time of day written as the first is; of half
    a day, since its beginning."""
    digit = (first >= 48) & (first <= 57)
    sound = (chars[:, ~digit] == first[~digit]).all(axis=1)
    figures = chars[:, digit] - np.uint8(48)
    sound &= (figures <= 9).all(axis=1)
    hour, minute, second = (
        figures[:, 2 * n].astype(np.int64) * 10 + figures[:, 2 * n + 1] for n in range(3)
    )
    sound &= (hour < (20 if half else 24)) & (minute < 60) & (second < 60)
    hour = hour % 12 if half else hour
    micros = (hour * 3600 + minute * 60 + second) * 1_000_000
    for place, column in enumerate(figures.T[6:12]):
        micros += column.astype(np.int64) * 10 ** (5 - place)
    return micros, sound
