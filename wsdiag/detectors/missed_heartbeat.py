"""Pings that were not answered.

What it finds: peers given up because a heartbeat did not come, and pings on the wire without a
pong.
Why it matters: it separates a dead peer from a dead network and from a blocked process.
How it decides: a log that says so (`keepalive ping timeout`, `ping timeout`), a Close 1011 with
that reason, or on the wire a ping that got no pong although the connection lived on for long
enough. The wire also tells whether TCP acknowledged the ping: then the network is fine and the
application is not; a ping sent again and again by TCP was never received. A client whose own
heartbeat stops, but which answers the server's Close at once, was there: only its timers slept.
What it cannot see: a HAR and an access log show no pings; they are not judged on them.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, counted, with_room
from wsdiag.finding import MOST, SPOT, Severity, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import says

ID = "missed-heartbeat"
TITLE = "A heartbeat is missed"
NEEDS = (
    "no source shows pings or heartbeat timeouts: a capture without TLS, a server log at DEBUG or "
    "a socket.io debug log does; a HAR and an access log cannot"
)

BEATS = ("ping", "pong", "heartbeat_timeout")

PATIENCE_S = 1.0
"""A ping younger than this at the end was not given the time to be answered."""

TOGETHER_S = 2.0
"""Peers given up within this time of one another missed their heartbeats together."""

MINUTE_S, AWAKE_S = (57.0, 63.0), 45.0
"""Chrome runs the timers of a hidden tab once a minute; awake, heartbeats are faster than that.

https://developer.chrome.com/blog/timer-throttling-in-chrome-88
"""

WENT_ON = pl.duration(seconds=10)
"""Others that live so much longer were not struck by what silenced this one."""

MORE = 2
"""… and there must be so many times as many of them as of those given up at that moment."""

_SAID = (
    "(?i)ping timeout|pong timeout|no pong|keepalive|heartbeat|ping timed out|wait for pong"
    "|server activity"
)


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections showed a heartbeat; where the wire shows that there was none, that."""
    beating, framed = _sessions(pl.col("kind").is_in(BEATS)), _sessions(_framed())
    return story.events.select(
        judged=beating,
        said=pl.format("{} connections with heartbeats, none left unanswered", beating),
        lacking=pl.when(framed > 0).then(
            pl.format("the wire shows {} connections, and no ping on them to be missed", framed)
        ),
    )


def _sessions(holds: pl.Expr) -> pl.Expr:
    """The number of sessions that have such a row."""
    return pl.col("session").filter(holds).drop_nulls().n_unique().cast(pl.Int64)


def _framed() -> pl.Expr:
    """A frame that a capture shows: there a ping would be seen, too."""
    return (pl.col("vantage") == "network") & pl.col("kind").is_in(["message", "close"])


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all connections concerned."""
    rows = _with_others(_concerned(story), story)
    on_wire = pl.col("vantages").list.contains("network") & pl.col("_silent")
    again = pl.col("sent_again").fill_null(0) >= 2
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=pl.when(on_wire.any()).then(0.95).otherwise(0.85),
        message=pl.format(
            "{} with an unanswered heartbeat{}",
            plural("connection"),
            pl.when((on_wire & again).any())
            .then(pl.lit("; TCP never acknowledged it"))
            .when((on_wire & ~again).any())
            .then(pl.lit("; TCP acknowledged it, the application did not answer"))
            .otherwise(pl.lit("")),
        ),
        traits=(
            trait("stated", pl.col("_stated").any()),
            trait("not-acked", (on_wire & again).any()),
            trait("acked", (on_wire & ~again).any()),
            trait("clients-silent", pl.col("client_owes").mean() >= MOST),
            trait("answered-late", pl.col("late").fill_null(False).any()),
            trait("normal-code", pl.col("normal").mean() >= MOST),
            trait("application-code", pl.col("of_application").mean() >= MOST),
            trait("pong-came", (pl.col("_stated") & pl.col("answered")).any()),
            trait("slowed-to-a-minute", pl.col("throttled").any()),
            trait("client-asleep", pl.col("asleep").any()),
            trait("page-hidden", pl.col("hidden").any()),
            trait("others-went-on", (pl.col("others") >= MORE * pl.col("struck")).mean() >= MOST),
            pl.when(pl.col("together").sum() >= 1)
            .then(pl.lit("together"))
            .otherwise(pl.lit("one-by-one")),
        ),
        unit="s",
    )


def _concerned(story: Story) -> pl.LazyFrame:
    """The connections of which somebody says, or the wire shows, that a heartbeat did not come."""
    unanswered = _unanswered(story.signs)
    return (
        with_room(story.connections)
        .join(_stated(story.signs), on="session", how="left")
        .join(unanswered, on="session", how="left")
        .join(_sent_again(story.signs, unanswered), on="session", how="left")
        .join(_throttled(story.signs), on="session", how="left")
        .join(_own(story.signs), on="session", how="left")
        .join(_hidden(story.signs), how="cross")
        .with_columns(
            _stated=pl.col("stated").is_not_null()
            | (
                (pl.col("code").is_in([1000, 1011]) | (pl.col("code") >= 4000))
                & pl.col("reason").str.contains(_SAID)
            ).fill_null(value=False),
            _silent=_silence(),
        )
        .filter(pl.col("_stated") | pl.col("_silent"))
        .pipe(counted)
        .with_columns(_after=pl.coalesce("ended", "closed", "given_up"))
        .with_columns(_moment=pl.coalesce("_after", "asked"))
        .sort("_moment", nulls_last=True)
        .select(
            "session",
            "_stated",
            "_silent",
            "sent_again",
            "closed_by",
            "dir_asked",
            "vantages",
            "late",
            "throttled",
            client_owes=(pl.col("_silent") & (pl.col("dir_asked") == "s2c")).fill_null(value=False),
            normal=((pl.col("code") == 1000) & pl.col("reason").str.contains(_SAID)).fill_null(
                False
            ),
            # The code that one sends who gives up: its log need not say if the peer answered it.
            of_application=(pl.col("code") >= 3000).fill_null(value=False),
            answered=pl.col("vantages").list.contains("network")
            & (pl.col("pings") > pl.col("own_pings").fill_null(0))
            & pl.col("open_pings").is_null(),
            # Only the client beat, it stopped, and it still answered the server's Close at once.
            asleep=(
                (pl.col("closed_by") == "server")
                & (pl.col("pings") == pl.col("own_pings"))
                & (pl.coalesce("closed", "ended") - pl.col("last_own") > 1.5 * pl.col("pace"))
                & pl.col("answered_close")
            ).fill_null(value=False),
            hidden=pl.col("hidden_at") < pl.coalesce("closed", "ended"),
            together=(
                (pl.col("_moment") - pl.col("_moment").shift(1)).dt.total_seconds() <= TOGETHER_S
            ).fill_null(False),
            started=pl.coalesce("asked", "given_up", "ended"),
            ended="_moment",
            measured=(pl.col("_after") - pl.col("asked")).dt.total_microseconds() / 1e6,
            pointers=pl.concat_list(
                pl.col("asked_at").fill_null([]), pl.col("stated_at").fill_null([]), "closing"
            ).list.unique(maintain_order=True),
        )
    )


def _with_others(rows: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """The rows, with how many were given up at that moment (`struck`), and how many `others` were
    open then and lived on."""
    lives = story.connections.filter(pl.col("was_open") & pl.col("opened").is_not_null())
    over = pl.coalesce("ended", "closed")
    opened = (
        lives.select("opened").sort("opened").with_columns(_begun=pl.int_range(1, pl.len() + 1))
    )
    ended = (
        lives.filter(over.is_not_null())
        .select(over=over - WENT_ON)
        .sort("over")
        .with_columns(_over=pl.int_range(1, pl.len() + 1))
    )
    at = pl.col("ended")
    near = pl.duration(microseconds=int(TOGETHER_S * 1e6))
    return (
        rows.sort("ended", nulls_last=True)
        .with_columns(
            struck=at.search_sorted(at + near, side="right").cast(pl.Int64)
            - at.search_sorted(at - near, side="left").cast(pl.Int64)
        )
        .join_asof(opened, left_on="ended", right_on="opened", check_sortedness=False)
        .join_asof(ended, left_on="ended", right_on="over", check_sortedness=False)
        .with_columns(others=pl.col("_begun").fill_null(0) - pl.col("_over").fill_null(0))
    )


def _stated(events: pl.LazyFrame) -> pl.LazyFrame:
    """Connections whose log says that a heartbeat did not come."""
    return (
        events.filter((pl.col("kind") == "heartbeat_timeout") & pl.col("session").is_not_null())
        .group_by("session")
        .agg(
            pl.lit(True).alias("stated"),
            pl.col("ts").min().alias("given_up"),
            SPOT.head(2).alias("stated_at"),
        )
    )


def _unanswered(events: pl.LazyFrame) -> pl.LazyFrame:
    """The first ping of the last unanswered run, on the leg whose end is clearest."""
    beats = events.filter(
        pl.col("kind").is_in(["ping", "pong"])
        & pl.col("session").is_not_null()
        & pl.col("ts").is_not_null()
    ).with_columns(
        kind=pl.col("kind").cast(pl.String),
        # A pong travels against its ping: both belong to the heartbeat of the ping's direction.
        beat=pl.when(pl.col("kind") == "ping")
        .then(pl.col("dir").cast(pl.String))
        .otherwise(pl.col("dir").cast(pl.String).replace({"c2s": "s2c", "s2c": "c2s"})),
    )
    # Who sent a Close, or got one, waits for no pong any more, and owes none.
    closes = events.filter((pl.col("kind") == "close") & pl.col("session").is_not_null())
    closed = closes.group_by("session", "source", "conn").agg(closed=pl.col("ts").min())
    over = ("session", "source", "conn", "beat")
    return (
        beats.join(closed, on=["session", "source", "conn"], how="left", nulls_equal=True)
        .filter((pl.col("ts") <= pl.col("closed")).fill_null(value=True))
        .sort("session", "source", "pos")
        .with_columns(answered=pl.col("ts").filter(pl.col("kind") == "pong").max().over(over))
        .group_by(*over, maintain_order=True)
        .agg(
            pl.col("answered").first(),
            pl.col("ts").filter(pl.col("kind") == "ping").diff().median().alias("interval"),
            _open_pings(pl.col("ts")).min().alias("asked"),
            _open_pings(pl.col("ts")).len().alias("open_pings"),
            _open_pings(SPOT).head(2).alias("asked_at"),
            pl.col("ms").filter(pl.col("kind") == "pong").max().alias("slowest"),
        )
        .with_columns(
            late=pl.col("slowest") / 1000 > pl.col("interval").dt.total_microseconds() / 1e6
        )
        .filter(pl.col("open_pings") > 0)
        .sort("asked")
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("asked", "open_pings", "interval", "asked_at", "late").first(),
            pl.col("beat").first().alias("dir_asked"),
        )
    )


def _open_pings(column: pl.Expr) -> pl.Expr:
    return column.filter(
        (pl.col("kind") == "ping")
        & (pl.col("answered").is_null() | (pl.col("ts") > pl.col("answered"))).fill_null(True)
    )


def _sent_again(events: pl.LazyFrame, unanswered: pl.LazyFrame) -> pl.LazyFrame:
    """How often TCP sent a segment again since the unanswered ping."""
    return (
        events.filter((pl.col("kind") == "retransmit") & pl.col("session").is_not_null())
        .join(unanswered.select("session", "asked"), on="session")
        .filter(pl.col("ts") >= pl.col("asked"))
        .group_by("session")
        .agg(pl.len().alias("sent_again"))
    )


def _throttled(events: pl.LazyFrame) -> pl.LazyFrame:
    """Clients whose own heartbeat fell to one a minute: a hidden tab's timers run no faster."""
    gap = pl.col("ts").sort().diff().dt.total_microseconds() / 1e6
    slow = gap.is_between(*MINUTE_S)
    return (
        events.filter(
            (pl.col("kind") == "ping") & (pl.col("dir") == "c2s") & pl.col("session").is_not_null()
        )
        .group_by("session", "source", "conn")
        .agg(((slow.sum() >= 2) & (gap.filter(~slow).median() <= AWAKE_S)).alias("throttled"))
        .group_by("session")
        .agg(pl.col("throttled").any())
    )


def _own(events: pl.LazyFrame) -> pl.LazyFrame:
    """The heartbeats that a client sends of its own accord, and whether it answered a Close.

    Columns: session, own_pings, last_own, pace (their usual distance), answered_close.
    """
    ping = (pl.col("kind") == "ping") & (pl.col("dir") == "c2s")
    close = (pl.col("kind") == "close") & (pl.col("vantage") == "network")
    asked, answered = close & (pl.col("dir") == "s2c"), close & (pl.col("dir") == "c2s")
    at = pl.col("ts")
    return (
        events.filter((ping | close) & pl.col("session").is_not_null() & at.is_not_null())
        .sort("session", "ts")
        .group_by("session", "source", "conn", maintain_order=True)
        .agg(
            own_pings=ping.sum().cast(pl.Int64),
            last_own=at.filter(ping).max(),
            pace=at.filter(ping).diff().median(),
            answered_close=(
                at.filter(answered).min() - at.filter(asked).min() <= pl.duration(seconds=1)
            ).fill_null(value=False),
        )
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("own_pings").max(),
            pl.col("last_own").max(),
            pl.col("pace").min(),
            pl.col("answered_close").any(),
        )
    )


def _hidden(events: pl.LazyFrame) -> pl.LazyFrame:
    """Since when a page says that nobody sees it; null where none says so."""
    said = says(ID, pl.col("reason")) & pl.col("kind").is_in(["stall", "page"])
    return events.filter(said).select(hidden_at=pl.col("ts").min())


def _silence() -> pl.Expr:
    """Whether the unanswered ping waited long enough to be called missed."""
    until = pl.coalesce("ended", "closed", "last_seen")
    waited = (until - pl.col("asked")).dt.total_microseconds() / 1e6
    interval = pl.col("interval").dt.total_microseconds() / 1e6
    enough = (
        pl.when("gone").then(PATIENCE_S).otherwise(pl.max_horizontal(interval * 1.5, pl.lit(5.0)))
    )
    return ((pl.col("open_pings") > 0) & (waited >= enough)).fill_null(False)
