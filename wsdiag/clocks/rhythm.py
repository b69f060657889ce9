"""A source that shares no name with another may still be known by its rhythm.

Connections open, close and talk at moments of their own. Where nearly all moments of the source
that tells of fewer fall on the other's after one shift, and after no other, that is the offset.
Only what is alike is compared: attempts, openings, refusals with one status, closes of one code and
reason, ends without a code, messages of one direction and size. A busy machine tells of them late:
the more moments there are, the less exactly need they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import polars as pl

from wsdiag.clocks.anchors import HANDSHAKE, PLACES, compared
from wsdiag.clocks.fit import SETTLE_MS, Clock, fit
from wsdiag.connections.codes import LOCAL_CODES
from wsdiag.event import NAMELESS

RHYTHMS = ((5, 1), (9, 4), (15, 16))
"""So many moments make a rhythm that must meet within so many times `SETTLE_MS`."""

NEARLY_ALL, MOST = 0.8, 2_000
"""So large a share of a rhythm must meet; of more moments than this none is sought."""

BEATS = 3
"""A rhythm has more than one interval; what comes at once, as after a restart, is one beat."""

FINE_MS = 1.0
"""The step of times that are told in parts of a second, as most are."""

SEVERAL = 2
"""So many names, at least, that two sources share are those of connections."""

FIRST = 4 * MOST
"""So many moments of a source are looked at."""

SIZED = (pl.col("kind") == "message") & pl.col("dir").is_not_null() & pl.col("bytes").is_not_null()
"""Messages by which a rhythm may be known."""

MOST_PAIRS = 4_000_000

_NAMELESS = f"^(?:{'|'.join(NAMELESS)})"


def by_rhythm(
    own: pl.DataFrame, others: pl.DataFrame, step_ms: float, step_reference_ms: float
) -> Clock:
    """The clock that fits the one shift after which a source's `moments` are the reference's."""
    steps = (step_ms, step_reference_ms)
    for mine, theirs in ((_by_name(own, others), _by_name(others, own)), (own, others)):
        if (found := _fitted(mine, theirs, steps)) is not None:
            return found
    return Clock()


def has_rhythm(seen: pl.DataFrame) -> bool:
    """Whether a source's `moments` are enough to know it by."""
    return len(seen) >= RHYTHMS[0][0] and _beats(seen["ts"], SETTLE_MS) >= BEATS


def _beats(moments: pl.Series, reach_ms: float) -> int:
    """So many of the moments do not come at once."""
    return (moments.dt.epoch("ms") // int(reach_ms)).n_unique()


def _by_name(own: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The moments of connections that both sources call by one name, each alike only to those of
    the same; a single name says nothing."""
    both = own.filter(pl.col("called").is_in(others["called"].drop_nulls().unique().implode()))
    if both["called"].n_unique() < SEVERAL:
        return both.clear()
    return both.with_columns(alike=pl.format("{} {}", "alike", "called"))


def _fitted(own: pl.DataFrame, others: pl.DataFrame, steps: tuple[float, float]) -> Clock | None:
    step_ms, step_reference_ms = steps
    for kinds in (("open",), ("attempt", "open", "close", "gone", "message"), ("rejected",)):
        mine, theirs = (seen.filter(pl.col("kind").is_in(kinds)) for seen in (own, others))
        # Lines of whole seconds, among others that are finer, need not blur those.
        both = _finer(mine) and _finer(theirs)
        finer = (min(step_ms, FINE_MS), min(step_reference_ms, FINE_MS)) if both else steps
        for told, (least, times) in product(dict.fromkeys((finer, steps)), RHYTHMS):
            if least <= min(len(mine), len(theirs)):
                met = _shift(mine, theirs, least, times * SETTLE_MS + max(told))
                if met is not None:
                    return fit(met, *told)
    return None


def _finer(seen: pl.DataFrame) -> bool:
    """Whether nearly all of these moments are told in parts of a second."""
    parts = seen.select((pl.col("ts").dt.microsecond() != 0).mean()).item()
    return parts is not None and parts >= NEARLY_ALL


def _shift(
    own: pl.DataFrame, others: pl.DataFrame, least: int, reach: float
) -> pl.DataFrame | None:
    """What meets after the one shift that fits, as `anchors.pairs`; None where none does."""
    own = own.filter(pl.col("alike").is_in(others["alike"].unique().implode()))
    others = others.filter(pl.col("alike").is_in(own["alike"].unique().implode()))
    if not least <= len(own) <= MOST or not least <= len(others) <= MOST:
        return None
    both = own.join(others, on="alike", suffix="_reference")
    if not 0 < len(both) <= MOST_PAIRS:
        return None
    apart = ((both["ts"] - both["ts_reference"]).dt.total_microseconds() / 1000).sort().to_numpy()
    last = np.searchsorted(apart, apart + reach, side="right")
    met = last - np.arange(len(apart))
    best = int(np.argmax(met))
    middle = float(np.median(apart[best : last[best]]))
    elsewhere = met[np.abs(apart - middle) > 4 * reach]
    if 2 * elsewhere.max(initial=0) > met[best]:
        return None
    there = compared(both).filter(pl.col("apart_ms").is_between(apart[best], apart[last[best] - 1]))
    met_here = [there.select("what", place).n_unique() for place in ("pos", "pos_reference")]
    if min(met_here) < NEARLY_ALL * min(len(own), len(others)):
        return None
    if _beats(there["at"], reach) < BEATS:
        return None
    # Each moment meets one: the nearest.
    nearest = (pl.col("apart_ms") - middle).abs().arg_min()
    return there.group_by("what", "pos", maintain_order=True).agg(pl.all().get(nearest))


def moments(events: pl.DataFrame, sources: Sequence[str]) -> dict[str, pl.DataFrame]:
    """What each of these sources saw: kind, ts, pos, what, dir, place, what its connection is
    `called`, and `alike`, equal in things alike; on two legs of one connection, the client's."""
    kind, told = pl.col("kind").cast(pl.String), _told()
    # The client's leg is asked first and answered last.
    earliest, latest = pl.col("ts").arg_min(), pl.col("ts").arg_max()
    opened = pl.col("kind").first() == "open"
    seen = (
        events.filter(pl.col("ts").is_not_null() & ~_stops())
        .with_columns(_name=_name(), source=pl.col("source").cast(pl.String))
        .filter(
            pl.col("source").is_in(sources)
            & (kind.is_in(["attempt", "open", "close", "end", "rejected"]) | SIZED)
        )
        .filter(pl.int_range(pl.len()).over("source") < FIRST)
        .with_columns(
            kind=told,
            what=pl.when(kind == "open").then(pl.lit(HANDSHAKE)).otherwise(told),
            dir=_way(),
            alike=_alike(),
            _once=pl.when(told == "message")
            .then(pl.format("{} {}", kind, "pos"))
            .otherwise(pl.format("{} {}", told, "_name")),
        )
        .group_by("source", "_once", maintain_order=True)
        .agg(pl.all().get(pl.when(opened).then(latest).otherwise(earliest)))
        .select(
            "source",
            "kind",
            "ts",
            "pos",
            "what",
            "dir",
            "alike",
            called=pl.when(~pl.col("conn").str.contains(_NAMELESS)).then("conn"),
            place=pl.col("vantage").cast(pl.String).replace_strict(PLACES, return_dtype=pl.Int8),
        )
    )
    parts = seen.partition_by("source", as_dict=True, include_key=False)
    nothing = seen.drop("source").clear()
    return {source: parts.get((source,), nothing) for source in sources}


def _stops() -> pl.Expr:
    """Whether it is only the evidence that ends."""
    return (pl.col("reason") == "evidence-stops").fill_null(value=False)


def _told() -> pl.Expr:
    """The kind of a moment; ends without a code of the other side's are all `gone`."""
    kind, code = pl.col("kind").cast(pl.String), pl.col("code")
    coded = code.is_not_null() & ~code.is_in(list(LOCAL_CODES))
    gone = ((kind == "end") & ~_stops()) | ((kind == "close") & ~coded)
    return pl.when(gone).then(pl.lit("gone")).otherwise(kind)


def _name() -> pl.Expr:
    """By what the rows of one connection are known."""
    return pl.coalesce(
        pl.col("key").drop_nulls().first().over("source", "conn"),
        pl.when(pl.col("vantage") == "network").then("conn"),
        pl.concat_str(pl.lit("row "), pl.col("pos")),
    )


def _way() -> pl.Expr:
    """The direction. Who began to close is told by few logs: no log's time of it bounds the
    other's."""
    kind = pl.col("kind").cast(pl.String)
    return (
        pl.when(kind.is_in(["open", "rejected"]))
        .then(pl.lit("s2c"))
        .when(kind == "attempt")
        .then(pl.lit("c2s"))
        .when(kind == "message")
        .then(pl.col("dir").cast(pl.String))
    )


def _alike() -> pl.Expr:
    """What a moment shares with those that it may be compared with, in words."""
    told, code = _told(), pl.col("code").fill_null(0)
    return (
        pl.when(told == "rejected")
        .then(pl.format("rejected {}", code))
        .when(told == "close")
        .then(pl.format("close {} {}", code, pl.col("reason").fill_null("")))
        .when(told == "message")
        .then(pl.format("message {} {}", "dir", pl.col("bytes").fill_null(0)))
        .otherwise(told)
    )
