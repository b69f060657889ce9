"""From paths to events on one clock, each with the identity of its connection."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from wsdiag import clocks, sessions, sources
from wsdiag.config import Config
from wsdiag.event import EVENTS, ordered
from wsdiag.evidence import Found, InputFile, Reading
from wsdiag.redact import sanitise

MAX_SAID = 20
"""Inputs named in the message that nothing was usable."""


class NoEvidence(Exception):  # noqa: N818 – it is named as users are told
    """Nothing usable was found; the text tells the user why."""


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: inputs and their readings in the same order, and all events together."""

    inputs: list[InputFile]
    readings: list[Reading]
    problems: list[str]
    events: pl.DataFrame
    clocks: dict[str, clocks.Clock]


def gather(found: Found, config: Config) -> Gathered:
    """Read every input, align the clocks, cut to the window asked for, find the sessions.

    Raises `NoEvidence` when no event is left.
    """
    readings = [sources.read(item, config) for item in found.inputs]
    read = _together(found.inputs, readings)
    if read.is_empty():
        raise NoEvidence(_nothing(found, readings))
    steps = {
        item.name: reading.resolution_ms
        for item, reading in zip(found.inputs, readings, strict=True)
    }
    aligned, offsets = clocks.align(read, steps)
    asked = _within(aligned, config)
    if asked.is_empty():
        raise NoEvidence("no event lies between --since and --until")
    return Gathered(
        inputs=found.inputs,
        readings=readings,
        problems=found.problems,
        events=sessions.identify(asked),
        clocks=offsets,
    )


def _together(inputs: Sequence[InputFile], readings: Sequence[Reading]) -> pl.DataFrame:
    """The events of all inputs, each under its input's name."""
    frames = [
        reading.events.with_columns(source=pl.lit(item.name))
        for item, reading in zip(inputs, readings, strict=True)
        if len(reading.events)
    ]
    events = pl.concat(frames) if frames else pl.DataFrame(schema=EVENTS)
    # A column without values takes no memory, and no time when rows are moved.
    empty = [name for name in EVENTS if not events[name].count()]
    return events.with_columns(pl.lit(None, dtype=EVENTS[name]).alias(name) for name in empty)


def _within(events: pl.DataFrame, config: Config) -> pl.DataFrame:
    ts = pl.col("ts")
    if config.since is not None:
        events = events.filter((ts >= config.since).fill_null(True))
    if config.until is not None:
        events = events.filter((ts <= config.until).fill_null(True))
    return ordered(events)


def _nothing(found: Found, readings: Sequence[Reading]) -> str:
    said = [sanitise(problem) for problem in found.problems]
    for item, reading in zip(found.inputs, readings, strict=True):
        why = "; ".join((*item.remarks, *reading.remarks)) or "nothing about WebSocket connections"
        said.append(f"{item.name}: {sanitise(why)}")
    return "no usable evidence\n" + "\n".join(f"  {line}" for line in said[:MAX_SAID])
