"""The offset and the drift of one clock against another, from moments that both saw.

What travels takes time, so each shared moment bounds the offset from one side only: an answer is
seen by the client after the wire, a question before it. Where both kinds are there the offset lies
between their bounds, as in NTP, and half of what lies between is the error. Lines that were written
late break bounds: the offset is where the fewest are broken. Where only one kind is there, a path
that works is taken to cost at most `SETTLE_MS`.
"""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from wsdiag.clocks.anchors import ATTEMPT, HANDSHAKE

SETTLE_MS = 25.0
"""What the 101 takes from one vantage to the next, at most, on a path that works."""

WIDEST_MS = 500.0
"""Bounds further apart say more about the path or the log than about the clock."""

ENOUGH, LONG_ENOUGH_S = 8, 20.0
"""So many moments over so long a time may show a drift."""

FASTEST_PPM = 2000.0
"""No clock that runs at all drifts faster; NTP slews by 500 ppm at most."""

MOST_COMPARED = 400
"""Moments of one kind among which slopes are taken."""

ZONE_MS, NEAR_ZONE_MS, FARTHEST_ZONE = 30 * 60_000.0, 60_000.0, 28
"""Time zones differ by half-hours, fourteen hours at most; a clock beside that by a minute."""

_TO_SIGMA = 1.4826  # of a median absolute deviation, for a normal distribution


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """A source's clock: its time minus the reference's for the same instant, in milliseconds.

    `offset_ms` holds at `at_s` (seconds of the epoch, by the reference); it grows by `drift_ppm`
    microseconds a second, which is null where none is seen. `zone_min` is the part of the offset
    that is a difference of time zones, in minutes. `anchors` counts the moments that told it, and
    `against` names the source that they were compared with.
    """

    offset_ms: float | None = None
    error_ms: float | None = None
    drift_ppm: float | None = None
    drift_error_ppm: float | None = None
    zone_min: int | None = None
    anchors: int = 0
    against: str | None = None
    at_s: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether the offset, or what the drift makes of it, is larger than twice its error."""
        if self.offset_ms is None or self.error_ms is None:
            return False
        return abs(self.offset_ms) > 2 * self.error_ms or self.drift_ppm is not None

    @property
    def left_s(self) -> float | None:
        """By how much it may still be off once it has been moved, in seconds; None: unknown."""
        if self.offset_ms is None or self.error_ms is None:
            return None
        return ((0.0 if self.moves else abs(self.offset_ms)) + self.error_ms) / 1e3

    def ahead_ms(self, at: pl.Expr) -> pl.Expr:
        """How far the clock is ahead at an instant, in milliseconds."""
        grown = (at.dt.epoch("us") / 1e6 - self.at_s) * (self.drift_ppm or 0.0) / 1e3
        return grown + (self.offset_ms or 0.0)


def fit(pairs: pl.DataFrame, step_ms: float, step_reference_ms: float) -> Clock:
    """The clock that `anchors.pairs` show; `step` is what a source's stamps are cut to.

    A stamp that is cut to whole steps stands half a step early on the average.
    """
    if pairs.is_empty():
        return Clock()
    floor = max(step_ms, step_reference_ms)
    at = pairs["at"].dt.epoch("us").to_numpy() / 1e6
    apart = pairs["apart_ms"].to_numpy() + (step_ms - step_reference_ms) / 2
    kinds = pairs.select(kind=pl.format("{} {}", "what", "after"))["kind"].to_numpy()
    middle = float((at.min() + at.max()) / 2)
    drift, drift_error = _drift(at, apart, kinds, floor)
    flat = apart - (at - middle) * (drift or 0.0) / 1e3
    offset, error = _offset(flat, pairs["what"].to_numpy(), pairs["after"].to_numpy())
    error += floor / 2 + (float(abs(at - middle).max()) * drift_error / 1e3 if drift else 0.0)
    return zoned(
        Clock(
            offset_ms=round(offset, 1),
            error_ms=round(error, 1),
            drift_ppm=None if drift is None else round(drift, 1),
            drift_error_ppm=None if drift is None else round(drift_error, 1),
            anchors=len(pairs),
            at_s=middle,
        )
    )


def zoned(clock: Clock) -> Clock:
    """The clock with its time zone, where its offset is one."""
    zones = round((clock.offset_ms or 0.0) / ZONE_MS)
    rest = abs((clock.offset_ms or 0.0) - zones * ZONE_MS)
    if not 1 <= abs(zones) <= FARTHEST_ZONE or rest > NEAR_ZONE_MS:
        return clock
    return msgspec.structs.replace(clock, zone_min=30 * zones)


def _offset(apart: np.ndarray, what: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """The offset and its error, without that of the stamps."""
    high, low = np.sort(apart[after == 1]), np.sort(apart[after == -1])
    if len(high) and len(low):
        begin, end, broken = _fewest_broken(high, low)
        if end - begin <= 2 * WIDEST_MS:
            middle = (begin + end) / 2
            wrong = np.concatenate([middle - high[high < middle], low[low > middle] - middle])
            doubt = float(np.median(wrong)) * broken / (len(high) + len(low)) if len(wrong) else 0.0
            return middle, (end - begin) / 2 + _standard_error(apart, middle) + doubt
    shakes = what == HANDSHAKE
    told = shakes if shakes.any() else what != ATTEMPT
    told = told if told.any() else what == ATTEMPT
    edge = _edge(apart[told], int(np.sign(after[told].sum())))
    return edge, SETTLE_MS + _TO_SIGMA * float(np.median(np.abs(apart[told] - edge)))


def _fewest_broken(high: np.ndarray, low: np.ndarray) -> tuple[float, float, int]:
    """Where the offset breaks the fewest bounds – all `high` are above it, all `low` below – and
    how many it breaks there."""
    edges = np.unique(np.concatenate([high, low]))
    above = len(low) - np.searchsorted(low, edges, side="right")
    broken = np.searchsorted(high, edges, side="left") + above
    best = edges[broken == broken.min()]
    return float(best[0]), float(best[-1]), int(broken.min())


def _edge(values: np.ndarray, side: int) -> float:
    """What bounds the offset: of the moments that are all seen too late, or too early, a near one;
    the median where nobody knows."""
    return float(np.quantile(values, 0.5 - 0.25 * side))


def _standard_error(apart: np.ndarray, middle: float) -> float:
    """Twice the error of the middle of so many values, by their robust spread."""
    return 2 * _TO_SIGMA * float(np.median(np.abs(apart - middle))) / float(np.sqrt(len(apart)))


def _drift(
    at: np.ndarray, apart: np.ndarray, kinds: np.ndarray, floor: float
) -> tuple[float | None, float]:
    """The drift in ppm and its error, None where none is seen.

    Where things wait longer and longer on their way, one direction grows and the other does not: a
    drift is believed where both directions show the same, or grows beyond what a path may cost.
    """
    if len(at) < ENOUGH or at.max() - at.min() < LONG_ENOUGH_S:
        return None, 0.0
    slopes = {
        kind: slope
        for kind in sorted(set(kinds))
        if (slope := _slope(at[kinds == kind], apart[kinds == kind], floor)) is not None
    }
    if not slopes:
        return None, 0.0
    ways = {kind.rpartition(" ")[2] for kind in slopes}
    weights = np.array([1 / error**2 for _, error in slopes.values()])
    values = np.array([value for value, _ in slopes.values()])
    drift = float((weights * values).sum() / weights.sum())
    error = float(np.sqrt(1 / weights.sum()))
    agree = all(abs(value - drift) <= 2 * own for value, own in slopes.values())
    beyond = abs(drift) / 1e3 * (at.max() - at.min()) > 4 * SETTLE_MS
    believed = agree and ({"1", "-1"} <= ways or beyond)
    if not believed or not 2 * error < abs(drift) <= FASTEST_PPM:
        return None, 0.0
    return drift, error


def _slope(at: np.ndarray, apart: np.ndarray, floor: float) -> tuple[float, float] | None:
    """Theil and Sen's slope in ppm, of moments far enough apart, and twice its standard error."""
    if len(at) < ENOUGH // 2 or at.max() - at.min() < LONG_ENOUGH_S:
        return None
    some = np.linspace(0, len(at) - 1, min(len(at), MOST_COMPARED)).astype(int)
    at, apart = at[some], apart[some]
    one, other = np.triu_indices(len(at), 1)
    took = at[other] - at[one]
    far = np.abs(took) >= (at.max() - at.min()) / 4
    slope = float(np.median((apart[other] - apart[one])[far] / took[far]))
    rest = apart - slope * at
    spread = _TO_SIGMA * float(np.median(np.abs(rest - np.median(rest))))
    noise = max(spread, floor / np.sqrt(12))
    error = 2 * 1.25 * noise / (np.sqrt(len(at)) * float(np.std(at)))
    return slope * 1e3, float(error) * 1e3
