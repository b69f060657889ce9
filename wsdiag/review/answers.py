"""How an optimisation is answered, so that each module only measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.review.proofs import proofs
from wsdiag.review.rates import rounded

SURE, LIKELY = 0.7, 0.6
"""Traffic shows what is used, not what is needed: nothing is surer."""


class Metric(NamedTuple):
    """What an optimisation is judged by."""

    id: str
    name: str
    threshold: float
    unit: str


def needed(
    metric: Metric,
    measured: float | None,
    why: str,
    saving: str,
    rows: pl.DataFrame,
    formats: Mapping[str, str],
    *,
    confidence: float = SURE,
    against: Sequence[str] = (),
) -> Optimisation:
    """The number is beyond its threshold; `rows` prove it."""
    return Optimisation(
        id=metric.id,
        verdict="needed",
        metric=metric.name,
        measured=rounded(measured),
        threshold=metric.threshold,
        unit=metric.unit,
        saving=saving,
        why=why,
        confidence=confidence,
        against=list(against),
        evidence=proofs(rows, formats),
    )


def not_needed(metric: Metric, measured: float | None, why: str) -> Optimisation:
    """The number is within its threshold."""
    return Optimisation(
        id=metric.id,
        verdict="not-needed",
        metric=metric.name,
        measured=rounded(measured),
        threshold=metric.threshold,
        unit=metric.unit,
        saving="",
        why=why,
        confidence=SURE,
        against=[],
        evidence=[],
    )


def not_decidable(metric: Metric, why: str) -> Optimisation:
    """The evidence does not show the number; `why` says what to collect."""
    return Optimisation(
        id=metric.id,
        verdict="not-decidable",
        metric=metric.name,
        measured=None,
        threshold=metric.threshold,
        unit=metric.unit,
        saving="",
        why=why,
        confidence=0.0,
        against=[],
        evidence=[],
    )


NO_MESSAGES = (
    "no message of the application can be read: collect a capture (with --keylog where it is TLS), "
    "a HAR, or a JSON log with payloads"
)
NOTHING_SENT = "the server sends no message of the application"
NO_HTTP = (
    "no plain HTTP is seen beside the socket: record a HAR of the page, or capture the API's port "
    "as well"
)
