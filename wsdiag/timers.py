"""The timers between client and server: who owns them, how long they are, what resets them.

The catalogue is data, in `causes/timers.toml`. A measured time is compared with the defaults: at
most 1.5 % below one, and one tick or 5 % above it, because timers tick coarsely.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
import numpy as np
import polars as pl

BELOW, ABOVE = 0.985, 1.05
"""How far from a default a measured time may be to be that timer's."""

Kind = Literal["idle", "age", "heartbeat", "drain"]

IDLE: tuple[Kind, ...] = ("idle",)
"""Kinds that any data resets."""

SILENCE: tuple[Kind, ...] = ("idle", "heartbeat")
"""Kinds that fire after silence, of both sides or of one."""

AGE: tuple[Kind, ...] = ("age",)
"""Kinds that nothing resets."""


DRAIN: tuple[Kind, ...] = ("drain",)
"""Kinds that run from a reload."""


class Timer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One timer. `seconds` is its default, null where everyone chooses it."""

    id: str
    hop: str
    stacks: list[str]
    setting: str
    seconds: float | None = None
    kind: Kind
    fixed: bool = False
    silent: bool = False
    resets: str
    kills: str
    cause: str
    source: str

    def fits(self, seconds: float, tick: float = 0.0) -> bool:
        """Whether a time measured to `tick` seconds can be this timer's default."""
        known = self.seconds
        return known is not None and known * BELOW - tick <= seconds <= known * ABOVE + tick


class _Catalogue(msgspec.Struct, forbid_unknown_fields=True):
    timer: list[Timer]


@cache
def catalogue() -> tuple[Timer, ...]:
    """Every timer, in the order of the file. Raises `msgspec.ValidationError` on a broken file."""
    text = files("wsdiag").joinpath("causes", "timers.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text), _Catalogue).timer)


def matching(seconds: float, kinds: Collection[Kind], stacks: Collection[str] = ()) -> list[Timer]:
    """The timers whose default is this long; those of recognised stacks alone, if there are any."""
    found = [timer for timer in catalogue() if timer.kind in kinds and timer.fits(seconds)]
    seen = [timer for timer in found if not set(stacks).isdisjoint(timer.stacks)]
    return seen or found


def defaults(kinds: Collection[Kind]) -> list[float]:
    """The known lengths, in seconds, shortest first."""
    return sorted({t.seconds for t in catalogue() if t.kind in kinds and t.seconds is not None})


def is_default(seconds: pl.Expr, kinds: Collection[Kind], tick: pl.Expr | float = 0.0) -> pl.Expr:
    """Whether a time, measured to `tick` seconds, is a default of such a timer."""
    return pl.any_horizontal(
        *(
            seconds.is_between(known * BELOW - tick, known * ABOVE + tick)
            for known in defaults(kinds)
        )
    ).fill_null(False)


def just_after(seconds: pl.Expr, kinds: Collection[Kind], within_s: float) -> pl.Expr:
    """Whether a time is a default of such a timer, or so little above it; null where it is null."""
    return pl.any_horizontal(
        *(seconds.is_between(known, known + within_s) for known in defaults(kinds))
    )


def are_defaults(seconds: np.ndarray, kinds: Collection[Kind]) -> np.ndarray:
    """`is_default` for an array."""
    fits = np.zeros(len(seconds), dtype=bool)
    for known in defaults(kinds):
        fits |= (known * BELOW <= seconds) & (seconds <= known * ABOVE)
    return fits


def marks(seconds: pl.Expr, kinds: Collection[Kind]) -> Iterable[pl.Expr]:
    """One trait expression a timer, `fits-ID`, null where the time is not its default."""
    for timer in catalogue():
        if timer.kind in kinds and timer.seconds is not None:
            low, high = timer.seconds * BELOW, timer.seconds * ABOVE
            yield pl.when(seconds.is_between(low, high)).then(pl.lit(f"fits-{timer.id}"))
