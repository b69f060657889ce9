"""The templates of logs: which are known, and which lines have been met often enough to learn.

To learn one takes as long as to read some hundred lines, so it is done for frequent ones only, and
what one log taught serves for those that are read after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock

import polars as pl

from wsdiag import redact
from wsdiag.sources.line_by_line.effect import LineEffects, State
from wsdiag.sources.templates import line_tokens, shared_book
from wsdiag.sources.templates.line_template import Plan, Template, learned, planned
from wsdiag.sources.templates.token_fills import Tokens

LEARN_AT = 300
"""Lines of a skeleton, before it is learned."""

PLAN_AT = 20
"""… of the same fixed tokens."""

_TRIES = 3
_SAMPLE = 300
_MOST = 5_000
"""Skeletons that are counted before those of which few were met are forgotten."""


_Key = tuple[str, tuple[object, ...]]
"""A template's pattern, and the tokens that must stand as they are."""


class _Skeleton:
    def __init__(self) -> None:
        self.met = self.missed = self.tried = 0
        self.seen: list[Tokens] = []
        self.template: Template | None = None
        self.plans: dict[_Key, Plan | None] = {}
        self.waiting: Counter[_Key] = Counter()


class TemplateBook:
    """What was learned of lines; blocks may ask at the same time."""

    def __init__(self, effects: LineEffects) -> None:
        self._effects = effects
        self._known: dict[tuple[State, str], _Skeleton] = {}
        self._states: set[State] = set()
        self._lock = Lock()

    def knows(self, state: State) -> bool:
        """True where something was learned of lines in such a state."""
        return state in self._states

    def template(
        self, state: State, skeleton: str, count: int, texts: Callable[[], pl.Series]
    ) -> Template | None:
        """How lines of a skeleton are read, of which so many more were met; None where that is
        not known."""
        with self._lock:
            known = self._known.get((state, skeleton))
            if known is None:
                if len(self._known) >= _MOST:
                    self._known = {name: one for name, one in self._known.items() if one.tried}
                known = self._known[state, skeleton] = _Skeleton()
            known.met += count
            if not known.tried and known.met >= LEARN_AT:
                self._learn(known, state, skeleton, texts())
            return known.template

    def missed(self, state: State, skeleton: str, texts: pl.Series) -> None:
        """Lines were met whose tokens have forms that the template does not know."""
        with self._lock:
            known = self._known[state, skeleton]
            known.missed += len(texts)
            if known.missed >= LEARN_AT and known.tried < _TRIES:
                known.missed = 0
                self._learn(known, state, skeleton, texts)

    def _learn(self, known: _Skeleton, state: State, skeleton: str, texts: pl.Series) -> None:
        known.tried += 1
        if redact.has_own_patterns():
            return  # which tokens they hide cannot be told by trying a few
        some = texts.gather_every(max(len(texts) // _SAMPLE, 1))
        known.seen += some.str.extract_all(line_tokens.TOKEN).to_list()
        template = learned(skeleton, known.seen, lambda line: self._effects.of(line, state))
        if template:
            ends = self._effects.ends_traceback(template.line(known.seen[0]), state)
            known.template = template._replace(ends_traceback=ends)
            self._states.add(state)

    def plan(
        self,
        state: State,
        skeleton: str,
        template: Template,
        fixed: tuple[object, ...],
        count: int,
        sample: Callable[[], Sequence[Tokens]],
    ) -> Plan | None:
        """How those of its lines are read that have these fixed tokens.

        `count` of them were met; `sample` gives the tokens of some.
        """
        key = template.pattern, fixed
        with self._lock:
            known = self._known[state, skeleton]
            if key in known.plans:
                return known.plans[key]
            known.waiting[key] += count
            if known.waiting[key] < PLAN_AT:
                return None
            del known.waiting[key]
            plan = planned(template, sample(), lambda line: self._effects.of(line, state))
            known.plans[key] = plan
            return plan


def opened(effects: LineEffects) -> TemplateBook:
    """The book for a log: where it is shared, the one that was opened for the first."""
    return shared_book.opened(lambda: TemplateBook(effects))
