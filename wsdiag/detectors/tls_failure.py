"""TLS that does not come about.

What it finds: fatal TLS alerts on the wire, and certificate and handshake errors that a client,
server or proxy states.
Why it matters: no HTTP and no WebSocket exists yet, so application logs are silent and a browser
shows only 1006.
How it decides: by the number of the alert (RFC 8446 section 6) and who sent it, which is who
objects, or by the text of the error.
What it cannot see: a middlebox that resets the connection without an alert.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, number_of, was_tried
from wsdiag.finding import SPOT, UNMEASURED, Severity, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import marks, stated

ID = "tls-failure"
TITLE = "TLS fails before the handshake"
NEEDS = (
    "no TLS in the evidence: a capture shows alerts, and the client's or the proxy's error log "
    "names certificates"
)

ALERTS = {
    40: "no-common-version",
    42: "certificate-untrusted",
    43: "certificate-untrusted",
    44: "certificate-untrusted",
    45: "certificate-expired",
    46: "certificate-untrusted",
    48: "certificate-untrusted",
    49: "client-certificate",
    70: "no-common-version",
    71: "no-common-version",
    112: "certificate-name",
    116: "client-certificate",
    120: "no-common-version",
}
"""Fatal alerts by what they object to (RFC 8446 section 6.2); 0 is the polite close_notify."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections came through, or were tried."""
    return number_of(
        story.connections.filter(was_tried()), "{} attempts seen, none with a TLS error"
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all failures."""
    alert = pl.col("code").replace_strict(ALERTS, default=None, return_dtype=pl.String)
    alerts = (
        story.signs.filter((pl.col("kind") == "tls_alert") & pl.col("code").is_in(list(ALERTS)))
        .with_columns(
            objects=pl.when(pl.col("dir") == "c2s")
            .then(pl.lit("client"))
            .otherwise(pl.lit("server"))
        )
        .group_by("session", maintain_order=True)
        .agg(
            pl.format("TLS alert {}", pl.col("code").first()).alias("text"),
            alert.first().alias("alert"),
            pl.col("objects").first(),
            pl.col("ts").min().alias("started"),
            pl.col("ts").max().alias("ended"),
            UNMEASURED.alias("measured"),
            SPOT.head(3).alias("pointers"),
        )
    )
    told = stated(story.signs, ID).with_columns(
        alert=pl.lit(None, dtype=pl.String), objects=pl.lit(None, dtype=pl.String)
    )
    rows = pl.concat([alerts, told.select(alerts.collect_schema().names())])
    text, whose = pl.col("text").drop_nulls().first(), pl.col("objects").drop_nulls().mode().first()
    return flag(
        rows,
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.95,
        message=pl.format("{} failed in TLS ({})", plural("attempt"), text),
        traits=(
            *marks(ID, pl.col("text")),
            *(
                trait(mark, (pl.col("alert") == mark).any())
                for mark in sorted(set(ALERTS.values()))
            ),
            trait("alert", pl.col("alert").is_not_null().any()),
            pl.format("objection-of-{}", whose),
        ),
    )
