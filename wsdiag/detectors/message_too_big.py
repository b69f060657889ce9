"""Messages larger than the receiver allows.

What it finds: connections closed with 1009, or a server or client saying that a message was too
big.
Why it matters: the sender usually reconnects and sends the same message again, for ever.
How it decides: the code 1009 (RFC 6455 section 7.4.1) or the library's own sentence. Whoever
sends the Close owns the limit.
What it cannot see: a limit enforced by dropping the connection without a code or a log line.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, counted, may_have_lived, number_of
from wsdiag.finding import SPOT, Severity, clause, commonest, flag, plural
from wsdiag.targets import Targets
from wsdiag.wordings import told_alone

ID = "message-too-big"
TITLE = "A message exceeds the receiver's limit"
NEEDS = (
    "no close codes and no error texts in the evidence: a capture or a server log with close codes "
    "has them"
)

_SAID = (
    "(?i)max payload size exceeded|payloadtoobig|max(imum)? frame length|too big message"
    "|message (is )?too (big|large)|message too long: \\d+ > \\d+"
    "|frame size of .* exceeds|exceeds maximum (accepted )?frame size|frame with \\d+ bytes"
    "|WS_ERR_UNSUPPORTED_MESSAGE_LENGTH|read limit exceeded|read limited at \\d+ bytes"
    "|exceeds limit of \\d+ bytes|over size limit|message size \\S+ exceeds|maximum message size of"
    "|no async message support and buffer too small|maximum (message )?payload (exceeded|violation)"
)


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections had a code."""
    coded = pl.col("gone") & (pl.col("code").is_not_null() | pl.col("frameless"))
    return number_of(
        story.connections.filter(coded & may_have_lived()), "{} ends seen, none with 1009"
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all connections concerned."""
    said = (
        story.signs.filter(pl.col("reason").str.contains(_SAID))
        .group_by("session")
        .agg(pl.col("reason").first().alias("said"), SPOT.head(1).alias("saying"))
        .filter(pl.col("session").is_not_null())
    )
    # Not filtered: that would copy nearly all rows of a capture.
    size = pl.when(pl.col("kind") == "message").then("bytes")
    biggest = story.events.group_by("session").agg(size.max().alias("biggest"))
    rows = (
        story.connections.join(said, on="session", how="left")
        .filter((pl.col("code") == 1009).fill_null(False) | pl.col("said").is_not_null())
        .pipe(counted)
        .join(biggest, on="session", how="left")
        .select(
            "session",
            "closed_by",
            started=pl.coalesce("opened", "first"),
            ended=pl.coalesce("ended", "closed", "first"),
            measured="biggest",
            reason=pl.coalesce("reason", "said"),
            pointers=pl.when(pl.col("closing").list.len() > 0)
            .then("closing")
            .otherwise(pl.coalesce("saying", "opening")),
        )
    )
    alone = told_alone(story.signs, pl.col("reason").str.contains(_SAID), rows).drop("bytes")
    rows = pl.concat([rows, alone], how="diagonal_relaxed")
    text = pl.col("reason").drop_nulls().first()
    who = commonest(pl.col("closed_by"))
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.95,
        message=pl.format(
            "{} ended because a message was too big{}{}",
            plural("connection"),
            clause(' ("{}")', text),
            clause("; the limit is the {}'s", who, where=who.is_in(["client", "server"])),
        ),
        traits=(pl.format("limit-of-{}", who),),
        unit="bytes",
    )
