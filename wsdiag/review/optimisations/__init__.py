"""The optimisations, each judged by its metric: one module for one, `judge(of, refetched, limits)`.

None is advised from taste: `needed` stands on a number beyond its threshold, `not-decidable` says
what to collect.
"""

from __future__ import annotations

from typing import Protocol

import polars as pl

from wsdiag.advice import Optimisation
from wsdiag.limits import Limits
from wsdiag.review.optimisations import (
    batching,
    compression,
    debounce,
    delta,
    direct_update,
    memory_per_subscription,
    selective_subscription,
    throttle,
)
from wsdiag.review.traffic import Traffic


class Question(Protocol):
    """What every module here offers."""

    ID: str

    def judge(self, of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Optimisation:
        """The verdict with its number."""


DEBOUNCE: Question = debounce
DIRECT_UPDATE: Question = direct_update
BATCHING: Question = batching
SELECTIVE_SUBSCRIPTION: Question = selective_subscription
COMPRESSION: Question = compression
DELTA: Question = delta
THROTTLE: Question = throttle
MEMORY: Question = memory_per_subscription

QUESTIONS: tuple[Question, ...] = (
    DEBOUNCE,
    DIRECT_UPDATE,
    BATCHING,
    SELECTIVE_SUBSCRIPTION,
    COMPRESSION,
    DELTA,
    THROTTLE,
    MEMORY,
)


def judge(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> list[Optimisation]:
    """All of them."""
    return [question.judge(of, refetched, limits) for question in QUESTIONS]
