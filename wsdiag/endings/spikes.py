"""Ends that agree on a clock: which class of timer made them, and how many of them.

The clock on which several ends agree names the class of timer. They are looked for as spikes
(one_clock.py), because one incident may have several causes. Where silence and age agree equally
well they cannot be told apart, and that is what is said.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from wsdiag import timers
from wsdiag.endings.one_clock import APART_S, MANY, Ends, agreeing, densest, scatter
from wsdiag.endings.told_elsewhere import told_elsewhere
from wsdiag.finding import clause

SHARPER = 3.0
"""How much more the ends must scatter on the other clock before one may be named."""

MAX_SPIKES = 4
"""So many spikes are told apart."""

MAX_ROUTES = 64
"""So many routes, those with the most ends, are looked at by themselves."""

_VARYING = r"/[^/]*\d[^/]*"
"""A part of a path that differs from client to client: a room's number, an id."""

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

    `candidates` are rows of `ends`. Ends at one moment are left out, and those of which another
    source tells that a Close frame came, and so is a time that any connection survived by 5 %. A
    proxy may have a timer for each route: of what is left, the ends of one route are looked at by
    themselves, and who survived there.
    """
    routes = connections.with_columns(_route=pl.col("path").str.replace_all(_VARYING, "/*"))
    survived = {
        "idle": pl.col("longest_gap_s"),
        "idle_c2s": pl.col("longest_gap_c2s_s"),
        "idle_s2c": pl.col("longest_gap_s2c_s"),
        "age": pl.max_horizontal(
            "age_s",
            pl.when(~pl.col("gone")).then(
                (pl.col("last_seen") - pl.col("opened")).dt.total_microseconds() / 1e6
            ),
        ),
    }
    lasted = routes.select(
        "session",
        "_route",
        **{f"survived_{clock}": lived.max() for clock, lived in survived.items()},
        **{f"here_{clock}": lived.max().over("_route") for clock, lived in survived.items()},
    )
    table = (
        candidates.select("session", *CLOCKS, "tick", "ended")
        .join(told_elsewhere(connections), on="session", how="anti", maintain_order="left")
        .join(lasted, on="session", how="left", maintain_order="left")
    )
    return table.map_batches(_explained, schema=EXPLAINED)


def _explained(rows: pl.DataFrame) -> pl.DataFrame:
    found = [_told(rows, spike) for spike in find_spikes(rows)]
    if rows["_route"].n_unique() > 1:
        known = [session for part in found for session in part["session"]]
        rest = rows.filter(~pl.col("session").is_in(known)).with_columns(
            pl.col(f"here_{clock}").alias(f"survived_{clock}") for clock in CLOCKS
        )
        enough = pl.len().over("_route") >= MANY
        busy = rest.drop_nulls("_route").filter(enough).partition_by("_route", maintain_order=True)
        for here in sorted(busy, key=len, reverse=True)[:MAX_ROUTES]:
            found += [_told(here, spike) for spike in find_spikes(here)]
    return pl.concat([*found, pl.DataFrame(schema=EXPLAINED)])


def _told(rows: pl.DataFrame, spike: Spike) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "session": rows["session"].gather(spike.members),
            "clock": spike.clock,
            "timer_s": spike.seconds,
            "ambiguous": spike.ambiguous,
        },
        schema=EXPLAINED,
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
            of_clock = Ends(values[clock], ticks, moments, left, beyond[clock])
            places = [densest(of_clock), None if spikes else agreeing(of_clock)]
            members = max((it for it in places if it is not None), key=len, default=None)
            if members is None:
                continue
            ages = clock == "age" or (clock == "idle" and of_age[members].all())
            alone = _one_by_one(moments[members], values[clock][members])
            if not ages or alone or _is_default(clock, values, members):
                found.append((clock, members))
        if not found:
            break
        spike = _sharpest(found, values, ticks)
        spikes.append(spike)
        left[spike.members] = False
    return spikes


def _one_by_one(moments: np.ndarray, ages: np.ndarray) -> bool:
    """Whether most end at moments of their own. Who came together after a restart and goes together
    at the next one is as old as the others, and yet its age is not the reason.

    Where much goes on at all times the moments lie close, but over a long time, and far less alike
    than the ages.
    """
    order = np.argsort(moments, kind="stable")
    ended = moments[order]
    apart = np.diff(ended)
    if (np.count_nonzero(apart > APART_S) + 1) * 2 >= len(ended):
        return True
    crowd = np.max(np.searchsorted(ended, ended + APART_S, "right") - np.arange(len(ended)))
    long = ended[-1] - ended[0] >= np.median(ages) / 2
    alike = SHARPER * np.median(np.abs(np.diff(ages[order]))) < np.median(apart)
    return bool(crowd * 3 <= len(ended) and long and alike)


def _is_default(clock: str, values: dict[str, np.ndarray], members: np.ndarray) -> bool:
    """Whether ages stand for silences as long as a known timer's: it cuts those together who came
    together."""
    middle = np.array([np.median(values[clock][members])])
    return clock == "idle" and bool(timers.are_defaults(middle, timers.IDLE)[0])


def _sharpest(
    found: list[tuple[str, np.ndarray]], values: dict[str, np.ndarray], ticks: np.ndarray
) -> Spike:
    """The clock that explains most ends, and of those that explain as many the sharpest."""
    clock, members = max(
        found, key=lambda it: (len(it[1]), -round(scatter(values[it[0]], it[1], ticks), 3))
    )
    other = "age" if clock != "age" else "idle"
    floor = scatter(values[clock], members, ticks)
    ambiguous = bool(
        np.isfinite(values[other][members]).all()
        and scatter(values[other], members, ticks) < SHARPER * floor
    )
    return Spike(
        clock="idle" if ambiguous else clock,
        seconds=float(np.median(values[clock][members])),
        members=members,
        ambiguous=ambiguous,
    )


def out_of(every: pl.Expr) -> pl.Expr:
    """`, of 63 unexplained ends`: how many there were in all, where these are not all."""
    return clause(", of {} unexplained ends", every, where=every > pl.len())
