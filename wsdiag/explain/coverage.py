"""Which source covers which time, on which clock, and what it cannot show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import msgspec
import polars as pl

from wsdiag.connections import Story
from wsdiag.explain import collecting
from wsdiag.explain.prose import at, ms, plural
from wsdiag.report import Input

WIRE, BY_CLIENT = pl.col("vantage") == "network", pl.col("vantage") == "client"


def spans(inputs: Collection[Input]) -> dict[str, str]:
    """For each log or other input the time that it covers by the reference's clock, and how far its
    own is off: `3 files, 10:15:02.000Z to 10:20:00.000Z, clock 7 s slow ± 26 ms`."""
    files = defaultdict[str, list[Input]](list)
    for read in inputs:
        if read.first and read.last:
            files[read.log or read.source].append(read)
    return {name: _together(name, some) for name, some in files.items()}


def _together(name: str, files: Sequence[Input]) -> str:
    own = next((read for read in files if read.source == name), files[-1])
    times = [moment for read in files for moment in (read.first, read.last) if moment]
    whole = _span(msgspec.structs.replace(own, first=min(times), last=max(times)))
    return f"{len(files)} files, {whole}" if len(files) > 1 else whole


def gaps(place: str, story: Story, inputs: Collection[Input], stacks: Collection[str]) -> list[str]:
    """What the sources of a place cannot show, one line each, with the command that would."""
    return {"server_logs": _log, "network": _wire, "client": _client}[place](story, inputs, stacks)


def _span(read: Input) -> str:
    if read.clock_offset_ms is None or not read.first or not read.last:
        return f"{at(read.first)} to {at(read.last)}, its clock not tied to the others"
    off = read.clock_offset_ms
    moved = timedelta(milliseconds=off if abs(off) > 2 * (read.clock_error_ms or 0.0) else 0.0)
    told = f"{at(read.first - moved)} to {at(read.last - moved)}"
    if read.clock_against == read.source:
        return told
    zone = read.clock_zone_min or 0
    rest = read.clock_offset_ms - zone * 60_000
    parts = (
        [f"{abs(zone) / 60:g} h {'ahead' if zone > 0 else 'behind'}, a time zone"] if zone else []
    )
    error = read.clock_error_ms or 0.0
    if abs(rest) > 2 * error:
        parts.append(f"{ms(abs(rest))} {'fast' if rest > 0 else 'slow'} ± {ms(error)}")
    if read.clock_drift_ppm is not None:
        parts.append(f"drifting {read.clock_drift_ppm:+.0f} ppm")
    return f"{told}, clock {' and '.join(parts)}" if parts else told


def _log(story: Story, inputs: Collection[Input], stacks: Collection[str]) -> list[str]:
    told = story.events.filter(pl.col("vantage") == "server").select(
        any=pl.len() > 0, pings=pl.col("kind").is_in(["ping", "pong"]).any()
    )
    wire = story.events.filter(WIRE | (pl.col("vantage") == "proxy")).select(
        pings=(pl.col("kind").is_in(["ping", "pong"]) & WIRE).any()
    )
    log, seen = pl.collect_all([told, wire])
    if not log["any"].item() or log["pings"].item() or not seen["pings"].item():
        return []
    known = collecting.level(stacks)
    return [
        "- the wire shows pings that no server log tells: its level leaves them out"
        + (f"; {known} shows them" if known else "")
    ]


def _wire(story: Story, inputs: Collection[Input], stacks: Collection[str]) -> list[str]:
    """Connections of which the capture shows no frames, because they are encrypted."""
    frames = pl.col("kind").is_in(["open", "rejected", "message", "ping", "pong", "close"])
    each = (
        story.events.filter(WIRE & pl.col("session").is_not_null())
        .group_by("session")
        .agg(legible=frames.any(), ended=(pl.col("kind") == "end").any())
        .filter(~pl.col("legible") & pl.col("ended"))
        .select(pl.len())
        .collect()
    )
    sealed = each.item()
    if not sealed or not any("TLS" in remark for read in inputs for remark in read.remarks):
        return []
    return [
        f"- of {plural(sealed, 'connection')} only times, sizes and ends are legible (TLS); "
        f"{collecting.keys()} opens them"
    ]


def _client(story: Story, inputs: Collection[Input], stacks: Collection[str]) -> list[str]:
    """Connections that the same page's log tells and a HAR does not, as it began too late."""
    lines = []
    hars = {read.source: read for read in inputs if read.format == "har"}
    opened = (
        story.signs.filter(BY_CLIENT & (pl.col("kind") == "open"))
        .select(pl.col("source").cast(pl.String), "session", "ts")
        .collect()
    )
    for name in hars:
        mine = opened.filter(pl.col("source") == name)
        # Of the same page is what tells some of the connections that the HAR has.
        beside = opened.filter(pl.col("source") != name).join(mine, on="session", how="semi")
        others = opened.filter(
            (pl.col("source") != name) & pl.col("source").is_in(beside["source"].implode())
        ).join(mine, on="session", how="anti")
        began = mine["ts"].min()
        early = others.filter(pl.col("ts") < began) if began is not None else others.clear()
        if len(early):
            lines.append(
                f"- `{name}` begins after {plural(early['session'].n_unique(), 'connection')} had "
                "opened: DevTools shows only what opens while it is open"
            )
    return lines


def apart(sessions: int, stacks: Collection[str]) -> list[str]:
    """How many connections nothing ties to those of another source, and what would."""
    if not sessions:
        return []
    return [
        f"- {plural(sessions, 'connection')} may each be one that another source tells of: nothing "
        f"says which, and they are left apart; {collecting.names(stacks)}"
    ]


def nothing(place: str, stacks: Collection[str]) -> str:
    """What to say of a place that no source tells of."""
    words: Mapping[str, str] = {
        "server_logs": "No server or proxy log in this evidence. " + collecting.server_log(stacks),
        "network": "No capture in this evidence: the wire was not seen. " + collecting.capture(),
        "client": "No client log, HAR or console in this evidence. " + collecting.client(),
    }
    return words[place]
