"""Pings that were not answered.

What it finds: peers given up because a heartbeat did not come, and pings on the wire without a
pong.
Why it matters: it separates a dead peer from a dead network and from a blocked process.
How it decides: a log that says so (`keepalive ping timeout`, `ping timeout`), a Close 1011 with
that reason, or on the wire a ping that got no pong although the connection lived on for long
enough. The wire also tells whether TCP acknowledged the ping: then the network is fine and the
application is not; a ping sent again and again by TCP was never received. A peer that speaks again
on the connection after it was given up was there, and busy. A client whose own
heartbeat stops, but which answers the server's Close at once, was there: only its timers slept.
What it cannot see: a HAR and an access log show no pings; they are not judged on them.
"""

from __future__ import annotations

import polars as pl

from wsdiag import endings
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

WENT_ON = pl.duration(seconds=10)
"""Others that live so much longer were not struck by what silenced this one."""

MORE = 2
"""… and there must be so many times as many of them as of those given up at that moment."""

BUSY = 3
"""So often it is work: an app that the system froze wakes once."""

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
    busy = pl.col("spoke_again").fill_null(value=False).filter(on_wire)
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
            trait("spoke-again", (busy.mean() >= MOST) & (busy.sum() >= BUSY)),
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
    said = pl.col("reason").str.contains(_SAID)
    given_up_by_code = pl.col("code").is_in([1000, 1011]) | (pl.col("code") >= 4000)
    return (
        _with_heartbeats(story)
        .with_columns(
            _stated=pl.col("stated").is_not_null() | (given_up_by_code & said).fill_null(False),
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
            "spoke_again",
            client_owes=(pl.col("_silent") & (pl.col("dir_asked") == "s2c")).fill_null(False),
            normal=((pl.col("code") == 1000) & said).fill_null(False),
            # The code that one sends who gives up: its log need not say if the peer answered it.
            of_application=(pl.col("code") >= 3000).fill_null(False),
            answered=_answered(),
            asleep=_asleep(),
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


def _with_heartbeats(story: Story) -> pl.LazyFrame:
    """The connections, with all that is known of their heartbeats."""
    events = story.signs
    unanswered = endings.unanswered_pings(events)
    parts = (
        _stated(events),
        unanswered,
        endings.sent_again(events, unanswered),
        endings.throttled(events),
        endings.own_pings(events),
        endings.spoke_again(events),
    )
    rows = with_room(story.connections)
    for part in parts:
        rows = rows.join(part, on="session", how="left")
    return rows.join(_hidden(events), how="cross")


def _answered() -> pl.Expr:
    """Whether the wire shows that a pong came, whatever was said of it."""
    return (
        pl.col("vantages").list.contains("network")
        & (pl.col("pings") > pl.col("own_pings").fill_null(0))
        & pl.col("open_pings").is_null()
    )


def _asleep() -> pl.Expr:
    """Whether only the client beat, stopped, and still answered the server's Close at once."""
    return (
        (pl.col("closed_by") == "server")
        & (pl.col("pings") == pl.col("own_pings"))
        & (pl.coalesce("closed", "ended") - pl.col("last_own") > 1.5 * pl.col("pace"))
        & pl.col("answered_close")
    ).fill_null(False)


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
