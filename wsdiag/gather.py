"""From paths to events on one clock, each with the identity of its connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import polars as pl

from wsdiag import clocks, connections, evidence, parts, progress, rotation, sessions, sources
from wsdiag.config import Config
from wsdiag.connections import Story
from wsdiag.event import EVENTS, events
from wsdiag.evidence import Found, InputFile, Reading
from wsdiag.redact import sanitise
from wsdiag.sources.templates import shared_book

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

    `parts` hold the events in the total order, those of a rotated log under one source: `logs`
    tells its files. They have the columns of EVENTS, but `source` as an Enum of the inputs' names;
    the readings' own events are gone. `covered` and `clocks` are by input; `broken` holds what
    contradicts them, as `clocks.contradictions`. `since` and `until` bound the events.
    """

    inputs: list[InputFile]
    readings: list[Reading]
    problems: list[str]
    parts: parts.Parts
    logs: rotation.Logs
    since: datetime | None
    until: datetime | None
    covered: dict[str, Covered]
    clocks: dict[str, clocks.Clock]
    broken: pl.DataFrame

    @property
    def events(self) -> pl.LazyFrame:
        """All events, each under its own file."""
        return pl.concat(self._filed())

    def _filed(self) -> list[pl.LazyFrame]:
        return [self.logs.as_files(part) for part in self.parts]

    @property
    def formats(self) -> dict[str, str]:
        """What each input is, by its name."""
        told = zip(self.inputs, self.readings, strict=True)
        return {item.name: reading.format for item, reading in told}

    @property
    def stacks(self) -> frozenset[str]:
        """The programs in use, as all inputs tell."""
        return frozenset().union(*(reading.stacks for reading in self.readings))

    def story(self, *, by_file: bool = False) -> Story:
        """The events with what is drawn from them, each made once: every detector reads the table,
        most the signs, and several the round trips. `by_file`: as if no files were one log.
        """
        doubtful: dict[str, frozenset[int]] = {}
        for item, reading in zip(self.inputs, self.readings, strict=True):
            if reading.doubtful:
                name = item.name if by_file else self.logs.whole.get(item.name, item.name)
                doubtful[name] = doubtful.get(name, frozenset[int]()) | reading.doubtful
        events = self._filed() if by_file else self.parts
        return connections.told(events, doubtful, evidence.keep)


def gather(found: Found, config: Config) -> Gathered:
    """Read every input, align the clocks, cut to the window asked for, find the sessions.

    Raises `NoEvidence` when no event is left, or the reference that was asked for is none.
    """
    readings, runs = _readings(found.inputs, config)
    covered = _covered(found.inputs, readings)
    count = sum(span.events for span in covered.values())
    if not count:
        raise NoEvidence(_nothing(found, readings))
    read = _together(found.inputs, readings, count)
    steps = {
        item.name: reading.resolution_ms
        for item, reading in zip(found.inputs, readings, strict=True)
    }
    # Of the events one copy is enough: each is given free when the next is made.
    nothing = events([])
    readings = [msgspec.structs.replace(reading, events=nothing) for reading in readings]
    logs = rotation.Logs([*_rotated(covered, runs, read), *runs], read)
    asked = _reference(found, config)
    reference = logs.whole.get(asked, asked) if asked else None
    read = logs.as_one(read)
    zoneless = {
        logs.whole.get(item.name, item.name)
        for item, reading in zip(found.inputs, readings, strict=True)
        if reading.zoneless
    }
    aligned, offsets = clocks.align(clocks.telling(read), steps, reference, zoneless)
    broken = clocks.contradictions(aligned, offsets)
    del aligned
    read = clocks.moved(read, offsets)
    # A rotated capture may hold no WebSocket, and so have no clock.
    offsets |= {name: offsets[whole] for name, whole in logs.whole.items() if whole in offsets}
    last = read.select(pl.col("ts").max()).collect(engine="in-memory").item()
    since, until = _moment(config.since, last), _moment(config.until, last)
    inside = parts.in_order(_within(read, since, until), count)
    del read
    if not any(part.select(pl.len()).collect(engine="in-memory").item() for part in inside):
        raise NoEvidence("no event lies between --since and --until")
    return Gathered(
        inputs=found.inputs,
        readings=readings,
        problems=found.problems,
        parts=parts.kept(sessions.identified(inside), count),
        logs=logs,
        since=since,
        until=until,
        covered=covered,
        clocks=offsets,
        broken=broken,
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


def _readings(inputs: Sequence[InputFile], config: Config) -> tuple[list[Reading], list[list[str]]]:
    """What each input says, as far as it was read when the user had enough; and the names of the
    files that were read as one, in turn."""
    progress.current().total = sum(item.path.stat().st_size for item in inputs)
    runs = list(_runs(inputs, config))
    told = {name: reading for run in runs for name, reading in run.items()}
    with shared_book.shared():
        readings = [told.get(item.name) or _reading(item, config) for item in inputs]
    return readings, [[*run] for run in runs if len(run) > 1]


def _runs(inputs: Sequence[InputFile], config: Config) -> Iterator[dict[str, Reading]]:
    """The readings of files that may be of one capture, by name: together those that are."""
    for group in sources.in_turn(inputs):
        rest = group
        while len(rest) > 1 and not progress.current().stopped:
            told = sources.read_in_turn(rest, config)
            yield {item.name: reading for item, reading in zip(rest, told, strict=False)}
            rest = rest[len(told) :]


def _reading(item: InputFile, config: Config) -> Reading:
    far, size = progress.current(), item.path.stat().st_size
    if far.stopped:
        remark = "interrupted before it was read"
        return Reading(format="unknown", vantage=None, events=events([]), remarks=(remark,))
    far.begin(item.name)
    before = far.read
    reading = sources.read(item, config)
    if far.is_cut:
        remark = f"interrupted: {(far.read - before) / max(size, 1):.0%} of it was read"
        reading = msgspec.structs.replace(reading, remarks=(*reading.remarks, remark))
    far.end(size)
    return reading


def _rotated(
    covered: Mapping[str, Covered], runs: Sequence[list[str]], read: pl.LazyFrame
) -> list[list[str]]:
    """The files of each rotated log; those of `runs` are known to be one each."""
    known = {name for files in runs for name in files}
    spans = {name: (it.first, it.last) for name, it in covered.items() if name not in known}
    return rotation.found(spans, read)


def _together(inputs: Sequence[InputFile], readings: Sequence[Reading], count: int) -> pl.LazyFrame:
    """The events of all inputs, each under its input's name; where there are not many, in memory
    and without a copy elsewhere."""
    names = pl.Enum(sorted(item.name for item in inputs))
    frames = [reading.events.lazy() for reading in readings]
    counts = pl.concat(pl.collect_all([frame.select(pl.all().count()) for frame in frames]))
    # A column without values takes no memory, and no time when rows are moved.
    empty = [name for name in EVENTS if name == "source" or not counts[name].sum()]
    plans = [
        frame.drop(empty).with_columns(source=pl.lit(item.name, names))
        for item, frame in zip(inputs, frames, strict=True)
    ]
    if count <= parts.MANY:
        # In memory the columns stay as they are; streamed, they would come in pieces, to be copied.
        plans = [frame.lazy() for frame in pl.collect_all(plans, engine="in-memory")]
    nothing = {name: pl.lit(None, EVENTS[name]) for name in empty if name != "source"}
    return pl.concat(plans).with_columns(**nothing).select(EVENTS.names())


def _covered(inputs: Sequence[InputFile], readings: Sequence[Reading]) -> dict[str, Covered]:
    ts = pl.col("ts")
    spans = [
        reading.events.lazy().select(pl.len(), ts.min().alias("first"), ts.max().alias("last"))
        for reading in readings
    ]
    rows = [span.row(0) for span in pl.collect_all(spans)]
    told = zip(inputs, rows, strict=True)
    return {item.name: Covered(*row) for item, row in told if row[0]}


def _moment(asked: datetime | float | None, last: object) -> datetime | None:
    """The time asked for, which may be so many seconds from the last event."""
    if asked is None or isinstance(asked, datetime):
        return asked
    return last + timedelta(seconds=asked) if isinstance(last, datetime) else None


def _within(events: pl.LazyFrame, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    ts = pl.col("ts")
    if since is not None:
        events = events.filter((ts >= since).fill_null(True))
    if until is not None:
        events = events.filter((ts <= until).fill_null(True))
    return events


def _nothing(found: Found, readings: Sequence[Reading]) -> str:
    said, logs = [sanitise(problem) for problem in found.problems], 0
    for item, reading in zip(found.inputs, readings, strict=True):
        why = [*item.remarks, *reading.remarks]
        if reading.lines or not why:
            why.insert(0, "nothing about WebSocket connections")
        logs += reading.lines is not None and reading.lines.read > 0
        said.append(f"{item.name}: {sanitise('; '.join(why))}")
    said = said[:MAX_SAID]
    if logs:
        said.append("a log in words of its own can be taught: wsdiag formats new --from LOG")
    return "no usable evidence\n" + "\n".join(f"  {line}" for line in said)
