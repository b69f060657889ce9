"""Close codes: what one side sent, and what an API or a log made of it."""

from __future__ import annotations

import polars as pl

from wsdiag.connections.codes import LOCAL_CODES, POLITE_CODES
from wsdiag.disagreements.shape import BY_CLIENT, BY_SERVER, WIRE, first, legible, shaped


def find(events: pl.DataFrame, whole: pl.LazyFrame) -> list[pl.DataFrame]:
    """Codes that did not arrive, and ends that a log calls cleaner than the wire shows them.
    `whole` are the messages, too."""
    return [_lost(events), _embellished(events, whole)]


def _lost(events: pl.DataFrame) -> pl.DataFrame:
    """The server put a code into its Close frame, and the client's API says that none came."""
    close, code = pl.col("kind") == "close", pl.col("code")
    real = code.is_not_null() & ~code.is_in(list(LOCAL_CODES))
    by_server = (pl.col("dir") == "s2c") & real & (WIRE | BY_SERVER)
    sent = first(events.filter(close & by_server), "one", code="code", source="source")
    # Where the client closed first it need not have waited for an answer.
    left = events.filter(close & (pl.col("dir") == "c2s")).select("session", left="ts")
    told = first(events.filter(close & BY_CLIENT & code.is_in([1005, 1006])), "other", heard="code")
    both = sent.join(told, on="session").join(
        left.group_by("session").agg(pl.col("left").min()), on="session", how="left"
    )
    before = (pl.col("left") < pl.col("one").struct.field("ts")).fill_null(value=False)
    return shaped(
        both.filter(~before),
        "code-lost",
        pl.format("the server sent {}, the client's API says {}", "code", "heard"),
    )


def _embellished(events: pl.DataFrame, whole: pl.LazyFrame) -> pl.DataFrame:
    """A log says that an end was clean, and the wire shows no Close frame at all."""
    close, code = pl.col("kind") == "close", pl.col("code")
    ended = (pl.col("kind") == "end") & WIRE & pl.col("reason").is_in(["fin", "rst"])
    framed = events.filter(close & WIRE).select("session")
    clean = code.is_in(list(POLITE_CODES)) & (BY_SERVER | BY_CLIENT)
    told = first(events.filter(close & clean), "one", code="code", source="source")
    how = pl.when(pl.col("how") == "rst").then(pl.lit("a reset")).otherwise(pl.lit("a FIN"))
    return shaped(
        told.join(first(events.filter(ended), "other", how="reason"), on="session")
        .join(legible(whole), on="session", how="semi")
        .join(framed, on="session", how="anti"),
        "end-embellished",
        pl.format("{} says {}, the wire shows {} and no Close frame", "source", "code", how),
    )
