"""From paths to events on one clock, each with the identity of its connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import polars as pl

from wsdiag import clocks, connections, progress, rotation, sessions, sources
from wsdiag.config import Config
from wsdiag.connections import Story
from wsdiag.event import EVENTS, events, ordered
from wsdiag.evidence import Found, InputFile, Reading
from wsdiag.redact import sanitise

MAX_SAID = 20
"""Inputs named in the message that nothing was usable."""


class NoEvidence(Exception):  # noqa: N818 – it is named as users are told
    """Nothing usable was found; the text tells the user why."""


class Covered(NamedTuple):
    """What an input's events cover, by its own clock."""

    events: int
    first: datetime | None
    last: datetime | None


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: inputs and their readings in the same order, and all events together.

    `events` has the columns of EVENTS, but `source` as an Enum of the inputs' names; the readings'
    own events are gone. `covered` and `clocks` are by input; `broken` holds what contradicts them,
    as `clocks.contradictions`. `since` and `until` bound the events.
    """

    inputs: list[InputFile]
    readings: list[Reading]
    problems: list[str]
    events: pl.DataFrame
    since: datetime | None
    until: datetime | None
    covered: dict[str, Covered]
    clocks: dict[str, clocks.Clock]
    broken: pl.DataFrame

    @property
    def formats(self) -> dict[str, str]:
        """What each input is, by its name."""
        told = zip(self.inputs, self.readings, strict=True)
        return {item.name: reading.format for item, reading in told}

    @property
    def stacks(self) -> frozenset[str]:
        """The programs in use, as all inputs tell."""
        return frozenset().union(*(reading.stacks for reading in self.readings))

    def story(self) -> Story:
        """The events with what is drawn from them, each made once: every detector reads the table,
        most the signs, and several the round trips."""
        told = zip(self.inputs, self.readings, strict=True)
        doubtful = {item.name: reading.doubtful for item, reading in told if reading.doubtful}
        table = connections.table(self.events, doubtful)
        events = self.events.lazy()
        drawn = [connections.signs(events), connections.round_trips(events)]
        signs, trips = pl.collect_all(drawn, engine="in-memory")
        return Story(
            events=events, signs=signs.lazy(), connections=table.lazy(), trips=trips.lazy()
        )


def gather(found: Found, config: Config) -> Gathered:
    """Read every input, align the clocks, cut to the window asked for, find the sessions.

    Raises `NoEvidence` when no event is left, or the reference that was asked for is none.
    """
    readings = _readings(found.inputs, config)
    read = _together(found.inputs, readings)
    if read.is_empty():
        raise NoEvidence(_nothing(found, readings))
    steps = {
        item.name: reading.resolution_ms
        for item, reading in zip(found.inputs, readings, strict=True)
    }
    covered = _covered(found.inputs, readings)
    # Of the events one copy is enough: each is given free when the next is made.
    readings = [msgspec.structs.replace(reading, events=read.clear()) for reading in readings]
    rotated = rotation.logs({name: span.last for name, span in covered.items()})
    whole = {name: files[-1] for files in rotated for name in files}
    asked = _reference(found, config)
    reference = whole.get(asked, asked) if asked else None
    lengths = rotation.lengths(read)
    aligned, offsets = clocks.align(rotation.as_one(read, rotated), steps, reference)
    del read
    broken = clocks.contradictions(aligned, offsets)
    offsets |= {name: offsets[files[-1]] for files in rotated for name in files}
    last = aligned["ts"].max()
    since, until = _moment(config.since, last), _moment(config.until, last)
    inside = _within(aligned, since, until)
    del aligned
    if inside.is_empty():
        raise NoEvidence("no event lies between --since and --until")
    return Gathered(
        inputs=found.inputs,
        readings=readings,
        problems=found.problems,
        events=ordered(rotation.as_files(sessions.identify(inside), rotated, lengths)),
        since=since,
        until=until,
        covered=covered,
        clocks=offsets,
        # Places in a rotated log went on from file to file: they would point to the wrong one.
        broken=broken.filter(~pl.any_horizontal(pl.col("source", "against").is_in(sorted(whole)))),
    )


def _reference(found: Found, config: Config) -> str | None:
    """The input whose clock the user wants all others to be on; any end of its path names it."""
    asked = config.reference
    if asked is None:
        return None
    named = [item.name for item in found.inputs if f"/{item.name}".endswith(f"/{asked}")]
    if len(named) != 1:
        which = "several inputs have" if named else "no input has"
        raise NoEvidence(f"--reference {asked}: {which} this name")
    return named[0]


def _readings(inputs: Sequence[InputFile], config: Config) -> list[Reading]:
    """What each input says, as far as it was read when the user had enough."""
    far, readings = progress.current(), list[Reading]()
    sizes = [item.path.stat().st_size for item in inputs]
    far.total = sum(sizes)
    for item, size in zip(inputs, sizes, strict=True):
        if far.stopped:
            remark = "interrupted before it was read"
            readings.append(
                Reading(format="unknown", vantage=None, events=events([]), remarks=(remark,))
            )
            continue
        far.begin(item.name)
        before = far.read
        reading = sources.read(item, config)
        if far.is_cut:
            share = (far.read - before) / max(size, 1)
            remark = f"interrupted: {share:.0%} of it was read"
            reading = msgspec.structs.replace(reading, remarks=(*reading.remarks, remark))
        readings.append(reading)
        far.end(size)
    return readings


def _together(inputs: Sequence[InputFile], readings: Sequence[Reading]) -> pl.DataFrame:
    """The events of all inputs, each under its input's name."""
    if not inputs:
        return pl.DataFrame(schema=EVENTS)
    names = pl.Enum(sorted(item.name for item in inputs))
    frames = [reading.events.lazy() for reading in readings]
    counts = pl.concat(pl.collect_all([frame.select(pl.all().count()) for frame in frames]))
    # A column without values takes no memory, and no time when rows are moved.
    empty = [name for name in EVENTS if name == "source" or not counts[name].sum()]
    plans = [
        frame.drop(empty).with_columns(source=pl.lit(item.name, names))
        for item, frame in zip(inputs, frames, strict=True)
    ]
    # In memory the columns stay as they are; streamed, they would come in pieces, to be copied.
    whole = pl.concat(pl.collect_all(plans, engine="in-memory"))
    nothing = {name: pl.lit(None, EVENTS[name]) for name in empty if name != "source"}
    return whole.with_columns(**nothing).select(EVENTS.names())


def _covered(inputs: Sequence[InputFile], readings: Sequence[Reading]) -> dict[str, Covered]:
    frames = {
        item.name: reading.events.select("ts").lazy()
        for item, reading in zip(inputs, readings, strict=True)
    }
    ts = pl.col("ts")
    spans = [
        frame.select(pl.len(), ts.min().alias("first"), ts.max().alias("last"))
        for frame in frames.values()
    ]
    rows = [span.row(0) for span in pl.collect_all(spans)]
    return {name: Covered(*row) for name, row in zip(frames, rows, strict=True) if row[0]}


def _moment(asked: datetime | float | None, last: object) -> datetime | None:
    """The time asked for, which may be so many seconds from the last event."""
    if asked is None or isinstance(asked, datetime):
        return asked
    return last + timedelta(seconds=asked) if isinstance(last, datetime) else None


def _within(events: pl.DataFrame, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    ts = pl.col("ts")
    if since is not None:
        events = events.filter((ts >= since).fill_null(True))
    if until is not None:
        events = events.filter((ts <= until).fill_null(True))
    return ordered(events)


def _nothing(found: Found, readings: Sequence[Reading]) -> str:
    said = [sanitise(problem) for problem in found.problems]
    for item, reading in zip(found.inputs, readings, strict=True):
        why = "; ".join((*item.remarks, *reading.remarks)) or "nothing about WebSocket connections"
        said.append(f"{item.name}: {sanitise(why)}")
    return "no usable evidence\n" + "\n".join(f"  {line}" for line in said[:MAX_SAID])
