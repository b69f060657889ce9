"""Connections that ended in a way nobody meant.

What it finds: ends without a Close frame, and Close frames whose code reports a fault.
Why it matters: this is what users call "it keeps disconnecting". It is a symptom: the cause stands
elsewhere in the report.
How it decides: on the wire, a FIN or RST with no Close frame before it, or the code in the first
Close frame; in logs, the code as said, with 1006 and "no close frame" as what they are: no Close
frame came. 1000, 1001 and an empty Close frame are polite; 1012 and a server's 1001 announce a
restart and are left to mass-close.
Ends that come right after one kind of message of the client's are marked: the message did it. So
are those of clients that had said nothing yet, where the server closed them at one age with a code
of its own and only clients that spoke lived longer.
What it cannot see: a 1005 that some servers log when the socket simply died is not counted, because
it may also be an empty Close frame.
"""

from __future__ import annotations

import polars as pl

from wsdiag import endings
from wsdiag.connections import (
    POLITE_CODES,
    RESTART_CODES,
    SENDERS,
    Story,
    counted,
    may_have_lived,
    number_of,
    with_room,
)
from wsdiag.finding import UNMEASURED, Severity, clause, commonest, counts, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import book, marks, tied, untied

ID = "abnormal-close"
TITLE = "Connections end abnormally"
NEEDS = (
    "no source tells how a connection ended: a capture, a server log with close codes or a client "
    "log does"
)

POLICY = 1008

IN_USE_S = 5.0
"""A connection that was silent for no longer than this was in use, whatever its pace."""

MORE = 2
"""So many times more connections lived on or ended politely: it is not the server."""

SOONEST_S, LATEST_S = 1.0, 30.0
"""An application waits at least so long for the first word, and less than any idle timer."""

AT_ONE_AGE_S = 0.5
"""A server's timer for the first word fires at ages that differ by no more."""

TRACEBACK_LINES = 100
"""The type of an exception stands at the end of its traceback, so far below its report at most."""

SAYS = {wording.mark: wording.pattern for wording in book() if wording.detector == ID}
HANDLER, TO_THE_GONE = SAYS["handler-failed"], SAYS["spoke-to-the-gone"]
_ON_PURPOSE = ("displaced", "ended-on-purpose", "auth-late", "application-unknown")
ON_PURPOSE = "(?i)" + "|".join(f"(?:{SAYS[mark][4:]})" for mark in _ON_PURPOSE)
AT_THE_EDGE = SAYS["edge-restarts"]


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many ends were seen."""
    told = pl.col("gone") & (pl.col("code").is_not_null() | pl.col("frameless"))
    ends = story.connections.filter(told & may_have_lived())
    return number_of(ends, "{} ends seen, each with a Close frame that means no fault")


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding for each close code, and one for the ends without a Close frame."""
    rows = _abnormal(story)
    who = commonest(pl.col("closed_by")).fill_null("unknown")
    by = counts(pl.col("closed_by").fill_null("unknown"), SENDERS)
    said = pl.col("reason").drop_nulls().first()
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.9,
        by=["code", "alone", "on_purpose"],
        message=pl.when(pl.col("alone").first())
        .then(pl.format("{} of a failed handler ({})", plural("report"), said))
        .when(pl.col("on_purpose").first())
        .then(
            pl.format(
                "{} ended on purpose{}, closed by: {}",
                plural("connection"),
                clause(' ("{}")', said),
                by,
            )
        )
        .when(pl.col("code").first().is_null())
        .then(pl.format("{} ended without a Close frame, ended by: {}", plural("connection"), by))
        .otherwise(
            pl.format(
                "{} closed with {}{}, closed by: {}",
                plural("connection"),
                pl.col("code").first(),
                clause(' "{}"', said),
                by,
            )
        ),
        traits=(
            *marks(ID, pl.concat_str("reason", "text", separator=" | ", ignore_nulls=True)),
            pl.when(~pl.col("alone").first()).then(
                pl.coalesce(
                    pl.format("code-{}", pl.col("code").first()),
                    pl.when(~pl.col("on_purpose").first()).then(pl.lit("no-close-frame")),
                )
            ),
            pl.when(~pl.col("alone").first()).then(pl.format("by-{}", who)),
            trait("reset", (pl.col("end_reason") == "rst").any()),
            trait("after-one-message", pl.col("trigger").is_not_null().sum() >= endings.REPEATED),
            trait("never-spoke", pl.col("never_spoke").fill_null(False).sum() >= endings.REPEATED),
            trait("in-use", pl.col("in_use").fill_null(False).all()),
            trait("others-well", (pl.col("well") >= MORE * pl.len()).all()),
        ),
    )


def _abnormal(story: Story) -> pl.LazyFrame:
    """The ends that nobody meant, and the reports of failed handlers that belong to none."""
    announced = pl.col("code").is_in([*POLITE_CODES, *RESTART_CODES])
    # Whether a Close frame said so is not told: a log has the reason without a code.
    on_purpose = (pl.col("code").is_null() & pl.col("reason").str.contains(ON_PURPOSE)).fill_null(
        value=False
    )
    abnormal = (
        pl.col("frameless")
        | (pl.col("code").is_not_null() & ~announced)
        | on_purpose
        | pl.col("reason").str.contains(AT_THE_EDGE).fill_null(False)
    )
    connections = with_room(story.connections).with_columns(well=_well_meanwhile())
    closed = counted(connections.filter(pl.col("gone") & abnormal & may_have_lived())).select(
        "session",
        "code",
        "closed_by",
        "reason",
        "end_reason",
        "well",
        # No longer silent than it had been before.
        in_use=(pl.col("idle_s") <= pl.max_horizontal("longest_gap_s", IN_USE_S)).fill_null(False),
        started="opened",
        ended=pl.coalesce("ended", "closed"),
        measured=UNMEASURED,
        pointers="closing",
        alone=pl.lit(False),
        on_purpose=on_purpose,
    )
    spoken = _own_failures(
        story.signs.filter(pl.col("kind").is_in(["error", "close", "end", "timeout"]))
    )
    alone = untied(closed, spoken, ID).filter(pl.col("text").str.contains(HANDLER))
    rows = pl.concat(
        [
            tied(closed, spoken, ID),
            alone.with_columns(reason="text", alone=pl.lit(True), on_purpose=pl.lit(False)),
        ],
        how="diagonal_relaxed",
    )
    return rows.join(_never_spoke(story), on="session", how="left", maintain_order="left").join(
        endings.triggers(story.events, story.connections),
        on="session",
        how="left",
        maintain_order="left",
    )


def _never_spoke(story: Story) -> pl.LazyFrame:
    """The connections that a server closed with a code of its own before they had said anything,
    all at one age that only those outlive that spoke."""
    over = pl.coalesce("ended", "closed", "last_seen")
    rows = counted(
        story.connections.filter(pl.col("was_open") & pl.col("idle_s").is_not_null())
    ).select(
        "session",
        "code",
        age=(over - pl.col("opened")).dt.total_microseconds() / 1e6,
        spoke=pl.col("messages_c2s") > 0,
        put_out=(
            (pl.col("closed_by") == "server")
            & ((pl.col("code") >= 3000) | (pl.col("code") == POLICY))
            & (pl.col("messages_c2s") == 0)
        ).fill_null(value=False),
    )
    age, outlived = pl.col("age"), pl.col("age").max() + AT_ONE_AGE_S
    out = (
        rows.filter("put_out")
        .group_by("code")
        .agg("session", least=age.min(), most=age.max(), bound=outlived)
    )
    longest = rows.select(
        talked=age.filter("spoke").max(), silent=age.filter(~pl.col("spoke")).max()
    )
    return (
        out.join(longest, how="cross")
        .filter(
            pl.col("least").is_between(SOONEST_S, LATEST_S)
            & (pl.col("most") - pl.col("least") <= AT_ONE_AGE_S)
            & (pl.col("talked") > pl.col("bound"))
            & (pl.col("silent") <= pl.col("bound"))
        )
        .select(pl.col("session").alias("session"), never_spoke=True)
        .explode("session")
    )


def _own_failures(spoken: pl.LazyFrame) -> pl.LazyFrame:
    """Without reports of a handler whose exception only says that the connection had ended.

    A handler that still sends or waits when the client leaves is told so by an exception: the end
    is what made it, and not the other way round.
    """
    text = pl.concat_str("name", "reason", separator=" ", ignore_nulls=True)
    told = spoken.with_columns(
        _report=pl.col("reason").str.contains(HANDLER).fill_null(value=False),
        _late=text.str.contains(TO_THE_GONE).fill_null(value=False),
    )
    echoes = (
        told.filter(pl.col("_report") | pl.col("_late"))
        .sort("source", "pos")
        .filter(
            pl.col("_report")
            & pl.col("_late").shift(-1).over("source")
            & (pl.col("pos").shift(-1).over("source") - pl.col("pos") <= TRACEBACK_LINES)
        )
        .select("source", "pos")
    )
    return told.join(echoes, on=["source", "pos"], how="anti").drop("_report", "_late")


def _well_meanwhile() -> pl.Expr:
    """How many connections were open when this one ended, and lived on or ended politely."""
    moment, over = pl.coalesce("ended", "closed"), pl.coalesce("ended", "closed", "last_seen")
    well = (pl.col("live") | pl.col("code").is_in(POLITE_CODES)).fill_null(value=False)
    begun, gone = pl.col("opened").filter(well), over.filter(well)
    before = begun.drop_nulls().sort().search_sorted(moment, side="right").cast(pl.Int64)
    return before - gone.drop_nulls().sort().search_sorted(moment, side="right").cast(pl.Int64)
