"""Credentials that expire while they are in use, or are used again after they expired.

What it finds: connections that the server ended at their token's expiry, and handshakes that
carry a token past its expiry.
Why it matters: users are thrown out on a clock that nobody sees, and a client that reconnects
with the same token can never succeed.
How it decides: the expiry is read from the JWT in the handshake or from the log; the end must
fall within the skew around it. A server's own words ("token expired") and the codes 4401 and 3005
count too. A token that is past its expiry at connect is another fault than one that expires
later.
What it cannot see: the expiry of an opaque token, unless a log states it.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from wsdiag.connections import AUTH_CODES, Story, counted, number_of
from wsdiag.finding import SPOT, Severity, clause, commonest, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import named

ID = "token-expiry"
TITLE = "A token expires"
NEEDS = (
    "no credential with a readable expiry and no auth close code in the evidence: log the token's "
    "expiry at connect (never the token), or capture the handshake"
)

EARLY, LATE = pl.duration(seconds=2), pl.duration(seconds=6)
"""Around the expiry: servers check on a timer, and clocks are some seconds apart."""

RIGHT_AFTER, LONGEST = timedelta(seconds=2), timedelta(seconds=600)
"""A refusal belongs to an expiry before it: as far as clocks may be apart, and no later than any
library waits between two tries."""

EXPIRED_IN_USE = 3005
"""Centrifugo: the connection's own credential expired, so it had been accepted."""

_LAPSED = "(token|jwt|session|credential|ticket|auth)\\w*.{0,12}\\b(lapsed|(ran|has run|is) out)\\b"
_SAID = f"(?i)expired|{_LAPSED}"
_SAYS_EXPIRED = (
    f"(?i){_LAPSED}|(token|jwt|ticket|session|credential|signature|auth|connection)\\w*.{{0,24}}expired"
    "|expired.{0,16}(token|jwt|credential|session)|TokenExpired|SessionExpired"
)
_CLOSING = "(?i)shut(ting)? down|clos(ing|ed)|disconnect|terminat|kick|evict|end(ed|ing)\\b"
"""Of what was there before: nobody closes what he did not let in."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections have a known expiry."""
    known = pl.col("expires").is_not_null() | pl.col("code").is_in(AUTH_CODES).fill_null(False)
    return number_of(
        story.connections.filter(known),
        "{} connections with a known token expiry, none ended by it",
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding for expiry in mid-connection, one for expired tokens at connect."""
    rows = _concerned(story)
    code = commonest(pl.coalesce("code", "status"))
    with_code = clause(" ({})", code)
    midstream = pl.col("where").first() == "midstream"
    worn = (pl.col("token").is_not_null() & (pl.col("token").is_duplicated())).any()
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=pl.when(pl.col("_at_exp").any() | pl.col("stale").any())
        .then(0.95)
        .when(pl.col("said").any())
        .then(0.9)
        .otherwise(0.7),
        by=["where"],
        message=pl.when(midstream)
        .then(pl.format("{} closed when their token expired{}", plural("connection"), with_code))
        .otherwise(
            pl.format("{} with a token that had already expired{}", plural("handshake"), with_code)
        ),
        traits=(
            pl.col("where").first(),
            trait("at-exp", pl.col("_at_exp").any()),
            trait("said", pl.col("said").any()),
            trait("auth-code", pl.col("coded").any()),
            trait("past-exp", pl.col("stale").any()),
            trait("refused-after", midstream & pl.col("refused_after").any()),
            trait("same-token-again", worn & ~midstream),
            trait("repeated", ~midstream & (pl.len() >= 3)),
        ),
        unit="s",
    )


def _concerned(story: Story) -> pl.LazyFrame:
    """The connections that an expiry ended, or kept from opening."""
    begun = pl.coalesce("opened", "attempted", "first")
    # A code alone, of a connection that began who knows when, tells of no expiry.
    start_known = pl.col("was_open") | pl.col("attempted").is_not_null()
    said_here = pl.col("said").is_not_null()
    stale = (pl.col("expires") < begun).fill_null(False) & _failed_early()
    rows = (
        story.connections.join(_said(story.signs), on="session", how="left")
        .with_columns(
            _at_connect=stale | (said_here & _failed_early()), _at_exp=_at_expiry() & ~stale
        )
        .filter(
            pl.col("_at_connect")
            | pl.col("_at_exp")
            | said_here
            | (_coded() & pl.col("gone") & start_known)
        )
        .pipe(counted)
        .select(
            "session",
            "token",
            "code",
            "status",
            "client",
            "_at_exp",
            where=pl.when("_at_connect").then(pl.lit("at-connect")).otherwise(pl.lit("midstream")),
            said=said_here | pl.col("reason").str.contains(_SAID).fill_null(False),
            stale=stale,
            coded=_coded(),
            started=pl.coalesce("opened", "first"),
            ended=pl.coalesce("closed", "ended", "first"),
            measured=pl.when("_at_connect")
            .then((begun - pl.col("expires")).dt.total_microseconds() / 1e6)
            .otherwise("age_s"),
            pointers=pl.when(pl.col("closing").list.len() > 0)
            .then("closing")
            .when(pl.col("opening").list.len() > 0)
            .then("opening")
            .otherwise(pl.col("said_at").fill_null([])),
        )
    )
    return _refused_after(rows, story)


def _said(events: pl.LazyFrame) -> pl.LazyFrame:
    """The connections of which a log says that their credential expired: session, said, said_at."""
    says_so = named("expired-said").own(pl.col("reason")).str.contains(_SAYS_EXPIRED)
    return (
        events.filter(pl.col("session").is_not_null() & says_so)
        .group_by("session")
        .agg(
            pl.len().alias("said"),
            SPOT.head(2).alias("said_at"),
            ending=pl.col("reason").str.contains(_CLOSING).any(),
        )
    )


def _at_expiry() -> pl.Expr:
    """Whether the connection ended when its credential expired, and not of the client's will."""
    moment, begun = pl.coalesce("closed", "ended"), pl.coalesce("opened", "attempted", "first")
    return (
        pl.col("gone")
        & moment.is_between(pl.col("expires") - EARLY, pl.col("expires") + LATE)
        & (pl.col("expires") > begun)
        & ~(pl.col("close_dir") == "c2s").fill_null(False)
        & pl.col("closed_by").is_in(["server", "unknown"])
        & ~(pl.col("code").is_in([1001, 1012]).fill_null(False))
    ).fill_null(False)


def _failed_early() -> pl.Expr:
    """Whether a credential was refused at the handshake or right behind it."""
    moment, begun = pl.coalesce("closed", "ended"), pl.coalesce("opened", "attempted", "first")
    begin_known = pl.col("was_open") | pl.col("attempted").is_not_null()
    blamed = pl.col("code").is_in([*AUTH_CODES, 1008, 4001, 4403]).fill_null(False)
    return pl.col("status").is_in([401, 403]).fill_null(False) | (
        (blamed | pl.col("said").is_not_null())
        & (moment - begun < pl.duration(seconds=2)).fill_null(True)
        & (pl.col("age_s") < 2).fill_null(True)  # as the log states it, whose beginning is missing
        & ~(pl.col("code") == EXPIRED_IN_USE).fill_null(False)
        & ~(pl.col("ending").fill_null(False) & ~begin_known)
    )


def _coded() -> pl.Expr:
    """A code of credentials. A client that closes with one refuses something of the server's."""
    coded = pl.col("code").is_in(AUTH_CODES).fill_null(False)
    return coded & (pl.col("closed_by") != "client").fill_null(True)


def _refused_after(rows: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """The rows, and whether a handshake was `refused_after` their end by 401 or 403: of the same
    client where both are known."""
    refused = (
        story.connections.filter(pl.col("status").is_in([401, 403]))
        .select("client", at=pl.coalesce("attempted", "first"))
        .filter(pl.col("at").is_not_null())
        .sort("at")
    )
    known = pl.col("client").is_not_null()
    placed = rows.with_columns(_since=pl.col("ended") - RIGHT_AFTER).sort("_since")
    for name, some, by in (
        ("_same", refused.filter(known), "client"),
        ("_nobody", refused.filter(~known), None),
        ("_any", refused, None),
    ):
        placed = placed.join_asof(
            some.select("at", *(["client"] if by else [])).rename({"at": name}),
            left_on="_since",
            right_on=name,
            by=by,
            strategy="forward",
            tolerance=LONGEST,
            coalesce=False,
            check_sortedness=False,
        )
    anybody = ~known & pl.col("_any").is_not_null()
    return placed.with_columns(
        refused_after=pl.col("_same").is_not_null() | pl.col("_nobody").is_not_null() | anybody
    ).drop("_since", "_same", "_nobody", "_any")
