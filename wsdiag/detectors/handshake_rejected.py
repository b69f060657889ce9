"""Upgrade requests answered with something other than 101, or with nothing.

What it finds: handshakes that a server or proxy refused with an HTTP status, or left without an
answer until one side gave up.
Why it matters: a browser shows only 1006; the status and its body name the hop and the reason.
How it decides: by status, with what the answer or the server's log says about it. An attempt that
ends a second or more later, never open and never refused, got no answer.
What it cannot see: who refused, when only the client's 1006 is in the evidence.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, backend_silent, counted, number_of, unanswered
from wsdiag.finding import SPOT, UNMEASURED, Severity, clause, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import SAME_MOMENT, marks, stated

ID = "handshake-rejected"
TITLE = "The handshake is rejected"
NEEDS = "no handshake in the evidence: access logs, a capture or a HAR show them"

GATEWAY = (502, 503)
"""What a proxy answers when it reaches nobody (RFC 9110, 15.6.3 and 15.6.4)."""

GAVE_UP = (502, 504)
"""What a proxy answers when its backend says nothing, or hangs up."""
BAD_REQUEST = 400

LIVED_S = 2.0
"""A connection of which a log states that it lived so long had been open."""

_POLLING = "(?i)\\bxhr\\b|polling|socket\\.io|engine\\.io"
_NO_BACKEND = (
    "(?i)does not have any active endpoint|has no server available|no live upstreams"
    "|no healthy upstream|no upstreams available|no available server"
)
_ENGINE_IO = "(?i)^transport (error|close)$"
_SIDS = 2
"""Session ids, at least, that one backend refused and another still served."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many handshakes were seen."""
    shaken = pl.col("was_open") | pl.col("rejected")
    return number_of(story.connections.filter(shaken), "{} handshakes seen, all answered with 101")


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding for each HTTP status, and one for those without an answer."""
    return pl.concat([_refused(story), _silent(story)])


def _silent(story: Story) -> pl.LazyFrame:
    rows = unanswered(counted(story.connections), story.signs)
    wait = pl.col("measured").median()
    # A proxy that gave up answered 502 or 504: where that is shown it counts there.
    shown = story.connections.filter("rejected")
    gave_up = shown.filter(pl.col("status").is_in(GAVE_UP) & pl.col("path").is_not_null())
    return flag(
        rows.join(shown, on="session", how="anti").join(
            gave_up.select("path", measured=UNMEASURED),
            on=["path", "measured"],
            how="anti",
            nulls_equal=True,
        ),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        message=pl.format(
            "{} left without an answer{}",
            plural("handshake"),
            clause(", given up after {} s", wait.round(1)),
        ),
        traits=(pl.lit("unanswered"),),
        measured=wait,
        unit="s",
    )


def _refused(story: Story) -> pl.LazyFrame:
    rows = _rejections(story)
    rows = pl.concat([rows, _told_alone(story, rows)], how="diagonal_relaxed")
    text, reason = pl.col("text"), pl.col("rejection").drop_nulls().first()
    status = pl.col("status").first()
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.95,
        by=["status"],
        message=pl.format(
            "{} {}{}",
            plural("handshake"),
            pl.when(status.is_null())
            .then(pl.lit("turned down"))
            .otherwise(pl.format("answered with HTTP {}", status)),
            clause(" ({})", reason),
        ),
        traits=(
            pl.format("status-{}", status),
            *marks(ID, text),
            trait("no-backend", status.is_in(GATEWAY) & pl.col("no_backend").first()),
            trait("backend-silent", status.is_in(GAVE_UP) & pl.col("silent").any()),
            trait(
                "sid-served-elsewhere", pl.col("served_elsewhere").first() & (status == BAD_REQUEST)
            ),
            trait("same-token-again", pl.col("again").any()),
            pl.when(pl.col("opened_any").first())
            .then(pl.lit("others-open"))
            .otherwise(pl.lit("none-opens")),
            trait(
                "polling",
                pl.col("engine_io").first()
                | (text.str.contains(_POLLING) | pl.col("path").str.contains(_POLLING)).any(),
            ),
        ),
    )


def _opened(story: Story) -> pl.LazyFrame:
    return story.connections.select(opened_any=pl.col("was_open").any())


def _served_elsewhere(story: Story) -> pl.LazyFrame:
    """Whether sessions of Engine.IO were refused by one poll and served by a later request.

    A server that was started anew knows none of its former sessions again; one of several does.
    """
    asked = story.signs.filter(
        pl.col("kind").is_in(["response", "open"]) & pl.col("trace").is_not_null()
    ).select("source", "trace", "kind", "pos", "ts", answer=pl.col("code").fill_null(101))
    refused = (
        asked.filter((pl.col("kind") == "response") & (pl.col("answer") == BAD_REQUEST))
        .group_by("source", "trace")
        .agg(since=pl.col("ts").min(), after=pl.col("pos").min())
    )
    return (
        asked.filter(pl.col("answer") < BAD_REQUEST)
        .join(refused, on=["source", "trace"])
        .filter((pl.col("pos") > pl.col("after")) & (pl.col("ts") >= pl.col("since")))
        .select(served_elsewhere=pl.struct("source", "trace").n_unique() >= _SIDS)
    )


def _rejections(story: Story) -> pl.LazyFrame:
    """The rejected handshakes, each with what was said about it."""
    signs = story.signs
    no_backend = signs.filter(pl.col("vantage") == "proxy").select(
        no_backend=pl.col("reason").str.contains(_NO_BACKEND).any()
    )
    silent = backend_silent(signs).select("path", silent=True).unique()
    engine_io = signs.select(engine_io=pl.col("reason").str.contains(_ENGINE_IO).any())
    return (
        _with_text(counted(story.connections.filter(pl.col("rejected"))), signs)
        .join(_opened(story), how="cross")
        .join(engine_io, how="cross")
        .join(_served_elsewhere(story), how="cross")
        .join(no_backend, how="cross")
        .join(silent, on="path", how="left")
        .select(
            "session",
            "status",
            "rejection",
            "text",
            "opened_any",
            "engine_io",
            "served_elsewhere",
            "no_backend",
            "silent",
            "path",
            again=pl.col("token").is_not_null() & (pl.len().over("token", "status") >= 3),
            started="first",
            ended="first",
            measured=UNMEASURED,
            pointers=pl.concat_list("opening", pl.col("named_at").fill_null([])),
        )
    )


def _with_text(rejected: pl.LazyFrame, signs: pl.LazyFrame) -> pl.LazyFrame:
    """The rows, in the order of time, with all that was said about each as `text`."""
    reason, session, at = pl.col("reason"), pl.col("session"), pl.col("ts")
    said = (
        signs.filter(
            reason.is_not_null()
            & session.is_not_null()
            & pl.col("kind").is_in(["rejected", "auth", "error", "response", "token"])
        )
        .group_by("session")
        .agg(reason.str.join(" | ").alias("said"))
    )
    unbound = signs.filter((pl.col("kind") == "error") & session.is_null())
    # An error that names no connection is about the rejection of the same moment; one that names a
    # path, about that of this path.
    dated = unbound.filter(reason.is_not_null() & at.is_not_null()).sort("ts")
    named = dated.filter(pl.col("name").is_not_null())
    # Where there are no times, nothing else can be told of what belongs together.
    undated = stated(unbound.filter(at.is_null()), ID).select(
        undated=pl.col("text").str.join(" | ")
    )
    return (
        rejected.join(said, on="session", how="left")
        .sort("first")
        .join_asof(
            dated.filter(pl.col("name").is_null()).select("ts", unbound="reason"),
            left_on="first",
            right_on="ts",
            strategy="nearest",
            tolerance=SAME_MOMENT,
        )
        .join_asof(
            named.select("ts", named="reason", path="name", named_at=pl.concat_list(SPOT)),
            left_on="first",
            right_on="ts",
            by="path",
            strategy="nearest",
            tolerance=SAME_MOMENT,
            check_sortedness=False,
        )
        .join(undated, how="cross")
        .with_columns(
            text=pl.concat_str(
                *("rejection", "said", "unbound", "named"),
                pl.when(pl.col("first").is_null()).then("undated"),
                separator=" | ",
                ignore_nulls=True,
            )
        )
    )


def _told_alone(story: Story, rejections: pl.LazyFrame) -> pl.LazyFrame:
    """The lines that tell of a refusal, where nobody shows a rejected handshake."""
    # A client that tells of its failed handshakes tells of the refusals that others log.
    lived = pl.col("was_open") | (pl.col("age_s") >= LIVED_S).fill_null(False)
    unopened = story.connections.filter(~lived).select("session")
    elsewhere = (
        (pl.col("vantage") == "proxy") & pl.col("session").is_null() & pl.col("name").is_not_null()
    )
    spoken = story.signs.filter(
        pl.col("kind").is_in(["error", "auth"])
        | pl.col("kind").is_in(["close", "end"]) & pl.col("session").is_not_null()
    )
    # A proxy's line that names a path but no connection may be about any request.
    spoken = pl.concat(
        [
            spoken.filter(~elsewhere),
            spoken.filter(elsewhere).join(
                story.connections.select(name="path"), on="name", how="semi"
            ),
        ]
    )
    return (
        _told_once(stated(spoken, ID))
        .join(unopened.with_columns(unopened=True), on="session", how="left")
        .filter(pl.col("session").is_null() | pl.col("unopened"))
        .join(rejections.select(told=pl.len()), how="cross")
        .filter(pl.col("told") == 0)
        .join(_opened(story), how="cross")
        .with_columns(rejection="text", again=pl.lit(False), engine_io=pl.lit(False))
        .drop("told", "unopened")
    )


def _told_once(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Without what a second source of one vantage, as the console beside a HAR, tells again."""
    spot = pl.col("pointers").list.first().struct
    placed = lines.with_columns(
        _source=spot.field("source").cast(pl.String), _place=spot.field("vantage").cast(pl.String)
    )
    fullest = (
        placed.group_by("_place", "_source")
        .agg(_said=pl.len(), _tied=pl.col("session").count())
        .sort("_said", "_tied", "_source", descending=[True, True, False])
        .group_by("_place", maintain_order=True)
        .agg(_fullest=pl.col("_source").first())
    )
    placed = placed.join(fullest, on="_place", how="left").with_columns(
        _again=pl.col("_source") != pl.col("_fullest")
    )
    first = placed.filter(~pl.col("_again") & pl.col("started").is_not_null()).sort("started")
    return (
        placed.sort("started", nulls_last=True)
        .join_asof(
            first.select("_place", "started", _near="started"),
            on="started",
            by="_place",
            strategy="nearest",
            tolerance=SAME_MOMENT,
            check_sortedness=False,
        )
        .filter(~pl.col("_again") | pl.col("_near").is_null())
        .drop("_source", "_place", "_fullest", "_again", "_near")
    )
