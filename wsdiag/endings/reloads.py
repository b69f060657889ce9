"""Ends that a proxy's reload made: its old workers close what they hold after a grace period."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from wsdiag import timers
from wsdiag.endings.surroundings import halts
from wsdiag.endings.waves import seconds

NEAR_S = 2.0
"""A log in whole seconds, and a worker that closes one socket after another."""

LONGEST_S = 4000.0
"""No grace period is longer."""

ROUND_S = 5.0
"""A grace period is a round number that somebody chose; a last user leaves at any time."""

MAX_PAIRS = 2_000
"""Beyond so many pairs of a reload and an end only known grace periods are tried."""

SPARSE = 64
"""Of so few pairs two that are nearly alike may have no other between them."""

OVER_CHANCE, CALM_S = 3.0, 60.0
"""How many times as many ends must fall there as would by chance, over a minute at least."""

AFTER_RELOAD = pl.Schema(
    {
        "session": pl.String(),
        "how": pl.String(),  # worker-exited, drain-offset
        "reloaded_at": pl.Datetime("us", "UTC"),
        "offset_s": pl.Float64(),
    }
)


def after_reload(ends: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """The ends (session, begun, ended) that a reload explains, with its moment and their distance.

    Either a worker that had been told to go exited then, a round time after it was told, or ends
    come at the same distance from most reloads, or at the default grace period after one. What ends
    when the proxy itself stops at once was not left to run out.
    """
    halted = halts(events).select(at="ts").sort("at")
    ends = (
        ends.filter(pl.col("ended").is_not_null())
        .sort("ended")
        .join_asof(
            halted,
            left_on="ended",
            right_on="at",
            strategy="nearest",
            tolerance=timedelta(seconds=NEAR_S),
        )
        .filter(pl.col("at").is_null())
    )
    reloads = events.filter((pl.col("kind") == "reload") & pl.col("ts").is_not_null()).select(
        "ts", reason=pl.col("reason").fill_null("")
    )
    told = pl.concat(
        [
            ends.select("session", "begun", "ended", reason=pl.lit(None, dtype=pl.String)),
            reloads.select(
                session=pl.lit(None, dtype=pl.String),
                begun=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
                ended="ts",
                reason="reason",
            ),
        ]
    )
    return told.map_batches(_explained, schema=AFTER_RELOAD)


def _explained(rows: pl.DataFrame) -> pl.DataFrame:
    reloads = rows.filter(pl.col("reason").is_not_null()).sort("ended")
    ends = rows.filter(pl.col("reason").is_null())
    if reloads.is_empty() or ends.is_empty():
        return pl.DataFrame(schema=AFTER_RELOAD)
    exits = reloads["reason"].str.contains("exiting").to_numpy()
    moments = seconds(reloads["ended"])
    begun, ended = seconds(ends["begun"]), seconds(ends["ended"])
    found = _by_exit(moments[~exits], moments[exits], begun, ended)
    found |= {
        end: ("drain-offset", at)
        for end, at in _by_offset(_apart(moments[~exits]), begun, ended).items()
        if end not in found
    }
    return pl.DataFrame(
        {
            "session": ends["session"].gather(list(found)),
            "how": [how for how, _ in found.values()],
            "reloaded_at": pl.Series([at * 1e6 for _, at in found.values()], dtype=pl.Float64)
            .cast(pl.Int64)
            .cast(pl.Datetime("us", "UTC")),
            "offset_s": [ended[end] - at for end, (_, at) in found.items()],
        },
        schema=AFTER_RELOAD,
    )


def _by_exit(
    told: np.ndarray, exits: np.ndarray, begun: np.ndarray, ended: np.ndarray
) -> dict[int, tuple[str, float]]:
    """Ends at the moment at which an old worker exited, a chosen time after it was told to go.

    A worker also exits when its last connection leaves by itself, so the time must be a round one.
    """
    found: dict[int, tuple[str, float]] = {}
    for leaving in exits:
        before = told[told < leaving - NEAR_S]
        spans = leaving - before
        chosen = before[np.abs(spans - np.round(spans / ROUND_S) * ROUND_S) <= 0.5]
        if not len(chosen):
            continue
        near = np.abs(ended - leaving) <= NEAR_S
        for end in np.flatnonzero(near & ~(begun > chosen[0] + NEAR_S)):
            found[int(end)] = ("worker-exited", float(chosen[0]))
    return found


def _by_offset(told: np.ndarray, begun: np.ndarray, ended: np.ndarray) -> dict[int, float]:
    """Ends at one distance from most reloads, or at the default grace period after one."""
    best: dict[int, float] = {}
    known = timers.defaults(timers.DRAIN)
    few = len(told) * len(ended) <= MAX_PAIRS
    distances = [float(end - at) for at in told for end in ended] if few else []
    between = (-1, 0, 1) if len(distances) <= SPARSE else (0,)
    tried = {round(d) + step for d in distances for step in between if NEAR_S < d <= LONGEST_S}
    for offset in {*known, *tried}:
        hits: dict[int, float] = {}
        for at in told:
            near = (np.abs(ended - at - offset) <= NEAR_S) & ~(begun > at + NEAR_S)
            hits |= {int(end): float(at) for end in np.flatnonzero(near)}
        reloads = len(set(hits.values()))
        # Of two reloads some ends come at like distances by chance, unless they are most of all.
        steady = reloads * 2 >= len(told) and (
            reloads > 2 or (reloads == 2 and len(hits) * 2 >= len(ended))
        )
        by_chance = len(ended) * 2 * NEAR_S * len(told) / max(float(np.ptp(ended)), CALM_S)
        if (steady or (offset in known and reloads)) and len(hits) >= OVER_CHANCE * by_chance:
            best = max(best, hits, key=len)
    return best


def _apart(moments: np.ndarray) -> np.ndarray:
    """One moment for the several lines that a reload writes."""
    return moments[np.diff(moments, prepend=-np.inf) > NEAR_S] if len(moments) else moments
