"""Connections ended because they had lived for so long, whatever crossed them.

What it finds: ends that a proxy logs as its limit on the duration of a stream, and ends that come
at the same age again and again although the connection was in use.
Why it matters: a heartbeat does not help against it, and a longer idle timer neither.
How it decides: the owner's own log line is proof. Without it, at least three connections that ended
at ages within 1.5 % of each other, at different moments, while their silences differ: five times
as many as at neighbouring ages, or eight that agree within 5 % where a server looks at its clock
only now and then. One connection that grew older refutes it. Ends at the expiry of the connection's
own token are left to token-expiry. A Close frame without a fault's code counts only at the age of a
known limit (two hours, four hours, a day), or where the clients came back at once: who is sent away
returns, who wanted to leave does not. Of clients without a name it counts if another connection
opens from their address at once, much sooner than connections open there otherwise.
What it cannot see: whose limit it is, unless the owner says so or its default fits.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from wsdiag import endings, timers
from wsdiag.connections import POLITE_CODES, Story, number_of, reconnects, replaced
from wsdiag.finding import Severity, clause, flag, plural, trait
from wsdiag.targets import Targets

ID = "max-age"
TITLE = "Connections end at a fixed age"
NEEDS = (
    "no source shows how old connections were when they ended: a capture, a proxy log with "
    "durations or any log of opens and closes does"
)

KNOWN_LIMIT_S = 3000.0
"""Servers close politely at any age; a limit of a platform is long."""

BACK_S, MOSTLY = 10.0, 0.75
"""So soon, and so many of them, clients return that did not mean to leave."""

MUCH_SOONER = 2
"""By so many times sooner than connections open there on average, others come in their place."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many ends came with a known age, or a logged limit."""
    aged = pl.col("gone") & (pl.col("age_s").is_not_null() | pl.col("timer"))
    return number_of(
        story.connections.filter(aged), "{} ends seen, no limit on their age among them"
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all connections concerned."""
    age = pl.col("measured").median()
    busy = (pl.col("idle") < pl.col("measured") / 2).fill_null(False)
    return flag(
        _of_age(story),
        detector=ID,
        severity=Severity.ERROR,
        confidence=pl.when(pl.col("logged").any()).then(0.95).otherwise(0.8),
        message=pl.format(
            "{} ended at the age of {}{}{}",
            plural("connection"),
            pl.when(age.is_not_null())
            .then(pl.format("{} s", age.round(1)))
            .otherwise(pl.lit("a fixed limit")),
            clause(", in the middle of traffic", where=busy.any()),
            endings.out_of(pl.col("all_ends").first()),
        ),
        traits=(
            trait("limit-logged", pl.col("logged").any()),
            trait("repeats", pl.col("timer_s").is_not_null().sum() >= endings.REPEATED),
            trait("in-use", busy.any()),
            trait("catalogue", timers.is_default(age, timers.AGE)),
            *timers.marks(age, timers.AGE),
            trait("behind-proxy", pl.col("proxied").any()),
            trait("with-close-frame", pl.col("polite").any()),
            trait("idle-equals-age", pl.col("ambiguous").any()),
        ),
        measured=age,
        unit="s",
    )


def _of_age(story: Story) -> pl.LazyFrame:
    """The ends that a limit on the age made, each with its age in seconds as `measured`."""
    ends = endings.ends(story)
    candidates = ends.filter(_may_be_old_age())
    spikes = endings.by_clock(candidates, story.connections).filter(
        (pl.col("clock") == "age") | pl.col("ambiguous")
    )
    returns = reconnects(story.connections).select("session", "reconnect_s")
    nameless = replaced(story.connections, timedelta(seconds=BACK_S))
    at_once = pl.col("replaced_s").mean() <= pl.col("usual_s").mean() / MUCH_SOONER
    in_place = pl.col("replaced_s").is_not_null().mean() >= MOSTLY
    soon = (pl.col("reconnect_s") <= BACK_S).fill_null(False)
    return (
        ends.join(spikes, on="session", how="left")
        .join(returns, on="session", how="left", maintain_order="left")
        .join(nameless, on="session", how="left", maintain_order="left")
        .join(candidates.select(_candidates=pl.len()), how="cross")
        .with_columns(
            logged=(pl.col("stated") == "age").fill_null(False),
            measured=pl.coalesce("timer_s", "age", "stated_s"),
            ended=pl.coalesce("ended", "started"),
        )
        .filter(pl.col("logged") | pl.col("timer_s").is_not_null())
        .with_columns(
            polite=pl.col("code").is_not_null() & pl.col("timer_s").is_not_null(),
            ambiguous=pl.col("ambiguous").fill_null(False),
            all_ends=pl.col("_candidates") + pl.col("logged").sum(),
            back=((soon.mean() >= MOSTLY) | (in_place & at_once)).over("timer_s"),
        )
        .filter(_unmeant())
    )


def _unmeant() -> pl.Expr:
    """Not somebody's wish: no Close frame, a known limit, or clients that were sent away."""
    known_limit = (pl.col("measured") >= KNOWN_LIMIT_S) & timers.is_default(
        pl.col("measured"), timers.AGE
    )
    sent_away = pl.col("polite") & pl.col("back")
    return sent_away | known_limit | (~pl.col("ambiguous") & ~pl.col("polite"))


def _may_be_old_age() -> pl.Expr:
    """An end that nobody explains, or a polite Close frame of the server's."""
    return (
        pl.col("stated").is_null()
        & (pl.col("code").is_null() | pl.col("code").is_in(POLITE_CODES))
        & (pl.col("closed_by") != "client").fill_null(True)
        & ~pl.col("heartbeat_timeout")
        & ~pl.col("expiring")
    )
