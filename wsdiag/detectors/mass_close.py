"""Most connections ending at once.

What it finds: moments at which at least half of the live connections end within five seconds, and
ends that a proxy's reload made.
Why it matters: one event did that: a restart, a crash, a reload, a cut network.
How it decides: ends that clients chose are left out, and those by which a server refuses a
credential or a logged timer cuts one connection. Close codes, the server's own shutdown line and
what follows (refused attempts, a start line) tell a planned end from a crash. A reload makes ends
when an old worker exits a round time after it was told to go, or when they come at one distance
from most reloads, or at a default grace period after one.
What it cannot see: connections that are in no source of this evidence.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from wsdiag import endings
from wsdiag.connections import (
    AUTH_CODES,
    POLITE_CODES,
    RESTART_CODES,
    Story,
    counted,
    may_have_lived,
    with_room,
)
from wsdiag.finding import SPOT, Severity, flag
from wsdiag.targets import Targets

ID = "mass-close"
TITLE = "Many connections end at once"
NEEDS = "fewer than two connections were live at the same time in this evidence"

TOGETHER = timedelta(seconds=5)
HALF = 0.5
ENOUGH, ENOUGH_WHEN_ANNOUNCED = 3, 2
"""Two ends at once are chance, unless the server says that it is going away."""

AROUND, AFTER = pl.duration(seconds=10), pl.duration(seconds=120)
"""How far from the ends a shutdown line, a refusal or a start line still belongs to them."""

RELOAD_BEFORE = pl.duration(seconds=300)
"""nginx workers drain for `worker_shutdown_timeout` after a reload; ingress-nginx sets 240 s."""

SHORTLY = pl.duration(seconds=15)
"""A reload so shortly before is the one that did it, where several end together."""

AT_ONE_MOMENT = pl.duration(seconds=1)
"""A server that goes away says 1001 to everybody at once; people who leave do not."""

SAID_WHEN_DONE = pl.duration(seconds=1)
"""Caddy logs "load complete" after it has closed the connections."""

_KILLED = (
    "(?i)sigkill|killed|exit code 137|out of memory|oom|panic|segfault|core dumped|crash|signal 9"
    "|not expected"
)


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
    # A credential's expiry and an idle timer belong to one connection, even where several coincide.
    its_own = pl.col("code").is_in(AUTH_CODES).fill_null(False) | pl.col("timer")
    lived = pl.col("was_open") | (may_have_lived() & ~pl.col("fragment") & pl.col("gone"))
    return counted(story.connections.filter(lived)).select(
        "session",
        "code",
        "frameless",
        "closed_by",
        "closing",
        "opened",
        begun=pl.coalesce("opened", "first"),
        ended=pl.when(pl.col("gone") & ~left & ~its_own).then(pl.coalesce("ended", "closed")),
        over=pl.coalesce("ended", "closed"),
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding for each such moment, and for each shutdown in a log without times."""
    return pl.concat([_at_moments(story), _by_order(story)])


def _by_order(story: Story) -> pl.LazyFrame:
    """The ends that stand between a server's shutdown and its end or next start, where lines have
    no times, as in uvicorn's default log."""
    kind, place = pl.col("kind").cast(pl.String), ("source",)
    stop, start = kind == "server_stop", kind == "server_start"
    lines = (
        story.events.filter(
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


def _at_moments(story: Story) -> pl.LazyFrame:
    rows = _with_drained(_together(summarise(story)), story)
    rows = rows.join(_context(rows, story), on="wave", how="left")
    rows = rows.filter(~_people_leaving())
    rows = rows.with_columns(pointers=pl.concat_list(pl.col("told_at").fill_null([]), "closing"))
    share_restart = pl.col("code").is_in(RESTART_CODES).fill_null(False).mean()
    stopped, reloaded = pl.col("stopped").first(), pl.col("just_reloaded").first()
    announced = (share_restart >= 0.8) | (stopped | reloaded).fill_null(False)
    by_reload = pl.col("how").is_not_null().any()
    enough = pl.when(announced).then(ENOUGH_WHEN_ANNOUNCED).otherwise(ENOUGH)
    rows = rows.with_columns(_enough=((pl.len() >= enough) | by_reload).over("wave")).filter(
        "_enough"
    )
    code = pl.col("code").drop_nulls().mode().sort().first()
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        by=["wave"],
        message=pl.format(
            "{} of {} live connections ended within {} s{}{}",
            pl.len(),
            pl.col("live").max(),
            ((pl.col("ended").max() - pl.col("ended").min()).dt.total_microseconds() / 1e6).round(
                1
            ),
            pl.when(pl.col("frameless").mean() >= 0.8)
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
            pl.when(pl.col("frameless").mean() >= 0.8).then(pl.lit("no-close-frame")),
            pl.when(code.is_not_null()).then(pl.format("code-{}", code)),
            pl.when((pl.col("closed_by") == "proxy").mean() >= 0.8).then(pl.lit("by-proxy")),
            pl.when(_server_silent()).then(pl.lit("server-silent")),
            pl.when(pl.col("stopped").first()).then(pl.lit("shutdown-logged")),
            pl.when(pl.col("started_again").first()).then(pl.lit("start-logged")),
            pl.when(pl.col("refusing").first()).then(pl.lit("refused-after")),
            pl.when(pl.col("killed").first()).then(pl.lit("kill-logged")),
            pl.when(pl.col("reloaded").first()).then(pl.lit("proxy-reloaded")),
            pl.when(pl.col("just_reloaded").first()).then(pl.lit("right-after-reload")),
            pl.when((pl.col("how") == "worker-exited").any()).then(pl.lit("worker-exited")),
            pl.when((pl.col("how") == "drain-offset").any()).then(pl.lit("drain-offset")),
        ),
        unit="connections",
        measured=pl.len().cast(pl.Float64),
    )


def _server_silent() -> pl.Expr:
    """Whether 1001 came from nobody knows whom, while a log that tells of starts tells of none.

    A browser sends 1001 for all its tabs when it quits; only servers send 1012.
    """
    untold = (~pl.col("closed_by").is_in(["server", "proxy"])).fill_null(value=True).all()
    going = (pl.col("code") == 1001).fill_null(value=False).mean() >= 0.8
    told = pl.any_horizontal(
        pl.col(name).first().fill_null(value=False)
        for name in ("stopped", "started_again", "refusing", "killed", "reloaded")
    )
    return untold & going & ~told & pl.col("starts_told").first().fill_null(value=False)


def _people_leaving() -> pl.Expr:
    """Whether a wave is polite codes, nobody knows from which side, one after the other."""
    side = pl.col("closed_by").is_in(["server", "proxy"]).fill_null(False)
    polite = pl.col("code").is_in(POLITE_CODES).fill_null(False) & ~side
    spread = pl.col("ended").max() - pl.col("ended").min() > AT_ONE_MOMENT
    told = (pl.col("stopped") | pl.col("started_again") | pl.col("refusing")).fill_null(False)
    return (polite.all() & spread & ~told.any()).over("wave")


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
    drained = endings.after_reload(ends, story.events)
    placed = ends.join(drained, on="session").with_columns(
        wave=-1 - pl.col("reloaded_at").rank("dense").cast(pl.Int64),
        live=pl.len().over("reloaded_at").cast(pl.Int64),
        started="ended",
        closing="pointers",
        measured=pl.lit(None, dtype=pl.Float64),
    )
    others = waves.join(drained.select("session"), on="session", how="anti")
    told = {"how": pl.lit(None, dtype=pl.String), "offset_s": pl.lit(None, dtype=pl.Float64)}
    return pl.concat([others.with_columns(**told), placed], how="diagonal_relaxed")


def _together(ends: pl.LazyFrame) -> pl.LazyFrame:
    """The ends that fall into waves: each wave a run of ends, half of the live ones within 5 s."""
    begun, over = pl.col("begun").drop_nulls().sort(), pl.col("over").drop_nulls().sort()
    placed = ends.with_columns(live=_until(begun, pl.col("ended")) - _before(over, pl.col("ended")))
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
        gone.map_batches(_waves, schema=pl.Schema({**gone.collect_schema(), "wave": pl.Int64()}))
        .filter(pl.col("wave").is_not_null())
        .with_columns(
            live=pl.max_horizontal(pl.col("live").first(), pl.len()).over("wave"),
            started="ended",
            measured=pl.lit(None, dtype=pl.Float64),
            pointers="closing",
        )
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
    return ends.with_columns(wave=last).with_columns(
        wave=pl.when(
            (ended <= since + TOGETHER) & (pl.col("opened") <= since).fill_null(True)
        ).then("wave")
    )


def _context(rows: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """What the evidence says around each wave."""
    waves = rows.group_by("wave").agg(
        pl.col("ended").min().alias("t0"), pl.col("ended").max().alias("t1")
    )
    marks = story.events.filter(
        pl.col("kind").is_in(["server_stop", "server_start", "reload", "error", "refused"])
        & pl.col("ts").is_not_null()
    ).select(
        "ts",
        kind=pl.col("kind").cast(pl.String),
        reason=pl.col("reason").fill_null(""),
        proxy=pl.col("vantage") == "proxy",
        spot=SPOT,
    )
    near = pl.col("ts").is_between(pl.col("t0") - AROUND, pl.col("t1") + AROUND)
    after = pl.col("ts").is_between(pl.col("t0"), pl.col("t1") + AFTER)
    by_then = pl.col("t1") + SAID_WHEN_DONE
    before = pl.col("ts").is_between(pl.col("t0") - RELOAD_BEFORE, by_then)
    shortly = pl.col("ts").is_between(pl.col("t0") - SHORTLY, by_then)
    kind, killed = pl.col("kind"), pl.col("reason").str.contains(_KILLED)
    return (
        waves.join(marks, how="cross")
        .group_by("wave")
        .agg(
            (near & (kind == "server_stop") & ~killed & ~pl.col("proxy")).any().alias("stopped"),
            (near & kind.is_in(["server_stop", "error"]) & killed).any().alias("killed"),
            (after & (kind == "server_start") & ~pl.col("proxy")).any().alias("started_again"),
            (after & (kind == "refused")).any().alias("refusing"),
            ((pl.col("ts") < pl.col("t0")) & (kind == "server_start") & ~pl.col("proxy"))
            .any()
            .alias("starts_told"),
            (before & (kind == "reload")).any().alias("reloaded"),
            (shortly & (kind == "reload")).any().alias("just_reloaded"),
            pl.col("spot")
            .filter((near & (kind == "server_stop")) | (before & (kind == "reload")))
            .head(2)
            .alias("told_at"),
        )
    )
