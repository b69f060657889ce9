"""The policy in force: what is hidden of secrets, users and addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import TypeVar, TypeVarTuple

from wsdiag.sensitive.policy import Policy

Ts = TypeVarTuple("Ts")
R = TypeVar("R")

_POLICY: ContextVar[Policy] = ContextVar("policy", default=Policy())  # noqa: B039 – it is frozen


def policy() -> Policy:
    """The policy in force."""
    return _POLICY.get()


@contextmanager
def hiding(policy: Policy) -> Iterator[None]:
    """Within the context every redactor, and every pseudonym made, follows `policy`."""
    before = _POLICY.set(policy)
    try:
        yield
    finally:
        _POLICY.reset(before)


def has_own_patterns() -> bool:
    """True where the user has patterns for secrets of their own kind."""
    return bool(_POLICY.get().patterns)


def remembered(size: int) -> Callable[[Callable[[*Ts], R]], Callable[[*Ts], R]]:
    """As `lru_cache`, for what follows the policy: under another one it is made anew."""

    def of(make: Callable[[*Ts], R]) -> Callable[[*Ts], R]:
        @lru_cache(size)
        def known(policy: Policy, given: tuple[*Ts]) -> R:
            return make(*given)

        @wraps(make)
        def made(*given: *Ts) -> R:
            return known(_POLICY.get(), given)

        return made

    return of
