"""Connections cut because nothing was said on them.

What it finds: ends that a proxy or server logs as its idle timer, and ends that come after the
same stretch of silence again and again.
Why it matters: the path between client and server has a timer that neither of them knows.
How it decides: the owner's own log line is proof. Without it, at least three connections that a
side other than the client ended without a Close frame, after silences within 1.5 % of each other
(either way, or in one direction), at different moments, five times as many as after neighbouring
silences; one connection that survived a longer silence refutes the timer. Where only ages are known
(an access log), or both agree equally well, that is said: idle time and age cannot be told apart;
ages alone must be a known timer's, or ten seconds and more that agree within half a second; one or
two alone that a proxy's access log tells must be a known timer's to the millisecond. Where
the owner's line says nothing of the silence and the ages differ, the shortest bounds the timer.
What it cannot see: which hop owns the timer, when the capture shows one leg only.
"""

from __future__ import annotations

import polars as pl

from wsdiag import endings, timers
from wsdiag.connections import NOT_CUT, Story, number_of
from wsdiag.finding import Severity, clause, flag, plural, trait
from wsdiag.targets import Targets

ID = "idle-cut"
TITLE = "Idle connections are cut"
NEEDS = (
    "no source shows both the end of a connection and the silence before it: a capture, or a proxy "
    "log with durations (nginx $request_time) or its error log at level info does"
)

SEE_PINGS = ("network", "server")
"""Browsers answer pings without telling anybody, and proxies do not log frames."""

LOOSE_S = 0.5
"""A timer fires within milliseconds: where only ages are known, and they differ by more, whoever
leaves after about as long looks the same."""

DOT_S = 0.05
"""A timer fires so soon after its time; few connections end there by chance."""

SHORTEST_AGE_S = 10.0
"""Ages alone that are shorter are no idle timer's: the shortest default of any hop is 30 s."""

ONE_SIDED = {"idle_c2s": "one-way-c2s", "idle_s2c": "one-way-s2c"}


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many ends came with a known silence or age, or a logged timer."""
    known = pl.col("gone") & (
        pl.col("idle_s").is_not_null() | pl.col("age_s").is_not_null() | pl.col("timer")
    )
    return number_of(story.connections.filter(known), "{} ends seen, no idle timer among them")


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all connections concerned."""
    return flag(
        _with_heartbeats(_cut(story), story.signs),
        detector=ID,
        severity=Severity.ERROR,
        confidence=pl.when(pl.col("logged").any())
        .then(0.95)
        .when((pl.col("closed_by") == "proxy").any() & (pl.len() >= endings.REPEATED))
        .then(0.8)
        .when(_ambiguous())
        .then(0.55)
        .otherwise(0.7),
        message=_message(),
        traits=_traits(),
        measured=_silence(),
        unit="s",
    )


def _message() -> pl.Expr:
    silence = _silence()
    return pl.format(
        "{} cut {}{}{}",
        plural("connection"),
        pl.when(silence.is_not_null())
        .then(
            pl.format(
                "after {}{} s of silence", clause("at most ", where=_at_most()), silence.round(1)
            )
        )
        .otherwise(pl.lit("by an idle timer whose length no source tells")),
        clause(
            ", as long as the connection lived: idle time and age cannot be told apart",
            where=_ambiguous(),
        ),
        endings.out_of(pl.col("all_ends").first()),
    )


def _traits() -> tuple[pl.Expr, ...]:
    logged, by_proxy, owner = pl.col("logged"), pl.col("by_proxy"), pl.col("owner")
    beating = (pl.col("pings") > 0) | pl.col("not_yet_due")
    slow = pl.col("every_s") >= pl.col("measured") * 0.95
    silence = _silence()
    proxy_logged = (logged & by_proxy & owner.is_null()).any()
    proxy_ended = (pl.col("closed_by") == "proxy").any()
    known = timers.is_default(silence, timers.IDLE)
    return (
        trait("proxy-timer-logged", proxy_logged),
        trait("haproxy-flag", (logged & (owner == "haproxy")).any()),
        trait("envoy-flag", (logged & (owner == "envoy")).any()),
        trait("server-timer-logged", (logged & ~by_proxy).any()),
        trait("server-said-timeout", pl.col("said_timeout").any()),
        trait("idle-stated", pl.col("observed").any()),
        trait("repeats", pl.col("timer_s").is_not_null().sum() >= endings.REPEATED),
        trait("proxy-ended", proxy_ended),
        trait("server-ended", (pl.col("closed_by") == "server").any()),
        trait("idle-equals-age", _ambiguous()),
        trait("silence-at-most", _at_most()),
        *(trait(name, (pl.col("clock") == clock).any()) for clock, name in ONE_SIDED.items()),
        trait("catalogue", known),
        # Told by a line, by the side that ended it, by a default, or by a silence that is no age.
        trait("hop-known", ~_ambiguous() | known | proxy_logged | proxy_ended),
        *timers.marks(silence, timers.SILENCE),
        trait("behind-proxy", pl.col("proxied").any()),
        trait("pings-too-slow", (beating & slow).any()),
        trait(
            "no-heartbeat", (~beating & pl.col("pings_seen") & pl.col("idle").is_not_null()).all()
        ),
        trait("backend-silent", pl.col("unanswered").first() >= pl.len()),
    )


def _silence() -> pl.Expr:
    """How long these were silent before the cut, in seconds; null where nobody knows."""
    known = pl.col("measured").filter(~pl.col("age_only"))
    return (
        pl.when(_at_most())
        .then(pl.col("age").min())
        .otherwise(pl.coalesce(known.median(), pl.col("measured").median()))
    )


def _at_most() -> pl.Expr:
    """Whether only their ages are known, and differ: the shortest of them bounds the timer."""
    return pl.col("age_only").all() & ~_agree(pl.col("age"))


def _ambiguous() -> pl.Expr:
    """Whether their age fits as well as their silence, and no owner says which it was."""
    return (pl.col("same_as_age") & ~pl.col("logged")).all()


def _with_heartbeats(cut: pl.LazyFrame, events: pl.LazyFrame) -> pl.LazyFrame:
    """The rows, with `every_s`, how often each was pinged or would have been; `not_yet_due`, where
    it was cut before that; `pings_seen`, where pings would show; and the `unanswered` handshakes.
    """
    return (
        cut.join(endings.pace(events), on="session", how="left")
        .join(endings.usual_pace(events), how="cross")
        .join(_unanswered_handshakes(events), how="cross")
        .with_columns(
            # Who is pinged for the first time later than it lived is pinged too slowly.
            not_yet_due=((pl.col("pings") == 0) & (pl.col("usual_s") >= pl.col("age"))).fill_null(
                False
            ),
        )
        .with_columns(
            every_s=pl.coalesce("every_s", pl.when("not_yet_due").then("usual_s")),
            # A client's own tools and a proxy's log show no pings: that is no proof of none.
            pings_seen=pl.col("vantages").list.eval(pl.element().is_in(SEE_PINGS)).list.any(),
        )
    )


def _cut(story: Story) -> pl.LazyFrame:
    """The ends that are an idle timer's, each with its silence in seconds as `measured`."""
    said = pl.col("logged") | pl.col("said_timeout")
    silence = pl.coalesce("idle", "age")
    at_default = timers.is_default(silence, timers.IDLE)
    # Too few to repeat, but at a known default, and the proxy's doing.
    lone = (
        at_default
        & (pl.col("survived") <= silence * endings.SURVIVED + endings.TICK_S).fill_null(True)
        & (((pl.col("closed_by") == "proxy") & _unsaid()) | _on_the_dot())
    )
    return (
        _clocked(story)
        .filter(
            said
            | pl.col("timer_s").is_not_null()
            | (pl.col("observed") & at_default)
            | (lone & (pl.col("_unsaid") < endings.REPEATED)).fill_null(False)
        )
        .with_columns(
            measured=pl.when(pl.col("clock").is_in(list(ONE_SIDED)))
            .then("timer_s")
            .otherwise("measured"),
            all_ends=pl.col("_unsaid") + pl.col("logged").sum(),
        )
        .filter(said | pl.col("idle").is_not_null() | at_default | _tight().over("timer_s"))
    )


def _clocked(story: Story) -> pl.LazyFrame:
    """Each end that a timer could have made, with the clock that it agrees on with others, what is
    known of its silence, and the longest silence that any connection `survived`."""
    ends = endings.ends(story)
    unsaid = ends.filter(_unsaid())
    spikes = endings.by_clock(unsaid, story.connections).filter(pl.col("clock") != "age")
    survived = story.connections.select(survived=pl.col("longest_gap_s").max())
    known_default = timers.is_default(pl.coalesce("idle", "age"), timers.SILENCE)
    # A proxy that states the whole life of a connection does not state its silence.
    stated = pl.when((pl.col("stated_s") - pl.col("age")).abs() > pl.col("tick")).then("stated_s")
    return (
        ends.join(spikes, on="session", how="left")
        .join(survived, how="cross")
        .join(unsaid.select(_unsaid=pl.len()), how="cross")
        .with_columns(
            logged=(pl.col("stated") == "idle").fill_null(False),
            said_timeout=pl.col("said_timeout") & known_default,
            observed=pl.col("observed_s").is_not_null() & pl.col("stated").is_null(),
            same_as_age=(
                (pl.col("idle").is_null() | ((pl.col("age") - pl.col("idle")) <= pl.col("tick")))
                & stated.is_null()
            ).fill_null(True),
            age_only=(stated.is_null() & pl.col("idle").is_null() & pl.col("observed_s").is_null()),
            measured=pl.coalesce(stated, "idle", "observed_s", "age"),
            ended=pl.coalesce("ended", "started"),
        )
    )


def _tight() -> pl.Expr:
    """Whether ages alone may be a timer's: long enough, and close to each other."""
    return _agree(pl.col("measured")) & (pl.col("measured").median() >= SHORTEST_AGE_S)


def _agree(ages: pl.Expr) -> pl.Expr:
    """Whether they differ by no more than one timer's do."""
    return ages.max() - ages.min() <= pl.max_horizontal(LOOSE_S, pl.col("tick").max())


def _unsaid() -> pl.Expr:
    """An end that nobody explains: no owner's word, no Close frame, not the client's doing."""
    by_no_timer = (
        pl.col("end_reason").str.starts_with(NOT_CUT)
        & pl.col("idle").is_null()
        & ~pl.col("frameless")
    )
    return (
        pl.col("stated").is_null()
        & ~by_no_timer.fill_null(False)
        & pl.col("code").is_null()
        & (pl.col("frameless") | (pl.col("witnesses") <= 1))
        & (pl.col("closed_by") != "client").fill_null(True)
        & ~pl.col("heartbeat_timeout")
        & ~pl.col("expiring")
        & ~pl.col("queued")
    )


def _on_the_dot() -> pl.Expr:
    """An end of which only a proxy's access log tells, at a known timer's age to the millisecond.

    Whose timer, and of what, is open: for a proxy the one in front of it is the client.
    """
    age = pl.col("age")
    to_the_dot = timers.just_after(age, (*timers.IDLE, *timers.AGE), DOT_S)
    told_by_it_alone = pl.col("vantages").list.eval(pl.element() == "proxy").list.all()
    unsaid = pl.col("stated").is_null() & pl.col("code").is_null() & ~pl.col("expiring")
    few = pl.len() < endings.REPEATED
    return few & to_the_dot & pl.col("age_only") & told_by_it_alone & unsaid & (pl.col("tick") < 1)


def _unanswered_handshakes(events: pl.LazyFrame) -> pl.LazyFrame:
    """How often a proxy gave up on a handshake: then the backend answers nobody, idle or not."""
    gave_up = (pl.col("kind") == "timeout") & pl.col("reason").str.contains("(?i)response header")
    return events.select(unanswered=gave_up.fill_null(False).sum())
