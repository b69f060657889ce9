"""What programs say about a fault, as marks: `descriptors` for "too many open files".

The wordings are data, in `causes/wordings.toml`: each belongs to one detector, whose findings carry
the mark where an event's reason matches. Patterns keep to what Python's `re` and Rust's `regex`
share, and ignore case.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

import msgspec
import polars as pl

from wsdiag.finding import SPOT, trait

SAME_MOMENT = "2s"
"""A line that names no connection belongs to an end or a refusal this close to it."""


class Wording(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fault in the words of those who report it."""

    mark: str
    detector: str
    says: list[str]
    apart: list[str] = []
    """The same words of something else: taken out of a text before it is searched."""

    @property
    def pattern(self) -> str:
        """Any of the alternatives, in any case."""
        return "(?i)" + "|".join(self.says)

    def own(self, text: pl.Expr) -> pl.Expr:
        """A text without what is `apart`."""
        return text.str.replace_all("(?i)" + "|".join(self.apart), "") if self.apart else text

    def told(self, text: pl.Expr) -> pl.Expr:
        """Whether a text says so; null where it is null."""
        return self.own(text).str.contains(self.pattern)


class _Book(msgspec.Struct, forbid_unknown_fields=True):
    wording: list[Wording]


@cache
def book() -> tuple[Wording, ...]:
    """Every wording, in the order of the file. Raises `msgspec.ValidationError` on a broken one."""
    text = files("wsdiag").joinpath("causes", "wordings.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text), _Book).wording)


@cache
def anything() -> re.Pattern[str]:
    """Any wording of any fault."""
    return re.compile("(?i)" + "|".join(f"(?:{wording.pattern[4:]})" for wording in book()))


def of(detector: str) -> tuple[Wording, ...]:
    """The wordings of one detector's faults."""
    return tuple(wording for wording in book() if wording.detector == detector)


def named(mark: str) -> Wording:
    """The wording of this mark."""
    return next(wording for wording in book() if wording.mark == mark)


def marks(detector: str, text: pl.Expr) -> tuple[pl.Expr, ...]:
    """The detector's marks as aggregations over a group of rows: null where no row says so."""
    return tuple(trait(wording.mark, wording.told(text).any()) for wording in of(detector))


def says(detector: str, text: pl.Expr) -> pl.Expr:
    """Whether a text holds any wording of the detector's faults; false where it is null."""
    alone = [wording for wording in of(detector) if wording.apart]
    plain = "|".join(f"(?:{w.pattern[4:]})" for w in of(detector) if not w.apart)
    found = [wording.told(text) for wording in alone]
    if plain:
        found.append(text.str.contains(f"(?i){plain}"))
    return pl.any_horizontal(found).fill_null(False)


def stated(events: pl.LazyFrame, detector: str) -> pl.LazyFrame:
    """The events whose reason is a wording of the detector's, ready for `finding.flag`.

    One row per connection, or per line where none is named: session, text, started, ended,
    measured (null) and pointers.
    """
    told = events.filter(
        pl.col("reason").is_not_null() & says(detector, pl.col("reason"))
    ).with_columns(
        _whose=pl.coalesce("session", pl.concat_str("source", pl.lit(":"), pl.col("pos")))
    )
    return told.group_by("_whose", maintain_order=True).agg(
        pl.col("session").first(),
        pl.col("reason").unique(maintain_order=True).str.join(" | ").alias("text"),
        pl.col("ts").min().alias("started"),
        pl.col("ts").max().alias("ended"),
        pl.lit(None, dtype=pl.Float64).alias("measured"),
        SPOT.head(3).alias("pointers"),
    )


def tied(ends: pl.LazyFrame, events: pl.LazyFrame, detector: str) -> pl.LazyFrame:
    """`ends` (session, ended, …) with `text`: what is stated of the same connection, or by a line
    of no connection at that moment; null where nothing is."""
    told = stated(events, detector).select("session", "text", _at="ended")
    near = told.filter(pl.col("session").is_null() & pl.col("_at").is_not_null()).sort("_at")
    return (
        ends.join(
            told.filter(pl.col("session").is_not_null()).drop("_at"), on="session", how="left"
        )
        .sort("ended")
        .join_asof(
            near.select("_at", _near="text"),
            left_on="ended",
            right_on="_at",
            strategy="nearest",
            tolerance=SAME_MOMENT,
        )
        .with_columns(text=pl.coalesce("text", "_near"))
        .drop("_at", "_near")
    )


def untied(ends: pl.LazyFrame, events: pl.LazyFrame, detector: str) -> pl.LazyFrame:
    """What is stated and belongs to none of `ends`, as rows of `stated`."""
    moments = ends.select(_ended="ended").drop_nulls().sort("_ended")
    return (
        stated(events, detector)
        .join(ends.select("session"), on="session", how="anti")
        .sort("ended")
        .join_asof(
            moments, left_on="ended", right_on="_ended", strategy="nearest", tolerance=SAME_MOMENT
        )
        .filter(pl.col("_ended").is_null() | pl.col("session").is_not_null())
        .drop("_ended")
    )


def told_alone(events: pl.LazyFrame, which: pl.Expr, known: pl.LazyFrame) -> pl.LazyFrame:
    """The lines with `which` that name no connection, where there is no row in `known`: ready for
    `finding.flag`.

    One row per line: session (null), reason, bytes, started, ended and pointers.
    """
    return (
        events.filter(pl.col("session").is_null() & which)
        .group_by("source", "pos", maintain_order=True)
        .agg(
            pl.col("session", "reason").first(),
            pl.col("bytes").max(),
            pl.col("ts").first().alias("started"),
            pl.col("ts").first().alias("ended"),
            SPOT.head(1).alias("pointers"),
        )
        .join(known.select(_known=pl.len()), how="cross")
        .filter(pl.col("_known") == 0)
        .drop("source", "pos", "_known")
    )
