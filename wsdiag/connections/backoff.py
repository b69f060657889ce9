"""The law by which clients wait between attempts: immediate, fixed or growing, jitter or none.

Read from the first six waits after a disconnect, of one client and of all clients at the same
index. A cap flattens later waits and hides their jitter, so those are not looked at.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

WAITS = 6
IMMEDIATE_S = 0.15
FIXED_CV, JITTERED_CV = 0.10, 0.35
RANK, GROWTH = 0.6, 1.6
POOL, POOLED_GROWTH, RISE, FALL = 3, 1.8, 1.08, 0.85
JITTER_CV, NO_JITTER_CV, MEASURABLE_S = 0.10, 0.05, 0.05
SHORT_LIFE_S, AGAIN = 5.0, 3

CLIENT_LAWS = pl.Schema(
    {
        "who": pl.String(),
        "law": pl.String(),  # immediate, fixed, growing, jittered, undecided
        "waits": pl.List(pl.Float64()),  # seconds
        "resets": pl.Boolean(),  # connects, dies within seconds, and begins anew each time
    }
)

LAW = pl.Schema(
    {
        "law": pl.String(),
        "jitter": pl.String(),
        "clients": pl.Int64(),
        "wait_s": pl.Float64(),
        "library": pl.String(),
        "longest_s": pl.Float64(),
        "resets": pl.Boolean(),
    }
)

_NEEDED = (
    *("client", "fragment", "attempted", "opened", "first", "ended", "closed", "last_seen"),
    *("rejected", "refused", "was_open", "close_dir", "code"),
)


class Law(NamedTuple):
    """What all clients together show; `law` is empty where too little was seen.

    `jitter`: present, none, first (on the first wait only), or empty. Waits are medians in seconds.
    """

    law: str = ""
    jitter: str = ""
    clients: int = 0
    waits: tuple[float, ...] = ()
    library: str = ""
    longest_s: float = 0.0
    resets: bool = False


class Library(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A client library's default waits, in seconds, shortest and longest at each index."""

    id: str
    low: list[float]
    high: list[float]
    source: str

    def fits(self, waits: tuple[float, ...]) -> bool:
        """Whether at least three waits lie within its bounds, and none outside."""
        known = list(zip(waits, self.low, self.high, strict=False))
        return len(known) >= POOL and all(
            low * 0.9 - 0.05 <= wait <= high * 1.1 + 0.1 for wait, low, high in known
        )


class _Book(msgspec.Struct, forbid_unknown_fields=True):
    library: list[Library]


@cache
def libraries() -> tuple[Library, ...]:
    """The known defaults, in the order of the file."""
    text = files("wsdiag").joinpath("causes", "backoffs.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text), _Book).library)


def client_laws(connections: pl.DataFrame) -> pl.DataFrame:
    """Each known client's law (CLIENT_LAWS), from the connection table."""
    tries = _tries(connections).group_by("client", maintain_order=True)
    rows = [
        {
            "who": str(who),
            "law": _law(np.array(waits)),
            "waits": waits,
            "resets": _resets(waited, failed, lives),
        }
        for who, waited, failed, after_left, lives in tries.agg(
            "wait", "failed", "after_left", "life"
        ).iter_rows()
        if (waits := _waits(waited, failed, after_left))
    ]
    return pl.DataFrame(rows, schema=CLIENT_LAWS)


def pooled(laws: pl.DataFrame) -> Law:
    """The law of all clients together, from at least three of them; else of one with four waits."""
    if laws.is_empty():
        return Law()
    waits: list[list[float]] = laws["waits"].to_list()
    longest, resets = max(max(w) for w in waits), bool(laws["resets"].any())
    many = [w for w in waits if len(w) >= 2]
    if len(many) >= POOL:
        columns = [[w[i] for w in many if len(w) > i] for i in range(WAITS)]
        full = [column for column in columns if len(column) >= POOL]
        medians = tuple(float(np.median(column)) for column in full)
        law, jitter = _pooled_law(medians), _jitter(full)
        if law == "fixed" and jitter == "present":
            law = "jittered"
        return Law(law, jitter, len(many), medians, _library(medians), longest, resets)
    alone = max(waits, key=len)
    if len(alone) < POOL:
        return Law(clients=len(many), longest_s=longest, resets=resets)
    law = _law(np.array(alone))
    jitter = {"fixed": "none", "jittered": "present"}.get(law, "")
    known = "" if law == "undecided" else law
    return Law(known, jitter, 1, tuple(alone), _library(tuple(alone)), longest, resets)


def law(connections: pl.LazyFrame) -> pl.LazyFrame:
    """`pooled` as one lazy row: law, jitter, clients, wait_s (the median first wait), library,
    longest_s, resets; law and jitter are null where too little was seen."""

    def judged(table: pl.DataFrame) -> pl.DataFrame:
        found = pooled(client_laws(table))
        row = {
            "law": found.law or None,
            "jitter": found.jitter or None,
            "clients": found.clients,
            "wait_s": float(np.median(found.waits)) if found.waits else None,
            "library": found.library or None,
            "longest_s": found.longest_s,
            "resets": found.resets,
        }
        return pl.DataFrame([row], schema=LAW)

    return connections.select(*_NEEDED).map_batches(judged, schema=LAW)


def _tries(connections: pl.DataFrame) -> pl.DataFrame:
    tried = pl.coalesce("attempted", "opened", "first")
    over = pl.coalesce("ended", "closed", "last_seen")
    failed = pl.col("rejected") | pl.col("refused") | ~pl.col("was_open")
    left = (pl.col("close_dir") == "c2s").fill_null(False) & (pl.col("code") == 1000).fill_null(
        False
    )
    return (
        connections.filter(pl.col("client").is_not_null() & ~pl.col("fragment"))
        .select("client", tried=tried, over=over, failed=failed, left=left)
        .filter(pl.col("tried").is_not_null())
        .filter(pl.len().over("client") >= POOL)
        .sort("client", "tried")
        .with_columns(
            wait=((pl.col("tried") - pl.col("over").shift(1)).dt.total_microseconds() / 1e6).over(
                "client"
            ),
            life=(pl.col("over") - pl.col("tried")).dt.total_microseconds() / 1e6,
            after_left=pl.col("left").shift(1).over("client").fill_null(True),
        )
    )


def _waits(
    waited: Sequence[float | None], failed: Sequence[bool], after_left: Sequence[bool]
) -> list[float]:
    """The first waits of the client's longest run of attempts that failed before one held."""
    best: list[float] = []
    run: list[float] = []
    for wait, fails, left in zip(waited, failed, after_left, strict=True):
        if wait is not None and wait >= 0 and not left:
            run.append(wait)
            if len(run) > len(best):
                best = list(run)
        if not fails:
            run = []
    return best[:WAITS]


def _resets(
    waited: Sequence[float | None], failed: Sequence[bool], lives: Sequence[float | None]
) -> bool:
    """Opened, dead within seconds, and waited equally long again, several times."""
    short = [
        fails is False and life is not None and life < SHORT_LIFE_S
        for fails, life in zip(failed, lives, strict=True)
    ]
    waits = [
        wait
        for wait, before in zip(waited[1:], short, strict=False)
        if before and wait is not None and wait >= 0
    ]
    return len(waits) >= AGAIN and max(waits) - min(waits) <= 0.25 * max(median(waits), 0.2)


def _law(waits: np.ndarray) -> str:
    if len(waits) < POOL:
        return "undecided"
    if waits.max() < IMMEDIATE_S:
        return "immediate"
    cv = float(waits.std(ddof=1) / waits.mean())
    rank = _spearman(waits)
    if cv < FIXED_CV:
        return "fixed"
    half = len(waits) // 2
    growth = float(np.median(waits[-half:]) / max(float(np.median(waits[:half])), 1e-3))
    if rank >= RANK and growth >= GROWTH:
        return "growing"
    return "jittered" if cv < JITTERED_CV and abs(rank) < RANK else "undecided"


def _spearman(waits: np.ndarray) -> float:
    order = waits.argsort().argsort().astype(float)
    place = np.arange(len(waits), dtype=float)
    return float(np.corrcoef(order, place)[0, 1]) if len(waits) > 1 else 0.0


def _pooled_law(medians: tuple[float, ...]) -> str:
    if len(medians) < 2:
        return ""
    if max(medians) < IMMEDIATE_S:
        return "immediate"
    steps = [late / max(early, 1e-3) for early, late in pairwise(medians)]
    rises, falls = sum(s > RISE for s in steps), sum(s < FALL for s in steps)
    if medians[-1] >= POOLED_GROWTH * max(medians[0], 1e-3) and not falls:
        return "growing" if rises else ""
    spread = (max(medians) - min(medians)) / max(float(np.median(medians)), 1e-3)
    return "fixed" if spread <= 0.35 else ""


def _jitter(columns: list[list[float]]) -> str:
    """By the spread over the clients at the same index, of the first three that can be measured."""
    cvs = [
        float(np.std(column, ddof=1) / np.mean(column))
        for column in columns[:3]
        if np.median(column) > MEASURABLE_S
    ]
    if not cvs:
        return ""
    if len(cvs) >= 2 and cvs[0] >= JITTER_CV and max(cvs[1:]) < NO_JITTER_CV:
        return "first"
    if max(cvs) >= JITTER_CV:
        return "present"
    return "none" if max(cvs) < NO_JITTER_CV else ""


def _library(waits: tuple[float, ...]) -> str:
    return next((library.id for library in libraries() if library.fits(waits)), "")
