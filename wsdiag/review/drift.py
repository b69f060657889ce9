"""Whether the messages of one event drift apart: a member changes its type, or most members do.

A member that is only sometimes there is optional, and no drift.
"""

from __future__ import annotations

from collections.abc import Sequence

ALIKE = 0.5
"""Shapes that share less than half of their members are different things."""

_NUMBERS = frozenset({"integer", "number"})


def share(counted: Sequence[tuple[str, int]]) -> float:
    """The share of messages whose shape contradicts the commonest one; (shape, count) each."""
    ranked = sorted(counted, key=lambda one: (-one[1], one[0]))
    whole = sum(count for _, count in ranked)
    if not whole:
        return 0.0
    usual = ranked[0][0]
    return sum(count for shape, count in ranked[1:] if contradict(usual, shape)) / whole


def contradict(one: str, other: str) -> bool:
    """Whether two shapes cannot be of one thing with optional members."""
    mine, its = members(one), members(other)
    if not mine or not its:
        return one != other and "null" not in (one, other) and {one, other} != _NUMBERS
    common = mine.keys() & its.keys()
    if len(common) < ALIKE * min(len(mine), len(its)):
        return True
    return any(_differ(mine[name], its[name]) for name in common)


def _differ(one: str, other: str) -> bool:
    if one == other or "null" in (one, other) or {one, other} == _NUMBERS:
        return False
    if one[:1] == other[:1] == "{":
        return contradict(one, other)
    return not one[:1] == other[:1] == "["


def members(shape: str) -> dict[str, str]:
    """The members of `{a:string, b:{c:integer}}` with their types; one that is cut is left out."""
    found: dict[str, str] = {}
    if not shape.startswith("{"):
        return found
    depth, begin = 0, 1
    for place, sign in enumerate(shape):
        if sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
        if (sign == "," and depth == 1) or (sign == "}" and depth == 0):
            name, _, kind = shape[begin:place].strip().partition(":")
            if name:
                found[name] = kind
            begin = place + 1
    return found
