"""Waves: moments at which at least half of the live connections end."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

TOGETHER = timedelta(seconds=5)
HALF = 0.5

NEARBY_S, BRIEFLY_S = 60.0, 1.0
"""How far around a wave the usual rate of ends is counted, and the step of a log's clock."""

OTHER_WAVES = 0.1
"""The part of the times around a wave that may be other waves."""

SELDOM = 1e-9
"""Ends of which none is near are this seldom."""

ENOUGH_LIVES = 10
"""So many lives outside all waves tell how long one lasts here."""

BY_CHANCE = 0.01
"""So often at most may a rate that stays the same bring such a wave anywhere in the evidence."""


def together(ends: pl.LazyFrame) -> pl.LazyFrame:
    """The ends that fall into waves: each wave a run of ends, half of the live ones within 5 s.

    `ends`: session, opened, begun, ended, over (moments or null), one row per connection; their
    other columns stay. What has no `begun` may have lived at any moment. Added are `wave` (its
    number), `live` (how many lived when it began), and `usual`: whether as many end at that rate,
    or of as many that live, at all times. Where a log tells of connections when they end, those
    that outlive it are unknown, and of the known ones most end shortly before its end.
    """
    begun = pl.col("begun").drop_nulls().sort()
    over = pl.col("over").filter(pl.col("begun").is_not_null()).drop_nulls().sort()
    placed = ends.with_columns(
        live=_until(begun, pl.col("ended"))
        - _before(over, pl.col("ended"))
        + pl.col("begun").null_count().cast(pl.Int64)
    )
    ended = pl.col("ended")
    # What began after a moment cannot be among the live ones that end from it on. Who lived for
    # longer than a wave began before it; the others are counted by when they began.
    brief = (ended - pl.col("opened") < TOGETHER).fill_null(False)
    lasting, short = ended.filter(~brief), ended.filter(brief)
    gone = (
        placed.filter(ended.is_not_null())
        .sort("ended", "session")
        .with_columns(
            here=_until(lasting, ended + TOGETHER)
            - _before(lasting, ended)
            + _until(pl.col("opened").filter(brief).sort(), ended)
            - _before(short, ended)
        )
        .with_columns(_starts=(pl.col("here") >= 2) & (pl.col("here") >= HALF * pl.col("live")))
    )
    return (
        gone.map_batches(
            _waves,
            schema=pl.Schema({**gone.collect_schema(), "wave": pl.Int64(), "usual": pl.Boolean()}),
        )
        .filter(pl.col("wave").is_not_null())
        .with_columns(live=pl.max_horizontal(pl.col("live").first(), pl.len()).over("wave"))
    )


def _until(order: pl.Expr, moment: pl.Expr) -> pl.Expr:
    """How many of the ordered moments are no later than this one."""
    return order.search_sorted(moment, side="right").cast(pl.Int64)


def _before(order: pl.Expr, moment: pl.Expr) -> pl.Expr:
    return order.search_sorted(moment, side="left").cast(pl.Int64)


def _waves(ends: pl.DataFrame) -> pl.DataFrame:
    """Number the waves: each begins where half of the live ones start to end, and lasts 5 s."""
    starts = ends.filter("_starts")["ended"].unique().sort()
    begun, place = [], 0
    while place < len(starts):
        begun.append(starts[place])
        place = int(starts.search_sorted(starts[place] + TOGETHER, side="right"))
    moments = pl.Series("begun", begun, dtype=starts.dtype)
    ended, wave = pl.col("ended"), pl.col("wave")
    last = pl.lit(moments).search_sorted(ended, side="right").cast(pl.Int64) - 1
    since = pl.lit(moments).gather(pl.when(wave >= 0).then(wave))
    placed = ends.with_columns(wave=last).with_columns(
        wave=pl.when(
            (ended <= since + TOGETHER) & (pl.col("opened") <= since).fill_null(True)
        ).then("wave")
    )
    return placed.join(_usual(placed), on="wave", how="left", maintain_order="left")


def _usual(ends: pl.DataFrame) -> pl.DataFrame:
    """Whether the rate of ends around each wave explains it, or how long all others live: wave,
    usual.

    Ends that come one by one are a Poisson process, and of those that live each ends or does not;
    Chernoff's bounds of the tails, times the number of moments at which the wave could be, say how
    often chance brings it.
    """
    waves = (
        ends.drop_nulls("wave")
        .sort("ended")
        .with_columns(
            _near=pl.col("ended").search_sorted(
                pl.col("ended") + timedelta(seconds=BRIEFLY_S), side="right"
            )
            - pl.int_range(pl.len())
        )
        .group_by("wave")
        .agg(
            pl.len(),
            pl.col("_near").max().alias("at_once"),
            pl.col("ended").min().alias("t0"),
            pl.col("ended").max().alias("t1"),
            pl.max_horizontal(pl.col("live").first(), pl.len()).alias("live"),
        )
    )
    every = np.sort(seconds(ends["ended"]))
    t0, t1, many = seconds(waves["t0"]), seconds(waves["t1"]), waves["len"].to_numpy()
    lasts = t1 - t0 + BRIEFLY_S
    expected = np.array([_expected(every, *wave) for wave in zip(t0, t1, lasts, strict=True)])
    moments = np.maximum((every[-1] - every[0] if every.size else 0.0) / lasts, 1.0)
    surprise = many * np.log(many / expected) - (many - expected)
    seldom = np.log(moments / BY_CHANCE)
    usual = (many <= expected) | (surprise < seldom)
    # What ends in another wave tells nothing of how long one lasts here.
    another = pl.col("wave").is_in(waves["wave"].filter(~usual).implode())
    at_random = ends.filter(~another.fill_null(value=False))
    ages = at_random.select((pl.col("ended") - pl.col("opened")).dt.total_microseconds() / 1e6)
    lives = np.sort(ages.to_series().drop_nulls().to_numpy())
    lives = lives[lives > 0]
    if lives.size >= ENOUGH_LIVES:
        live = waves["live"].to_numpy()
        all_over = _surprise(live, many, _soon_over(lives, lasts))
        brief = np.full(len(lasts), 2 * BRIEFLY_S)  # its own length, and the step of the clock
        at_once = _surprise(live, waves["at_once"].to_numpy(), _soon_over(lives, brief))
        usual |= np.maximum(all_over, at_once) < seldom
    return waves.select("wave", usual=pl.Series(usual, dtype=pl.Boolean))


def _soon_over(lives: NDArray[np.float64], within: NDArray[np.float64]) -> NDArray[np.float64]:
    """How likely one that lives ends within so long, where lives last as these, which are sorted.

    At a random moment one meets the long lives, in the midst of them: in renewal theory the rest of
    such a life has the mean of min(life, time) over the mean of life as its distribution.
    """
    shorter = np.searchsorted(lives, within, side="right")
    sums = np.concatenate(([0.0], np.cumsum(lives)))
    soon: NDArray[np.float64] = (sums[shorter] + within * (lives.size - shorter)) / sums[-1]
    return soon


def _surprise(
    live: NDArray[np.int64], many: NDArray[np.int64], chance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How much it surprises that so many of the live ones end, where each does by this chance."""
    share, chance = np.clip(many / live, SELDOM, 1 - SELDOM), np.clip(chance, SELDOM, 1 - SELDOM)
    stay = 1 - share
    surprise = live * (share * np.log(share / chance) + stay * np.log(stay / (1 - chance)))
    return np.where(share <= chance, 0.0, surprise)


def _expected(every: np.ndarray, t0: float, t1: float, lasts: float) -> float:
    """How many end near a wave in as long a time, but for the times in which most do: those may be
    other waves."""
    steps = np.arange(0.0, NEARBY_S + lasts, lasts)
    before, after = t0 - steps[::-1], t1 + steps
    before, after = before[before >= every[0]], after[after <= every[-1]]
    counts = np.concatenate(
        (
            np.diff(np.searchsorted(every, before)),
            np.diff(np.searchsorted(every, after, side="right")),
        )
    )
    kept = np.sort(counts)[: int(np.ceil(counts.size * (1 - OTHER_WAVES)))]
    return max(float(kept.mean()) if kept.size else 0.0, SELDOM)


def seconds(moments: pl.Series) -> np.ndarray:
    """Moments as seconds since 1970, NaN where there is none."""
    return moments.dt.epoch("us").cast(pl.Float64).to_numpy() / 1e6
