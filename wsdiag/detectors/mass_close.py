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
    with_room,
)
from wsdiag.finding import MOST, SPOT, Severity, flag
from wsdiag.targets import Targets

ID = "mass-close"
TITLE = "Many connections end at once"
NEEDS = "fewer than two connections were live at the same time in this evidence"

ENOUGH, ENOUGH_WHEN_ANNOUNCED = 3, 2
"""Two ends at once are chance, unless the server says that it is going away."""

MANY, NEARLY_ALL = 10, 0.8
"""Fewer than ten ends, and not nearly all, spread over more than a moment, are chance as well."""

SHOWN_S = 0.05
"""What is shorter is told as one moment."""

AT_ONE_MOMENT = pl.duration(seconds=1)
"""A server that goes away says 1001 to everybody at once; people who leave do not."""


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
    waves = _waves(story)
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
            measured=pl.lit(None, dtype=pl.Float64),
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
    """The ends that stand between a server's shutdown and its end or next start, where lines have
    no times, as in uvicorn's default log."""
    kind, place = pl.col("kind").cast(pl.String), ("source",)
    stop, start = kind == "server_stop", kind == "server_start"
    lines = (
        story.signs.filter(
            pl.col("ts").is_null() & kind.is_in(["server_stop", "server_start", "close", "end"])
        )
        .sort("source", "pos")
        .with_columns(
            _stopping=pl.when(stop | start).then(stop).forward_fill().over(place),
            _start=start.cast(pl.Int64).cum_sum().over(place),
        )
        .with_columns(
            _again=start.any().over(place) & (pl.col("_start") < start.sum().over(place)),
            _spot=SPOT,
        )
    )
    ends = lines.filter(kind.is_in(["close", "end"]) & pl.col("_stopping").fill_null(value=False))
    rows = ends.unique(["source", "pos"], keep="first", maintain_order=True).filter(
        pl.len().over("source", "_start") >= ENOUGH_WHEN_ANNOUNCED
    )
    return flag(
        rows.select(
            "session",
            "_again",
            wave=pl.concat_str("source", "_start", separator=":"),
            started="ts",
            ended="ts",
            measured=pl.lit(None, dtype=pl.Float64),
            pointers=pl.concat_list("_spot"),
        ),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        by=["wave"],
        message=pl.format(
            "{} connections ended when the server was told to stop, in a log without times",
            pl.len(),
        ),
        traits=(
            pl.lit("shutdown-logged"),
            pl.when(pl.col("_again").first()).then(pl.lit("start-logged")),
        ),
        unit="connections",
    )


def _waves(story: Story) -> pl.LazyFrame:
    """The ends that came in waves or after a reload, with what is logged around them."""
    ends = summarise(story)
    waves = endings.together(ends).with_columns(wave=pl.format("wave {}", "wave"))
    waves = pl.concat([waves, _of_one_server(ends, waves, story)], how="diagonal").with_columns(
        started="ended", measured=pl.lit(None, dtype=pl.Float64), pointers="closing"
    )
    rows = _with_drained(waves, story).cache()  # asked for by several, and found by Python
    rows = rows.join(endings.around(rows, story.signs, story.clock_errors_s), on="wave", how="left")
    back = endings.gone_and_back(rows, story.signs, story.connections)
    rows = rows.join(back.with_columns(back=True), on="wave", how="left")
    return rows.filter(~_people_leaving())


def _of_one_server(ends: pl.LazyFrame, waves: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """The ends that one server's shutdown made, too few to be a wave of the whole fleet."""
    others = ends.join(waves.select("session"), on="session", how="anti")
    stopped = endings.after_stop(others, story.signs)
    return ends.join(stopped, on="session").with_columns(
        wave=pl.format("stop {}", "stop"), live="here"
    )


def _at_moments(rows: pl.LazyFrame) -> pl.LazyFrame:
    rows = rows.with_columns(pointers=pl.concat_list(pl.col("told_at").fill_null([]), "closing"))
    share_restart = pl.col("code").is_in(RESTART_CODES).fill_null(False).mean()
    stopped, reloaded = pl.col("stopped").first(), pl.col("just_reloaded").first()
    announced = (share_restart >= 0.8) | (stopped | reloaded).fill_null(False)
    by_reload = pl.col("how").is_not_null().any()
    usual = pl.col("usual").any().fill_null(value=False)
    at_once = (pl.col("ended").max() - pl.col("ended").min()) <= AT_ONE_MOMENT
    no_chance = at_once | (pl.len() >= pl.min_horizontal(MANY, NEARLY_ALL * pl.col("live").max()))
    enough = (
        pl.when(announced)
        .then(pl.len() >= ENOUGH_WHEN_ANNOUNCED)
        .otherwise((pl.len() >= ENOUGH) & no_chance & ~usual)
    )
    rows = rows.with_columns(_enough=(enough | by_reload).over("wave")).filter("_enough")
    commonest = pl.col("code").drop_nulls().mode().sort().first()
    code = pl.when((pl.col("code") == commonest).fill_null(value=False).mean() > MOST).then(
        commonest
    )
    took_s = (pl.col("ended").max() - pl.col("ended").min()).dt.total_microseconds() / 1e6
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        by=["wave"],
        message=pl.format(
            "{} of {} live connections ended {}{}{}",
            pl.len(),
            pl.col("live").max(),
            pl.when(took_s >= SHOWN_S)
            .then(pl.format("within {} s", took_s.round(1)))
            .otherwise(pl.lit("at one moment")),
            pl.when(pl.col("frameless").mean() >= NEARLY_ALL)
            .then(pl.lit(", without a Close frame"))
            .when(code.is_not_null())
            .then(pl.format(", most with code {}", code))
            .otherwise(pl.lit("")),
            pl.when(by_reload)
            .then(pl.format(", {} s after the proxy's reload", pl.col("offset_s").max().round(0)))
            .otherwise(pl.lit("")),
        ),
        traits=(
            pl.when(share_restart >= 0.8).then(pl.lit("restart-code")),
            pl.when(pl.col("frameless").mean() >= NEARLY_ALL).then(pl.lit("no-close-frame")),
            pl.when(code.is_not_null()).then(pl.format("code-{}", code)),
            pl.when((pl.col("closed_by") == "proxy").mean() >= NEARLY_ALL).then(pl.lit("by-proxy")),
            pl.when(_server_silent()).then(pl.lit("server-silent")),
            pl.when(pl.col("stopped").first()).then(pl.lit("shutdown-logged")),
            pl.when(pl.col("proxy_stopped").first()).then(pl.lit("proxy-stopped")),
            pl.when(pl.col("started_again").first()).then(pl.lit("start-logged")),
            pl.when(pl.col("refusing").first()).then(pl.lit("refused-after")),
            pl.when(_gone_and_back()).then(pl.lit("gone-and-back")),
            pl.when(pl.col("killed").first()).then(pl.lit("kill-logged")),
            pl.when(pl.col("reloaded").first()).then(pl.lit("proxy-reloaded")),
            pl.when(pl.col("just_reloaded").first()).then(pl.lit("right-after-reload")),
            pl.when((pl.col("how") == "worker-exited").any()).then(pl.lit("worker-exited")),
            pl.when((pl.col("how") == "drain-offset").any()).then(pl.lit("drain-offset")),
        ),
        unit="connections",
        measured=pl.len().cast(pl.Float64),
    )


def _gone_and_back() -> pl.Expr:
    """Whether the server went with these connections and came back, and nothing tells more: no
    kill, no proxy that ended them, no lack of a Close frame."""
    by_proxy = (pl.col("closed_by") == "proxy").mean() >= NEARLY_ALL
    more = [
        pl.col(name).first().fill_null(value=False)
        for name in ("killed", "proxy_stopped", "just_reloaded")
    ]
    told = pl.any_horizontal(
        by_proxy.fill_null(value=False), pl.col("frameless").mean() >= NEARLY_ALL, *more
    )
    return (pl.col("back").first() | pl.col("started_again").first()).fill_null(value=False) & ~told


def _server_silent() -> pl.Expr:
    """Whether 1001 came from nobody knows whom, while a log that tells of starts tells of none.

    A browser sends 1001 for all its tabs when it quits; only servers send 1012.
    """
    untold = (~pl.col("closed_by").is_in(["server", "proxy"])).fill_null(value=True).all()
    going = (pl.col("code") == 1001).fill_null(value=False).mean() >= NEARLY_ALL
    told = pl.any_horizontal(
        pl.col(name).first().fill_null(value=False)
        for name in ("stopped", "started_again", "refusing", "killed", "reloaded")
    )
    return untold & going & ~told & pl.col("starts_told").first().fill_null(value=False)


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
    drained = endings.after_reload(ends, story.signs)
    placed = ends.join(drained, on="session").with_columns(
        wave=pl.format("reload {}", "reloaded_at"),
        live=pl.len().over("reloaded_at").cast(pl.Int64),
        started="ended",
        closing="pointers",
        measured=pl.lit(None, dtype=pl.Float64),
    )
    others = waves.join(drained.select("session"), on="session", how="anti")
    told = {"how": pl.lit(None, dtype=pl.String), "offset_s": pl.lit(None, dtype=pl.Float64)}
    return pl.concat([others.with_columns(**told), placed], how="diagonal_relaxed")
