"""Most connections ending at once.

What it finds: moments at which at least half of the live connections end within five seconds, and
ends that a proxy's reload made.
Why it matters: one event did that: a restart, a crash, a reload, a cut network.
How it decides: ends that clients chose are left out, and those by which a server refuses a
credential or a logged timer cuts one connection; and moments at which no more end than at others
nearby. Close codes, the server's own shutdown line and what follows (refused attempts, a start
line) tell a planned end from a crash; a proxy's own stop at that moment is told apart. A server
that is told to stop is judged by its own log. A reload makes ends when an old worker exits a round
time after it was told to go, or when they come at one distance from most reloads, or at a default
grace period after one.
What it cannot see: connections that are in no source of this evidence. Where a log tells only of
ends, as nginx's `combined`, all of them may have lived at any moment: half of all must end at once.
"""

from __future__ import annotations

import polars as pl

from wsdiag import endings
from wsdiag.connections import (
    AUTH_CODES,
    BLAMING_CODES,
    POLITE_CODES,
    RESTART_CODES,
    Story,
    counted,
    may_have_lived,
)
from wsdiag.finding import MOST, SPOT, UNMEASURED, Severity, clause, commonest, flag, trait
from wsdiag.targets import Targets

ID = "mass-close"
TITLE = "Many connections end at once"
NEEDS = "fewer than two connections were live at the same time in this evidence"

ENOUGH, ENOUGH_WHEN_ANNOUNCED = 3, 2
"""Two ends at once are chance, unless the server says that it is going away."""

MANY = 10
"""Fewer than ten ends, and not nearly all, spread over more than a moment, are chance as well."""

_OF_TCP = pl.coalesce(pl.when(pl.col("peer").str.contains(r":\d+$")).then("peer"), "session")
"""The connection of TCP: over HTTP/2 one carries several, which end with it."""

SHOWN_S = 0.05
"""What is shorter is told as one moment."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections could have ended together."""
    return summarise(story).select(
        judged=pl.when(pl.len() >= 2).then(pl.len()).otherwise(0).cast(pl.Int64),
        said=pl.format("{} connections, no moment at which half of the live ones ended", pl.len()),
    )


def summarise(story: Story) -> pl.LazyFrame:
    """One narrow row per connection; rows of several parts may be concatenated."""
    left = (
        (pl.col("closed_by") == "client").fill_null(False)
        | ((pl.col("code") == 1000).fill_null(False) & pl.col("close_dir").is_null())
    ) & pl.col("code").is_in(POLITE_CODES).fill_null(False)
    # A credential's expiry, a frame that breaks a rule and an idle timer belong to one connection,
    # even where several coincide.
    its_own = pl.col("code").is_in([*AUTH_CODES, *BLAMING_CODES]).fill_null(False) | pl.col("timer")
    lived = pl.col("was_open") | (may_have_lived() & ~pl.col("fragment") & pl.col("gone"))
    over = pl.coalesce("ended", "closed")
    known = pl.col("opened").is_not_null() | (pl.col("first") < over) | over.is_null()
    return counted(story.connections.filter(lived)).select(
        "session",
        "peer",
        "code",
        "reason",
        "frameless",
        "closed_by",
        "closing",
        "opened",
        begun=pl.when(known).then(pl.coalesce("opened", "first")),
        ended=pl.when(pl.col("gone") & ~left & ~its_own).then(over),
        over=over,
        sources="sources",
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding for each such moment, for each shutdown in a log without times, and for deaths
    of the server whose connections' ends nobody logged."""
    waves = endings.of_fleet(summarise(story), story)
    return pl.concat([_at_moments(waves), _by_order(story), _deaths(story, waves)])


def _deaths(story: Story, waves: pl.LazyFrame) -> pl.LazyFrame:
    """The stops that no server chooses, where no wave of ends shows what they did."""
    stops = story.signs.filter(
        (pl.col("kind") == "server_stop") & (pl.col("vantage") == "server") & endings.killed()
    )
    shown = waves.select(waves=pl.len())
    rows = stops.join(shown, how="cross").filter(pl.col("waves") == 0)
    return flag(
        rows.select(
            session=pl.lit(None, dtype=pl.String),
            reason="reason",
            started="ts",
            ended="ts",
            measured=UNMEASURED,
            pointers=pl.concat_list(SPOT),
        ),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.8,
        message=pl.format(
            "the server's process died, how its connections ended is not in this evidence: {}",
            pl.col("reason").first(),
        ),
        traits=(pl.lit("death-logged"),),
    )


def _by_order(story: Story) -> pl.LazyFrame:
    """The ends after a server's shutdown in a log without times."""
    return flag(
        endings.by_order(story.signs)
        .filter(pl.len().over("shutdown") >= ENOUGH_WHEN_ANNOUNCED)
        .select(
            "session",
            "shutdown",
            "started_again",
            started="ts",
            ended="ts",
            measured=UNMEASURED,
            pointers=pl.concat_list(SPOT),
        ),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        by=["shutdown"],
        message=pl.format(
            "{} connections ended when the server was told to stop, in a log without times",
            pl.len(),
        ),
        traits=(
            pl.lit("shutdown-logged"),
            trait("start-logged", pl.col("started_again").first()),
        ),
        unit="connections",
    )


def _at_moments(waves: pl.LazyFrame) -> pl.LazyFrame:
    """One finding for each wave that is no chance."""
    rows = waves.with_columns(
        pointers=pl.concat_list(pl.col("told_at").fill_null([]), "closing"),
        _enough=(_enough() | _by_reload()).over("wave"),
    )
    return flag(
        rows.filter("_enough"),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        by=["wave"],
        message=_message(),
        traits=_traits(),
        unit="connections",
        measured=pl.len().cast(pl.Float64),
    )


def _enough() -> pl.Expr:
    """Whether a wave is more than chance: fewer ends are enough where somebody announced them."""
    ends = _OF_TCP.n_unique()
    told = (pl.col("stopped").first() | pl.col("just_reloaded").first()).fill_null(False)
    at_once = (pl.col("ended").max() - pl.col("ended").min()) <= endings.AT_ONE_MOMENT
    many = pl.len() >= pl.min_horizontal(MANY, endings.NEARLY_ALL * pl.col("live").max())
    usual = pl.col("usual").any().fill_null(value=False)
    return (
        pl.when(_with_restart_code() | told)
        .then(ends >= ENOUGH_WHEN_ANNOUNCED)
        .otherwise((ends >= ENOUGH) & (at_once | many) & ~usual)
    )


def _message() -> pl.Expr:
    took_s = (pl.col("ended").max() - pl.col("ended").min()).dt.total_microseconds() / 1e6
    code = _most_have()
    return pl.format(
        "{} of {} live connections ended {}{}{}",
        pl.len(),
        pl.col("live").max(),
        pl.when(took_s >= SHOWN_S)
        .then(pl.format("within {} s", took_s.round(1)))
        .otherwise(pl.lit("at one moment")),
        pl.when(_frameless())
        .then(pl.lit(", without a Close frame"))
        .otherwise(clause(", most with code {}", code)),
        clause(
            ", {} s after the proxy's reload",
            pl.col("offset_s").max().round(0),
            where=_by_reload(),
        ),
    )


def _traits() -> tuple[pl.Expr, ...]:
    return (
        trait("restart-code", _with_restart_code()),
        trait("no-close-frame", _frameless()),
        pl.format("code-{}", _most_have()),
        trait("by-proxy", _by_proxy()),
        trait("server-silent", _server_silent()),
        trait("shutdown-logged", pl.col("stopped").first()),
        trait("proxy-stopped", pl.col("proxy_stopped").first()),
        trait("start-logged", pl.col("started_again").first()),
        trait("refused-after", pl.col("refusing").first()),
        trait("gone-and-back", _gone_and_back()),
        trait("kill-logged", pl.col("killed").first()),
        trait("proxy-reloaded", pl.col("reloaded").first()),
        trait("right-after-reload", pl.col("just_reloaded").first()),
        trait("worker-exited", (pl.col("how") == "worker-exited").any()),
        trait("drain-offset", (pl.col("how") == "drain-offset").any()),
    )


def _with_restart_code() -> pl.Expr:
    """Whether nearly all were told by their code that the server goes: a few leave by themselves at
    that moment, or are cut before their Close comes."""
    return pl.col("code").is_in(RESTART_CODES).fill_null(False).mean() >= endings.NEARLY_ALL


def _frameless() -> pl.Expr:
    return pl.col("frameless").mean() >= endings.NEARLY_ALL


def _by_proxy() -> pl.Expr:
    return (pl.col("closed_by") == "proxy").mean() >= endings.NEARLY_ALL


def _by_reload() -> pl.Expr:
    return pl.col("how").is_not_null().any()


def _most_have() -> pl.Expr:
    """The code that most of a wave have, null where there is none."""
    code = commonest(pl.col("code"))
    return pl.when((pl.col("code") == code).fill_null(value=False).mean() > MOST).then(code)


def _gone_and_back() -> pl.Expr:
    """Whether the server went with these connections and came back, and nothing tells more: no
    kill, no proxy that ended them, no lack of a Close frame."""
    more = [
        pl.col(name).first().fill_null(value=False)
        for name in ("killed", "proxy_stopped", "just_reloaded")
    ]
    told = pl.any_horizontal(_by_proxy().fill_null(value=False), _frameless(), *more)
    return (pl.col("back").first() | pl.col("started_again").first()).fill_null(value=False) & ~told


def _server_silent() -> pl.Expr:
    """Whether 1001 came from nobody knows whom, while a log that tells of starts tells of none.

    A browser sends 1001 for all its tabs when it quits; only servers send 1012.
    """
    untold = (~pl.col("closed_by").is_in(["server", "proxy"])).fill_null(value=True).all()
    going = (pl.col("code") == 1001).fill_null(value=False).mean() >= endings.NEARLY_ALL
    told = pl.any_horizontal(
        pl.col(name).first().fill_null(value=False)
        for name in ("stopped", "started_again", "refusing", "killed", "reloaded")
    )
    return untold & going & ~told & pl.col("starts_told").first().fill_null(value=False)
