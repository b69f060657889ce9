"""How an optimisation is answered, so that each module only measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import polars as pl

from wsdiag.advice import Judgement, Optimisation
from wsdiag.review.proofs import proofs
from wsdiag.review.rates import rounded
from wsdiag.review.traffic import Traffic

SURE, LIKELY = 0.7, 0.6
"""Traffic shows what is used, not what is needed: nothing is surer."""


class Metric(NamedTuple):
    """What an optimisation is judged by."""

    id: str
    name: str
    threshold: float
    unit: str


NO_MESSAGES = (
    "no message of the application can be read: collect a capture (with --keylog where it is TLS), "
    "a HAR, or a JSON log with payloads"
)
QUIETER = "it is the number of the time that was seen: at a busier hour it may be another"
NOTHING_SENT = "the server sends no message of the application"
BY_NAME = (
    "a GET counts as following where its URL names what the message is about, or where it nearly "
    "always comes after one"
)
NO_HTTP = (
    "no plain HTTP is seen beside the socket: record a HAR of the page, or capture the API's port "
    "as well"
)


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
    return msgspec.structs.replace(
        _answer(metric, "needed", measured, why, confidence),
        saving=saving,
        against=list(against),
        evidence=proofs(rows, formats),
    )


def not_needed(
    metric: Metric,
    measured: float | None,
    why: str,
    rows: pl.DataFrame,
    formats: Mapping[str, str],
    *,
    against: Sequence[str] = (),
) -> Optimisation:
    """The number is within its threshold; `rows` are what it was measured on."""
    return msgspec.structs.replace(
        _answer(metric, "not-needed", measured, why, SURE),
        against=list(against),
        evidence=proofs(rows, formats),
    )


def not_decidable(metric: Metric, why: str) -> Optimisation:
    """The evidence does not show the number; `why` says what to collect."""
    return _answer(metric, "not-decidable", None, why, 0.0)


def nothing_sent(metric: Metric, of: Traffic) -> Optimisation | None:
    """The answer where the server sends nothing that could be judged; None where it does."""
    if of.messages.is_empty():
        return not_decidable(metric, NO_MESSAGES)
    return nothing_measured(metric, of, NOTHING_SENT) if of.down.is_empty() else None


def nothing_measured(metric: Metric, of: Traffic, why: str) -> Optimisation:
    """Nothing is there that the number could be large of; what was seen instead is the proof."""
    return not_needed(metric, None, why, of.messages, of.formats)


def nothing_fetched(
    metric: Metric, of: Traffic, refetched: pl.DataFrame, measured: float | None, why: str
) -> Optimisation | None:
    """The answer where no GET follows a message (`measured`, `why`), or none could be seen."""
    if (blank := nothing_sent(metric, of)) is not None:
        return blank
    if not of.fetches["is_data"].any():  # pages and pictures say nothing of an API elsewhere
        return not_decidable(metric, NO_HTTP)
    if refetched.is_empty():
        return not_needed(metric, measured, why, of.fetches, of.formats, against=[BY_NAME])
    return None


def _answer(
    metric: Metric, verdict: Judgement, measured: float | None, why: str, confidence: float
) -> Optimisation:
    return Optimisation(
        id=metric.id,
        verdict=verdict,
        metric=metric.name,
        measured=rounded(measured),
        threshold=metric.threshold,
        unit=metric.unit,
        saving="",
        why=why,
        confidence=confidence,
        against=[],
        evidence=[],
    )
