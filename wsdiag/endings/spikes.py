"""Ends that agree on a clock: which class of timer made them, and how many of them.

The clock on which several ends agree names the class of timer. Robust figures are used throughout
(median, median absolute deviation), and ends that agree are looked for as a spike, because one
incident may have several causes. Where silence and age agree equally well they cannot be told
apart, and that is what is said.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from wsdiag import timers

SPREAD = 0.015
"""A repeated time lies within 1.5 % of the timer's value."""

SURVIVED = 1.05
"""A silence or age so many times the timer's that is survived refutes the timer."""

REPEATED = 3
"""So many equal times make a timer; fewer may be chance."""

SHORTEST_S = 4.0
"""Shorter silences are ordinary gaps between messages."""

OVER_BACKGROUND, NEIGHBOURS = 5.0, 4
"""A spike holds this many times the mean count of its neighbours, so many to each side."""

BY_CHANCE, CROWD = 0.05, 40
"""So often at most may ends that follow no timer bring such a spike anywhere on a clock; more than
so many, of which those beside them are a fifth, they never bring."""

APART_S = 2.0
"""Ends at one moment have another cause: only those further apart speak for a timer."""

SHARPER = 3.0
"""How much more the ends must scatter on the other clock before one may be named."""

MANY, AGREE, ABOUT = 8, 0.05, 0.1
"""So many ends that scatter by less than 5 % agree as a whole, within 10 % of their median: their
owner looks at its clock only now and then."""

MAX_SPIKES, MAX_PLACES = 4, 16
"""So many spikes are told apart, and so many places tried for each."""

CLOCKS = ("idle", "idle_s2c", "idle_c2s", "age")
"""In the order in which they are believed where they agree equally well."""

EXPLAINED = pl.Schema(
    {
        "session": pl.String(),
        "clock": pl.String(),
        "timer_s": pl.Float64(),
        "ambiguous": pl.Boolean(),
    }
)


class Spike(NamedTuple):
    """Ends that agree on one clock: its name, the timer's length, and which ends."""

    clock: str
    seconds: float
    members: np.ndarray
    ambiguous: bool


def by_clock(candidates: pl.LazyFrame, connections: pl.LazyFrame) -> pl.LazyFrame:
    """The candidates that a repeated time explains: session, clock, timer_s, ambiguous.

    `candidates` are rows of `ends`. Ends at one moment are left out, and so is a time that any
    connection survived by 5 %.
    """
    survived = connections.select(
        idle=pl.col("longest_gap_s").max(),
        idle_c2s=pl.col("longest_gap_c2s_s").max(),
        idle_s2c=pl.col("longest_gap_s2c_s").max(),
        age=pl.max_horizontal(
            "age_s",
            pl.when(~pl.col("gone")).then(
                (pl.col("last_seen") - pl.col("opened")).dt.total_microseconds() / 1e6
            ),
        ).max(),
    )
    table = candidates.select("session", *CLOCKS, "tick", "ended").join(
        survived.rename({clock: f"survived_{clock}" for clock in CLOCKS}), how="cross"
    )
    return table.map_batches(_explained, schema=EXPLAINED)


def _explained(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        [
            pl.DataFrame(
                {
                    "session": rows["session"].gather(spike.members),
                    "clock": spike.clock,
                    "timer_s": spike.seconds,
                    "ambiguous": spike.ambiguous,
                },
                schema=EXPLAINED,
            )
            for spike in find_spikes(rows)
        ]
        or [pl.DataFrame(schema=EXPLAINED)]
    )


def find_spikes(rows: pl.DataFrame) -> list[Spike]:
    """The spikes, most numerous first; what one explains is taken out before the next is sought."""
    values = {clock: rows[clock].cast(pl.Float64).to_numpy() for clock in CLOCKS}
    # Who saw no traffic knows the age alone: then silence is at most as long.
    of_age = np.isnan(values["idle"])
    values["idle"] = np.where(of_age, values["age"], values["idle"])
    ticks, left = rows["tick"].to_numpy(), rows["ended"].is_not_null().to_numpy().copy()
    moments = rows["ended"].dt.epoch("us").cast(pl.Float64).to_numpy() / 1e6
    beyond = {clock: rows[f"survived_{clock}"].max() if len(rows) else None for clock in CLOCKS}
    spikes: list[Spike] = []
    while len(spikes) < MAX_SPIKES:
        found = []
        for clock in CLOCKS:
            of_clock = values[clock], ticks, moments, left, beyond[clock]
            places = [_densest(*of_clock), None if spikes else _agreeing(*of_clock)]
            members = max((it for it in places if it is not None), key=len, default=None)
            if members is None:
                continue
            ages = clock == "age" or (clock == "idle" and of_age[members].all())
            if not ages or _one_by_one(moments[members]) or _is_default(clock, values, members):
                found.append((clock, members))
        if not found:
            break
        spike = _sharpest(found, values, ticks)
        spikes.append(spike)
        left[spike.members] = False
    return spikes


def _densest(
    values: np.ndarray,
    ticks: np.ndarray,
    moments: np.ndarray,
    left: np.ndarray,
    survived: object,
) -> np.ndarray | None:
    """The ends of the fullest spike on one clock; of equally full ones that at a known default."""
    chosen = np.flatnonzero(left & (values >= SHORTEST_S))
    if len(chosen) < REPEATED:
        return None
    chosen = chosen[np.argsort(values[chosen], kind="stable")]
    ordered = values[chosen]
    tick = float(np.median(ticks[chosen]))
    margin = np.maximum(ordered * SPREAD, tick)
    counts = _within(ordered, ordered, margin)
    good = counts >= REPEATED
    if isinstance(survived, (int, float)):
        good &= survived <= ordered * SURVIVED + tick
    full = _standing_out(ordered, margin, counts, np.flatnonzero(good))
    known = timers.are_defaults(ordered[full], timers.IDLE + timers.AGE)
    seldom = ~_by_chance(ordered, margin, counts, full, known)
    full, known = full[seldom], known[seldom]
    for place in full[np.lexsort((~known, -counts[full]))][:MAX_PLACES]:
        centre = float(np.median(ordered[np.abs(ordered - ordered[place]) <= margin[place]]))
        members = chosen[np.abs(ordered - centre) <= max(centre * SPREAD, tick)]
        if len(members) >= REPEATED and np.ptp(moments[members]) > APART_S:
            return members
    return None


def _standing_out(
    ordered: np.ndarray, margin: np.ndarray, counts: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Of the places those whose count is far above the mean of their neighbours'.

    The nearest are counted first: what does not stand out from these alone never will.
    """
    around = np.zeros(len(places))
    for away in range(1, NEIGHBOURS + 1):
        for shift in (-2 * away, 2 * away):
            wide = margin[places]
            around += _within(ordered, ordered[places] + shift * wide, wide)
        stands = counts[places] * 2 * NEIGHBOURS >= OVER_BACKGROUND * around
        places, around = places[stands], around[stands]
    return places


def _by_chance(
    ordered: np.ndarray,
    margin: np.ndarray,
    counts: np.ndarray,
    places: np.ndarray,
    known: np.ndarray,
) -> np.ndarray:
    """Whether as many would stand at each place, or at another like it, without any timer.

    So many are expected as stand on the fuller side beside it, or where these are few as there
    were if all differed by a factor of e at least. `known`: the place is a known timer's.
    """
    centre, wide = ordered[places], margin[places]
    below, above = (
        sum(_within(ordered, centre + way * 2 * k * wide, wide) for k in range(1, NEIGHBOURS + 1))
        for way in (-1, 1)
    )
    all_over = len(ordered) * 2 * wide / centre
    expected = np.minimum((np.maximum(below, above) + 0.5) / NEIGHBOURS, all_over)
    many = counts[places]
    at_timers = _chance(many, expected) * len(timers.defaults(timers.IDLE + timers.AGE))
    beside_one = _chance(many - 1, expected) * len(ordered)
    likely = np.where(known, at_timers, beside_one) > BY_CHANCE
    return np.asarray(likely & (many <= CROWD))


def _chance(least: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How often at least so many ends stand where so many are expected (Poisson)."""
    fewer, term = np.zeros(len(least)), np.exp(-expected)
    for many in range(CROWD):
        fewer += np.where(many < least, term, 0.0)
        term = term * expected / (many + 1)
    return 1 - fewer


def _agreeing(
    values: np.ndarray,
    ticks: np.ndarray,
    moments: np.ndarray,
    left: np.ndarray,
    survived: object,
) -> np.ndarray | None:
    """The ends that agree as a whole on one clock, where one cause made most of them."""
    chosen = np.flatnonzero(left & ~np.isnan(values))
    if len(chosen) < MANY or _scatter(values, chosen, ticks) > AGREE:
        return None
    middle = float(np.median(values[chosen]))
    members = chosen[np.abs(values[chosen] - middle) <= middle * ABOUT]
    outlived = isinstance(survived, (int, float)) and survived > values[members].max() * SURVIVED
    if middle < SHORTEST_S or len(members) < MANY or outlived:
        return None
    return members if np.ptp(moments[members]) > APART_S else None


def _one_by_one(moments: np.ndarray) -> bool:
    """Whether most end at moments of their own. Who came together after a restart and goes together
    at the next one is as old as the others, and yet its age is not the reason."""
    apart = np.count_nonzero(np.diff(np.sort(moments)) > APART_S) + 1
    return bool(apart * 2 >= len(moments))


def _is_default(clock: str, values: dict[str, np.ndarray], members: np.ndarray) -> bool:
    """Whether ages stand for silences as long as a known timer's: it cuts those together who came
    together."""
    middle = np.array([np.median(values[clock][members])])
    return clock == "idle" and bool(timers.are_defaults(middle, timers.IDLE)[0])


def _within(ordered: np.ndarray, centres: np.ndarray, margin: np.ndarray) -> np.ndarray:
    above = np.searchsorted(ordered, centres + margin, "right")
    below = np.searchsorted(ordered, centres - margin, "left")
    return np.asarray(above - below)


def _sharpest(
    found: list[tuple[str, np.ndarray]], values: dict[str, np.ndarray], ticks: np.ndarray
) -> Spike:
    """The clock that explains most ends, and of those that explain as many the sharpest."""
    clock, members = max(
        found, key=lambda it: (len(it[1]), -round(_scatter(values[it[0]], it[1], ticks), 3))
    )
    other = "age" if clock != "age" else "idle"
    floor = _scatter(values[clock], members, ticks)
    ambiguous = bool(
        np.isfinite(values[other][members]).all()
        and _scatter(values[other], members, ticks) < SHARPER * floor
    )
    return Spike(
        clock="idle" if ambiguous else clock,
        seconds=float(np.median(values[clock][members])),
        members=members,
        ambiguous=ambiguous,
    )


def _scatter(values: np.ndarray, members: np.ndarray, ticks: np.ndarray) -> float:
    """The robust coefficient of variation, no finer than the clocks tick."""
    chosen = values[members]
    middle = float(np.median(chosen))
    if not np.isfinite(middle) or middle <= 0:
        return float("inf")
    mad = float(np.median(np.abs(chosen - middle)))
    return max(1.4826 * mad, float(np.median(ticks[members])) / 10) / middle


def out_of(every: pl.Expr) -> pl.Expr:
    """`, of 63 unexplained ends`: how many there were in all, where these are not all."""
    return (
        pl.when(every > pl.len())
        .then(pl.format(", of {} unexplained ends", every))
        .otherwise(pl.lit(""))
    )
