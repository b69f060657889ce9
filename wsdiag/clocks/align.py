"""Move every source onto the reference's clock.

The reference is the source that the user names, else the capture, else the source that shares most
moments with others, else of the servers' and proxies' with the finest times the one that tells of
most connections. A source that shares none with it may share some with a source that does: its
error then holds both. A source is moved only when its offset is larger than twice its error;
otherwise the clocks agree as far as anyone can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import msgspec
import polars as pl

from wsdiag.clocks import anchors, rhythm
from wsdiag.clocks.fit import Clock, fit, zoned
from wsdiag.clocks.rhythm import by_rhythm, has_rhythm, moments
from wsdiag.clocks.windows import by_window

TELLING = (
    *("ts", "vantage", "source", "pos", "conn", "key", "kind", "dir", "code", "reason", "bytes"),
    *("peer", "trace"),
)
"""Columns by which clocks are known."""


def align(
    events: pl.DataFrame,
    resolution_ms: Mapping[str, float],
    reference: str | None = None,
    zoneless: Set[str] = frozenset(),
) -> tuple[pl.DataFrame, dict[str, Clock]]:
    """The events on the reference's clock, and each source's Clock.

    A source that nothing ties to the reference keeps its own time, and its Clock is empty.
    `zoneless`: the sources whose times carry no zone.
    """
    sources = events["source"].unique().cast(pl.String).sort().to_list()
    own = {
        name: Clock(offset_ms=0.0, error_ms=resolution_ms.get(name, 1.0), against=name)
        for name in sources
    }
    if len(sources) < 2:
        return events, own
    shared = anchors.anchors(events)
    first = (
        reference
        if reference and reference in sources
        else _reference(events, shared, resolution_ms, zoneless)
    )
    clocks = {first: own[first]}
    rest = [source for source in sources if source != first]
    while tied := _next(shared, rest, list(clocks)):
        source, via = tied
        pairs = anchors.pairs(shared, source, via)
        found = fit(pairs, resolution_ms.get(source, 1.0), resolution_ms.get(via, 1.0))
        clocks[source] = _behind(found, clocks[via], via)
        rest.remove(source)
    clocks = _rhythms(events, clocks, rest, resolution_ms)
    if first not in zoneless:
        untied = {name for name in zoneless & clocks.keys() if clocks[name].offset_ms is None}
        place = pl.col("source").cast(pl.String)
        others = moved(events.lazy().filter(~place.is_in(sorted(zoneless))), clocks).collect()
        for source in untied:
            found = by_window(events.filter(place == source), others)
            clocks[source] = _behind(found, clocks[first], first)
    return moved(events.lazy(), clocks).collect(engine="in-memory"), dict(sorted(clocks.items()))


def telling(events: pl.LazyFrame) -> pl.DataFrame:
    """Of the events of several sources those by which their clocks are known, with the columns by
    which they are: all but messages, pings and pongs without an id, of which the first few that may
    make a rhythm are enough. Of one source, one event."""
    told = events.select(TELLING)
    if told.select(pl.col("source").n_unique()).collect(engine="in-memory").item() < 2:
        return told.head(1).collect(engine="in-memory")
    traffic = pl.col("kind").is_in(anchors.CARRIED) & pl.col("trace").is_null()
    rhythmic = traffic & rhythm.SIZED
    first = rhythmic & (rhythmic.cum_sum().over("source") <= rhythm.FIRST)
    return told.filter(~traffic | first).collect(engine="in-memory")


def _rhythms(
    events: pl.DataFrame,
    known: Mapping[str, Clock],
    rest: list[str],
    resolution_ms: Mapping[str, float],
) -> dict[str, Clock]:
    """The clocks, also of the sources that share no name with one whose clock is known; empty
    where no rhythm tells it."""
    if not rest:
        return dict(known)
    seen = moments(events, [*known, *rest])
    clients = set(events.filter(vantage="client")["source"].cast(pl.String))
    found = {**known, **dict.fromkeys(rest, Clock())}
    told = {name for name in found if has_rhythm(seen[name])}
    ways = [name for name, clock in known.items() if clock.offset_ms is not None and name in told]
    untold = [name for name in rest if name in told]
    for via in ways:
        for source in untold:
            # What one client does is no other's rhythm, though both may follow one script.
            if {source, via} <= clients:
                continue
            steps = (resolution_ms.get(source, 1.0), resolution_ms.get(via, 1.0))
            found[source] = _behind(by_rhythm(seen[source], seen[via], *steps), found[via], via)
        ways += [name for name in untold if found[name].offset_ms is not None]
        untold = [name for name in untold if found[name].offset_ms is None]
    return found


def _reference(
    events: pl.DataFrame,
    shared: pl.DataFrame,
    resolution_ms: Mapping[str, float],
    zoneless: Set[str],
) -> str:
    told = shared.filter(pl.col("source").n_unique().over("anchor") > 1)
    ranked = (
        events.group_by("source")
        .agg(
            (pl.col("vantage") == "network").any().alias("wire"),
            (pl.col("vantage") == "client").any().alias("client"),
            (pl.col("kind") == "open").sum().alias("opened"),
        )
        .join(told.group_by("source").len(), on="source", how="left")
        .with_columns(pl.col("source").cast(pl.String))
        .with_columns(
            step=pl.col("source").replace_strict(
                resolution_ms, default=1.0, return_dtype=pl.Float64
            )
        )
        .sort(
            pl.col("wire"),
            pl.col("len").fill_null(0),
            pl.col("source").is_in(sorted(zoneless)),
            "client",
            "step",
            "opened",
            "source",
            descending=[True, True, False, False, False, True, False],
        )
    )
    return str(ranked["source"][0])


def _next(shared: pl.DataFrame, rest: list[str], known: list[str]) -> tuple[str, str] | None:
    """Of the sources whose clock is not known, the one that shares most with one whose is.

    What is compared with the reference itself comes first: `known` is in that order.
    """
    source = pl.col("source").cast(pl.String)
    mine = shared.filter(source.is_in(rest)).select("anchor", mine=source)
    for via in known:
        common = mine.join(shared.filter(source == via).select("anchor"), on="anchor")
        if len(common):
            most = common.group_by("mine").len().sort(-pl.col("len").cast(pl.Int64), "mine")
            return str(most["mine"][0]), via
    return None


def _behind(found: Clock, via: Clock, name: str) -> Clock:
    """A clock that was compared with `via`, against the reference."""
    if found.offset_ms is None or via.offset_ms is None:
        return Clock()
    if via.against == name:
        return msgspec.structs.replace(found, against=name)
    drifts = [drift for drift in (found.drift_ppm, via.drift_ppm) if drift is not None]
    slack = [error for error in (found.drift_error_ppm, via.drift_error_ppm) if error is not None]
    return zoned(
        msgspec.structs.replace(
            found,
            offset_ms=round(found.offset_ms + via.offset_ms, 1),
            error_ms=round((found.error_ms or 0.0) + (via.error_ms or 0.0), 1),
            drift_ppm=round(sum(drifts), 1) if drifts else None,
            drift_error_ppm=round(sum(slack), 1) if slack else None,
            zone_min=None,
            against=name,
        )
    )


def moved(events: pl.LazyFrame, clocks: Mapping[str, Clock]) -> pl.LazyFrame:
    """The events on the reference's clock."""
    moving = {source: clock for source, clock in clocks.items() if clock.moves}
    if not moving:
        return events
    ahead = pl.coalesce(
        pl.when(pl.col("source").cast(pl.String) == source).then(clock.ahead_ms(pl.col("ts")))
        for source, clock in moving.items()
    ).fill_null(0.0)
    shift = (ahead * 1000).round().cast(pl.Int64)
    return events.with_columns(ts=pl.col("ts") - pl.duration(microseconds=shift))
