"""Ends of a whole fleet that one event made, with what is logged around them."""

from __future__ import annotations

import polars as pl

from wsdiag.connections import POLITE_CODES, Story, counted, with_room
from wsdiag.endings.reloads import after_reload
from wsdiag.endings.shutdowns import after_stop
from wsdiag.endings.surroundings import around, gone_and_back
from wsdiag.endings.waves import together
from wsdiag.finding import UNMEASURED

NEARLY_ALL = 0.8
"""What made a wave need not have made each of its ends: four of five are nearly all."""

AT_ONE_MOMENT = pl.duration(seconds=1)
"""A server that goes away says 1001 to everybody at once; people who leave do not."""


def of_fleet(ends: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """The ends that came in waves, or by one server's shutdown, or after a reload, each with its
    `wave`, how many were `live`, and what is logged around them.

    `ends` as `together` and `after_stop`, of the whole fleet.
    """
    waves = together(ends).with_columns(wave=pl.format("wave {}", "wave"))
    waves = pl.concat([waves, _of_one_server(ends, waves, story)], how="diagonal").with_columns(
        started="ended", measured=UNMEASURED, pointers="closing"
    )
    rows = _with_drained(waves, story).cache()  # asked for by several, and found by Python
    rows = rows.join(around(rows, story.signs, story.clock_errors_s), on="wave", how="left")
    back = gone_and_back(rows, story.signs, story.connections)
    rows = rows.join(back.with_columns(back=True), on="wave", how="left")
    return rows.filter(~_people_leaving())


def _of_one_server(ends: pl.LazyFrame, waves: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """The ends that one server's shutdown made, too few to be a wave of the whole fleet."""
    others = ends.join(waves.select("session"), on="session", how="anti")
    stopped = after_stop(others, story.signs)
    return ends.join(stopped, on="session").with_columns(
        wave=pl.format("stop {}", "stop"), live="here"
    )


def _people_leaving() -> pl.Expr:
    """Whether nearly all of a wave is polite codes, nobody knows from which side, one after the
    other: a server that goes away says so to all."""
    side = pl.col("closed_by").is_in(["server", "proxy"]).fill_null(False)
    polite = pl.col("code").is_in(POLITE_CODES).fill_null(False) & ~side
    spread = pl.col("ended").max() - pl.col("ended").min() > AT_ONE_MOMENT
    told = (pl.col("stopped") | pl.col("started_again") | pl.col("refusing")).fill_null(False)
    return ((polite.mean() >= NEARLY_ALL) & spread & ~told.any()).over("wave")


def _with_drained(waves: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """The waves, and the ends that a reload explains: each reload is a wave of its own."""
    unsaid = (
        pl.col("gone")
        & pl.col("code").is_null()
        & ~pl.col("timer")
        & (pl.col("closed_by") != "client").fill_null(True)
    )
    ends = counted(with_room(story.connections).filter(unsaid)).select(
        "session",
        "code",
        "frameless",
        "closed_by",
        begun="opened",
        ended=pl.coalesce("ended", "closed"),
        pointers="closing",
    )
    drained = after_reload(ends, story.signs)
    placed = ends.join(drained, on="session").with_columns(
        wave=pl.format("reload {}", "reloaded_at"),
        live=pl.len().over("reloaded_at").cast(pl.Int64),
        started="ended",
        closing="pointers",
        measured=UNMEASURED,
    )
    others = waves.join(drained.select("session"), on="session", how="anti")
    told = {"how": pl.lit(None, dtype=pl.String), "offset_s": UNMEASURED}
    return pl.concat([others.with_columns(**told), placed], how="diagonal_relaxed")
