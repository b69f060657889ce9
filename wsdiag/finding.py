"""What a detector says: a fault, how bad, how sure, and where the proof stands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
import polars as pl

MAX_EVIDENCE = 8
"""Pointers kept per finding; `count` says how many there were."""

MAX_POINTERS_EACH = 3
"""Pointers kept per connection, so that a finding cites several connections."""


class Severity(StrEnum):
    """How much it hurts: an error breaks connections, a warning misses a target."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(StrEnum):
    """The word for a confidence number, so that a reader need not know the scale."""

    CONFIRMED = "confirmed"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    WEAK = "weak"

    @classmethod
    def of(cls, number: float) -> Confidence:
        """Confirmed from 0.90, probable from 0.70, possible from 0.40, else weak."""
        if number >= 0.90:
            return cls.CONFIRMED
        if number >= 0.70:
            return cls.PROBABLE
        return cls.POSSIBLE if number >= 0.40 else cls.WEAK


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One proof pointer, with the redacted text that stands there."""

    source: str
    pos: int
    ts: datetime | None
    vantage: str
    excerpt: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, folded over all connections that show it in the same way."""

    id: str
    detector: str
    severity: Severity
    confidence: float
    subject: str
    started: datetime | None
    ended: datetime | None
    count: int
    measured: float | None
    target: float | None
    unit: str
    message: str
    evidence: list[Evidence]


POINTER: pl.DataType = pl.Struct(
    {"source": pl.String, "pos": pl.Int64, "ts": pl.Datetime("us", "UTC"), "vantage": pl.String}
)

SPOT: pl.Expr = pl.struct("source", "pos", "ts", pl.col("vantage").cast(pl.String)).cast(POINTER)
"""The proof pointer of an event's row."""

POINTERS: pl.Expr = pl.col("pointers")
"""The proof pointers of a row that has them already."""

UNMEASURED: pl.Expr = pl.lit(None, dtype=pl.Float64)
"""The figure of a row that has none."""

FINDINGS = pl.Schema(
    {
        "detector": pl.String(),
        "severity": pl.String(),
        "confidence": pl.Float64(),
        "subject": pl.String(),  # a session, or "fleet"
        "started": pl.Datetime("us", "UTC"),
        "ended": pl.Datetime("us", "UTC"),
        "count": pl.Int64(),
        "measured": pl.Float64(),
        "target": pl.Float64(),
        "unit": pl.String(),  # ms, s, or empty
        "message": pl.String(),
        "traits": pl.List(pl.String()),  # marks that the causes' `when` clauses ask for
        "sessions": pl.List(pl.String()),  # every connection concerned
        "evidence": pl.List(POINTER),
    }
)
"""Columns of the FINDINGS frame that detectors return."""

MOST = 0.5
"""What is said of all that a finding is of holds for so large a part of it, at least."""


def fingerprint(detector: str, subject: str, started: datetime | None, alike: int = 0) -> str:
    """Name a finding so that the same fault has the same id on any day and any engine.

    `alike` counts the findings before it that would have the same name.
    """
    window = started.replace(microsecond=0).isoformat() if started else "-"
    window += f"#{alike}" if alike else ""
    return hashlib.sha256(f"{detector}\0{subject}\0{window}".encode()).hexdigest()[:12]


def flag(
    rows: pl.LazyFrame,
    *,
    detector: str,
    severity: Severity,
    confidence: float | pl.Expr,
    message: pl.Expr,
    by: Sequence[str] = (),
    traits: Sequence[pl.Expr] = (),
    target: float | None = None,
    unit: str = "",
    measured: pl.Expr | None = None,
) -> pl.LazyFrame:
    """Fold flagged rows, one per connection, into FINDINGS: one finding per group of `by`.

    `rows` carries session, started, ended, measured and pointers (List of POINTER), and what
    `message`, `traits` and `by` use. `message` and `traits` are aggregations over a group and may
    use `pl.len()`; a trait is a string expression, null where it does not hold. `measured` is the
    group's figure, by default its largest. The worst rows give the evidence.
    """
    figure = pl.col("measured").max() if measured is None else measured
    certain = confidence if isinstance(confidence, pl.Expr) else pl.lit(confidence)
    marks = [t.cast(pl.String).alias(f"_trait{i}") for i, t in enumerate(traits)]
    names = [f"_trait{i}" for i in range(len(marks))]
    proof = pl.col("pointers").list.first().struct
    first_proof = (proof.field("source"), proof.field("pos"))
    return (
        rows.with_columns(_all=pl.lit(0))
        .sort("started", "ended", *first_proof, "session", nulls_last=True, maintain_order=True)
        .group_by("_all", *by, maintain_order=True)
        .agg(
            pl.lit(detector).alias("detector"),
            pl.lit(severity.value).alias("severity"),
            certain.cast(pl.Float64).alias("confidence"),
            pl.when(pl.col("session").n_unique() == 1)
            .then(pl.col("session").first().fill_null("fleet"))
            .otherwise(pl.lit("fleet"))
            .alias("subject"),
            pl.col("started").min(),
            pl.col("ended").max(),
            pl.len().cast(pl.Int64).alias("count"),
            figure.cast(pl.Float64).alias("measured"),
            pl.lit(target, dtype=pl.Float64).alias("target"),
            pl.lit(unit).alias("unit"),
            message.alias("message"),
            pl.col("session").drop_nulls().unique(maintain_order=True).alias("sessions"),
            pl.col("pointers")
            .sort_by("measured", descending=True, nulls_last=True, maintain_order=True)
            .list.head(MAX_POINTERS_EACH)
            .explode()
            .drop_nulls()
            .unique(maintain_order=True)
            .head(MAX_EVIDENCE)
            .alias("evidence"),
            *marks,
        )
        .with_columns(
            traits=pl.concat_list(names).list.drop_nulls()
            if names
            else pl.lit([], dtype=pl.List(pl.String))
        )
        .select(pl.col(name).cast(dtype) for name, dtype in FINDINGS.items())
    )


def plural(noun: str, number: pl.Expr | None = None) -> pl.Expr:
    """`1 connection`, `12 connections`: how many rows there are, or `number`, in words."""
    count = pl.len() if number is None else number
    return pl.format(
        f"{{}} {noun}{{}}", count, pl.when(count == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    )


def clause(words: str, *values: pl.Expr, where: pl.Expr | None = None) -> pl.Expr:
    """A part of a message: `words` with these values in them; empty where one of them is unknown,
    or where `where` does not hold."""
    said = pl.format(words, *values) if values else pl.lit(words)
    return (said if where is None else pl.when(where).then(said)).fill_null("")


def trait(name: str, holds: pl.Expr) -> pl.Expr:
    """The mark that the causes ask for by this name, null where it does not hold."""
    return pl.when(holds).then(pl.lit(name))


def commonest(value: pl.Expr) -> pl.Expr:
    """What most rows have that have any; of those as common the first in order."""
    return value.drop_nulls().mode().sort().first()


def counts(value: pl.Expr, among: Sequence[str]) -> pl.Expr:
    """`client` where all rows have it, else `client ×2, server ×1`: an aggregation."""
    each = (
        pl.when((value == one).any()).then(pl.format(f"{one} ×{{}}", (value == one).sum()))
        for one in among
    )
    return (
        pl.when(value.n_unique() == 1)
        .then(value.first())
        .otherwise(pl.concat_str(*each, separator=", ", ignore_nulls=True))
    )
