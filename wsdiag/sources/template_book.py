"""The templates of one log: which are known, and which lines have been met often enough to learn.

To learn one takes as long as to read some hundred lines, so it is done for frequent ones only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock

import polars as pl

from wsdiag.sources import line_tokens
from wsdiag.sources.line_effect import LineEffects, State
from wsdiag.sources.line_template import Plan, Template, learned, planned
from wsdiag.sources.token_fills import Tokens

LEARN_AT = 300
"""Lines of a skeleton, before it is learned."""

PLAN_AT = 20
"""… of the same fixed tokens."""

_SAMPLE = 500
_MOST = 20_000
"""Skeletons that are counted: a log with more has other texts in most of its lines."""


class _Skeleton:
    def __init__(self) -> None:
        self.met = 0
        self.tried = False
        self.template: Template | None = None
        self.plans: dict[tuple[object, ...], Plan | None] = {}
        self.waiting: Counter[tuple[object, ...]] = Counter()


class TemplateBook:
    """What was learned of the lines of one log; blocks may ask at the same time."""

    def __init__(self, effects: LineEffects) -> None:
        self._effects = effects
        self._known: dict[tuple[State, str], _Skeleton] = {}
        self._lock = Lock()

    def template(self, state: State, skeleton: str, texts: pl.Series) -> Template | None:
        """How lines of a skeleton are read; None where that is not known."""
        with self._lock:
            known = self._known.get((state, skeleton))
            if known is None:
                if len(self._known) >= _MOST:
                    return None
                known = self._known[state, skeleton] = _Skeleton()
            known.met += len(texts)
            if known.tried or known.met < LEARN_AT:
                return known.template
            known.tried = True
            some = texts.gather_every(max(len(texts) // _SAMPLE, 1))
            found = some.str.extract_all(line_tokens.TOKEN).to_list()
            known.template = learned(skeleton, found, lambda line: self._effects.of(line, state))
            return known.template

    def plan(
        self, state: State, skeleton: str, key: tuple[object, ...], tokens: pl.DataFrame
    ) -> Plan | None:
        """How those of its lines are read that have these fixed tokens."""
        with self._lock:
            known = self._known[state, skeleton]
            if key in known.plans:
                return known.plans[key]
            known.waiting[key] += tokens.height
            if known.waiting[key] < PLAN_AT or not known.template:
                return None
            del known.waiting[key]
            seen: Sequence[Tokens] = tokens.gather_every(max(tokens.height // 10, 1)).rows()
            known.plans[key] = planned(
                known.template, seen, lambda line: self._effects.of(line, state)
            )
            return known.plans[key]
