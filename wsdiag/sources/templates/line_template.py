"""Learn from one line how the lines of the same skeleton are read, by changing its tokens.

A token without effect is free. One that only moves a value of a row, in a way that
`token_fills.py` knows, is filled in. Any other – a close code, a status, a word – must stand as it
does in the line that was read. What was so learned must then hold of other lines of the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count, islice
from typing import NamedTuple

from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.line import stamps
from wsdiag.sources.line_by_line.effect import Effect, Told
from wsdiag.sources.templates import line_tokens, token_fills
from wsdiag.sources.templates.token_fills import Fill, Tokens

Read = Callable[[str], Effect | None]
"""The effect of a line that is read alone."""

_ANY = "[0-9A-Za-z_.:/+-]+"
_MAX_TOKENS = 24
_MAX_FORMS = 8
_MAX_READS = 600
"""Readings of a line, changed each time, before it is given up."""

_PROVED = 6
"""Lines on which what was learned must hold."""

_MAX_ROWS = 4


class RowPlan(NamedTuple):
    """One row: what all lines have, and what is made of their tokens."""

    fixed: Row
    fills: dict[str, Fill]


class Plan(NamedTuple):
    """How lines are read that have the same tokens where these must stand as they are."""

    rows: tuple[RowPlan, ...]
    told: Told


class Template(NamedTuple):
    """Lines of one skeleton.

    `pattern` matches those whose tokens have a form that was tried, `stamp` is the token with the
    time, `fixed` those that must stand as they are, `ids` those that may be ids, each with a
    pattern of the numbers that it may be instead; `samples` has a token of each form that the
    others may have. `ends_traceback`: what stands behind such a line belongs to no traceback before
    it.
    """

    parts: tuple[str, ...]
    pattern: str
    stamp: int
    fixed: tuple[int, ...]
    ids: dict[int, str]
    samples: dict[int, tuple[str, ...]]
    ends_traceback: bool = False

    def line(self, tokens: Tokens) -> str:
        """A line with these tokens."""
        return "".join(a + b for a, b in zip(self.parts, [*tokens, ""], strict=True))


def learned(skeleton: str, seen: Sequence[Tokens], read: Read) -> Template | None:
    """What is known of a skeleton's lines; None where their reading follows no such rule.

    `seen` are the tokens of some of them.
    """
    parts = tuple(skeleton.split(line_tokens.MARK))
    first, read = seen[0], _not_for_ever(read)
    bare = Template(parts, "", 0, (), {}, {})
    base = read(bare.line(first)) if len(first) <= _MAX_TOKENS else None
    if base is None or len(base.rows) > _MAX_ROWS:
        return None
    trial = _Trial(bare, first, base, read)
    stamp = trial.stamp()
    if stamp is None:
        return None
    forms = {n: _forms(seen, n) for n in range(len(first)) if n != stamp}
    accepted, fixed = trial.sorted_out(forms)
    patterns = {**accepted, stamp: [line_tokens.form(first[stamp])]}
    pattern = re.escape(parts[0])
    for n, part in enumerate(parts[1:]):
        pattern += f"(?:{'|'.join(patterns.get(n, [_ANY]))})" + re.escape(part)
    ids = {
        n: "|".join(form for form in allowed if not line_tokens.is_id(form))
        for n, allowed in accepted.items()
        if any(map(line_tokens.is_id, allowed))
    }
    samples = {
        n: tuple(one for one in forms[n] if line_tokens.form(one) in allowed)
        for n, allowed in accepted.items()
    }
    return Template(parts, f"^{pattern}$", stamp, tuple(sorted(fixed)), ids, samples)


def planned(template: Template, seen: Sequence[Tokens], read: Read) -> Plan | None:
    """How lines are read that share the fixed tokens; None where the lines seen say otherwise."""
    first = seen[0]
    base = read(template.line(first))
    if base is None or len(base.rows) > _MAX_ROWS:
        return None
    moved = list(_moved(template, first, read))
    proof = [(tokens, read(template.line(tokens))) for tokens in islice(seen[1:], _PROVED)]
    cases = [(first, base)]
    for tokens, effect in [*((tokens, effect) for _, tokens, effect in moved), *proof]:
        if effect is None or not _alike(base, effect):
            return None
        cases.append((tokens, effect))
    rows = []
    for number in range(len(base.rows)):
        told = [(tokens, effect.rows[number]) for tokens, effect in cases]
        row = _row_plan(told, [n for n, _, _ in moved])
        if row is None:
            return None
        rows.append(row)
    plan = Plan(tuple(rows), base.told)
    return plan if all(_holds(plan, tokens, effect) for tokens, effect in proof) else None


def _row_plan(told: Sequence[tuple[Tokens, Row]], moved: Sequence[int]) -> RowPlan | None:
    """How a row is made; `told` has it as it was first read, then with each of the moved tokens
    changed, then of other lines."""
    row = told[0][1]
    moving: dict[str, list[int]] = {}
    for n, (_, changed) in zip(moved, told[1:], strict=False):
        for column in _differing(row, changed):
            by = moving.setdefault(column, [])
            by += [n] if n not in by else []
    fills: dict[str, Fill] = {}
    for column, by in moving.items():
        cases = [(tokens, one.get(column)) for tokens, one in told]
        fill = token_fills.found(column, cases, by)
        if fill is None:
            return None
        fills[column] = fill
    return RowPlan({name: value for name, value in row.items() if name not in fills}, fills)


class _Trial:
    """Changes the tokens of one line."""

    def __init__(self, bare: Template, first: Tokens, base: Effect, read: Read) -> None:
        self._bare, self._first, self._base, self._read = bare, first, base, read

    def stamp(self) -> int | None:
        """The one token that tells the line's time, and tells nothing else."""
        for n, token in enumerate(self._first):
            if _moment(token) == self._base.at or line_tokens.is_stamp(token):
                effect = self._with({n: line_tokens.others(token)[-1]})
                if effect and effect.at != self._base.at and effect.rows == self._base.rows:
                    return n if effect.told == self._base.told else None
        return None

    def sorted_out(
        self, forms: Mapping[int, Sequence[str]]
    ) -> tuple[dict[int, list[str]], set[int]]:
        """The forms that each token may have, and the tokens that must stand as they are."""
        allowed = {
            n: [line_tokens.form(one) for one in samples if self._is_harmless(n, [one])]
            for n, samples in forms.items()
        }
        allowed = {n: forms for n, forms in allowed.items() if forms}
        free = {n for n in allowed if not self._moves(n)}
        for form in dict.fromkeys(form for forms in allowed.values() for form in forms):
            numbers = line_tokens.telling(form)
            among = [n for n in free if form in allowed[n]]
            if not self._are_free(among, numbers):
                among = [n for n in among if not self._is_harmless(n, numbers)]
                self._drop(form, among, allowed)
            moving = [n for n in allowed.keys() - free if form in allowed[n]]
            self._drop(form, [n for n in moving if not self._is_harmless(n, numbers)], allowed)
        own = {n: line_tokens.form(token) for n, token in enumerate(self._first)}
        accepted = {n: patterns for n, patterns in allowed.items() if own[n] in patterns}
        return accepted, set(forms.keys() - accepted)

    def _drop(self, form: str, tokens: Sequence[int], allowed: dict[int, list[str]]) -> None:
        for n in tokens:
            allowed[n].remove(form)

    def _moves(self, n: int) -> bool:
        """True for a token that moves a value."""
        effect = self._with({n: line_tokens.others(self._first[n])[-1]})
        return effect is None or effect.rows != self._base.rows

    def _are_free(self, among: Sequence[int], numbers: Sequence[str]) -> bool:
        """True where all these tokens may be each of the numbers, and nothing follows from it."""
        if not among:
            return True
        effects = (self._with(dict.fromkeys(among, number)) for number in numbers)
        return all(effect == self._base for effect in effects)

    def _is_harmless(self, n: int, samples: Sequence[str]) -> bool:
        """True where no token of the samples' form changes more than values of the rows, each in
        the same way."""
        cases = [([*self._first], self._base)]
        others = line_tokens.others(samples[0]) if samples else []
        for other in (*samples, *others):
            effect = self._with({n: other})
            if effect is None or effect.at != self._base.at or not _alike(self._base, effect):
                return False
            cases.append(([*self._first[:n], other, *self._first[n + 1 :]], effect))
        for number, row in enumerate(self._base.rows):
            moved = set().union(*(_differing(row, effect.rows[number]) for _, effect in cases))
            for column in moved:
                told = [(tokens, effect.rows[number].get(column)) for tokens, effect in cases]
                if not self._is_known(column, told, n):
                    return False
        return True

    def _is_known(self, column: str, told: Sequence[tuple[Tokens, object]], n: int) -> bool:
        """Alone or with a neighbour: an address and its port."""
        return any(
            token_fills.found(column, told, moving) is not None
            for moving in ([n], [n, n + 1], [n - 1, n])
            if moving[0] >= 0 and moving[-1] < len(self._first)
        )

    def _with(self, changed: Mapping[int, str]) -> Effect | None:
        tokens = [changed.get(n, token) for n, token in enumerate(self._first)]
        return self._read(self._bare.line(tokens))


def _not_for_ever(read: Read) -> Read:
    """The same, but for what it is asked too late."""
    left = count(_MAX_READS, -1)
    return lambda line: read(line) if next(left) > 0 else None


def _forms(seen: Sequence[Tokens], n: int) -> list[str]:
    """A token of each form that stands at a place, the frequent ones first."""
    counts: dict[str, list[str]] = {}
    for tokens in seen:
        counts.setdefault(line_tokens.form(tokens[n]), []).append(tokens[n])
    usual = sorted(counts.values(), key=len, reverse=True)[:_MAX_FORMS]
    return [tokens[0] for tokens in usual]


def _moved(
    template: Template, first: Tokens, read: Read
) -> Iterator[tuple[int, Tokens, Effect | None]]:
    """The line with one of its tokens changed, to one of each form: which, and the effect."""
    for n, samples in template.samples.items():
        usual = (line_tokens.others(one)[-1] for one in samples)
        for other in dict.fromkeys((*samples, *usual)):
            if other == first[n]:
                continue
            tokens = [*first[:n], other, *first[n + 1 :]]
            yield n, tokens, read(template.line(tokens))


def _alike(one: Effect, other: Effect) -> bool:
    """True for effects that differ in the values of their rows at most."""
    return (
        one.told == other.told
        and len(one.rows) == len(other.rows)
        and all(a["kind"] == b["kind"] for a, b in zip(one.rows, other.rows, strict=True))
    )


def _differing(row: Row, other: Row) -> set[str]:
    return {column for column in row.keys() | other.keys() if row.get(column) != other.get(column)}


def _holds(plan: Plan, tokens: Tokens, effect: Effect | None) -> bool:
    if effect is None or effect.told != plan.told or len(effect.rows) != len(plan.rows):
        return False
    for row, made in zip(effect.rows, plan.rows, strict=True):
        filled = {column: fill.one(tokens) for column, fill in made.fills.items()}
        if {**made.fixed, **{c: v for c, v in filled.items() if v is not None}} != row:
            return False
    return True


def _moment(token: str) -> datetime | None:
    stamp = stamps.of_value(token)
    return stamp.at if stamp else None
