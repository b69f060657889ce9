"""One connection's life as all vantages saw it, on one clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from wsdiag.clocks import Clock
from wsdiag.report import Connection, Life, Moment, pointer

CANDIDATES, MOST_MOMENTS = 20, 16
"""Of so many of the worst connections one is told, in so many moments."""

TURNS = ("attempt", "open", "rejected", "refused", "timeout", "heartbeat_timeout", "error")
ENDINGS = ("close", "end")
TRAFFIC = ("message", "ping", "pong")


def moments(
    session: str,
    events: pl.LazyFrame,
    formats: Mapping[str, str],
    clocks: Mapping[str, Clock] | None = None,
) -> Iterator[Moment]:
    """What everybody saw of one session; what has no time comes where it stands in its file, after
    the last that has one. `formats` tells of each source what it is."""
    rows = (
        events.filter(pl.col("session") == session)
        .collect(engine="in-memory")
        .sort("source", "pos")
        .with_columns(_at=pl.col("ts").forward_fill().over("source"))
        .sort("_at", "source", "pos", nulls_last=True, maintain_order=True)
    )
    return _told(rows, formats, clocks or {})


def worst(
    known: Sequence[Connection],
    events: pl.LazyFrame,
    formats: Mapping[str, str],
    clocks: Mapping[str, Clock],
    troubled: Collection[str] = (),
) -> Life | None:
    """Of the worst connections the one that most vantages saw: how it began and ended, and what was
    last heard each way before. None where nobody saw one from two sides. Where some are `troubled`,
    it is one of them."""
    some = [one for one in known if one.session in troubled] or known
    told = [one for one in some[:CANDIDATES] if len(one.vantages) > 1]
    if not told:
        return None
    chosen = max(told, key=lambda one: len(one.vantages))
    about = events.filter((pl.col("session") == chosen.session) & pl.col("ts").is_not_null())
    rows = about.collect(engine="in-memory").sort("ts", "source", "pos", maintain_order=True)
    kind = pl.col("kind").cast(pl.String)
    seen = ("source", "kind", "dir")
    turns = kind.is_in(TURNS) & (pl.int_range(pl.len()).over(seen) == 0)
    ends = kind.is_in(ENDINGS) & (pl.int_range(pl.len()).over(seen) == 0)
    last = kind.is_in(TRAFFIC) & (
        pl.int_range(pl.len()).over("vantage", "dir", kind) + 1
        == pl.len().over("vantage", "dir", kind)
    )
    shown = rows.filter(turns | ends | last)
    if len(shown) > MOST_MOMENTS:
        few = MOST_MOMENTS // 2
        shown = pl.concat([shown.head(few), shown.tail(MOST_MOMENTS - few)])
    return Life(
        session=chosen.session,
        vantages=chosen.vantages,
        moments=list(_told(shown, formats, clocks)),
    )


def _told(
    rows: pl.DataFrame, formats: Mapping[str, str], clocks: Mapping[str, Clock]
) -> Iterator[Moment]:
    first = before = None
    source = ""
    for row in rows.iter_rows(named=True):
        ts = row["ts"]
        first, before = first or ts, before or ts
        delta_s = (ts - before).total_seconds() if ts else None
        yield Moment(
            ts=ts,
            since_s=(ts - first).total_seconds() if ts else None,
            delta_s=delta_s,
            vantage=row["vantage"],
            kind=row["kind"],
            dir=row["dir"],
            code=row["code"],
            what=_what(row),
            pointer=pointer(row["source"], row["pos"], formats.get(row["source"], "")),
            unsure=bool(source) and _unsure(delta_s, source, row["source"], clocks),
        )
        before, source = ts or before, row["source"]


def _unsure(delta_s: float | None, one: str, other: str, clocks: Mapping[str, Clock]) -> bool:
    """Whether nobody can say which of two moments came first."""
    if one == other or delta_s is None:
        return False
    errors = [clocks[name].error_ms for name in (one, other) if name in clocks]
    known = [error for error in errors if error is not None]
    return len(known) < len(errors) or abs(delta_s) * 1000 < 2 * sum(known)


def _what(row: dict[str, Any]) -> str:
    parts = [row["name"], f'"{row["reason"]}"' if row["reason"] else None, row["topic"]]
    if row["bytes"] is not None:
        parts.append(f"{row['bytes']:,} bytes")
    if row["ms"] is not None:
        parts.append(f"{row['ms']:,.1f} ms")
    return " ".join(part for part in parts if part)
