"""Read the frames of a transcript in whole columns: `frame_transcript.py` for most of its lines.

Messages, pings and pongs change nothing of what is known about connections, so between two lines
that do – a handshake, a close – all frames belong to the same one, or to nobody knows which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from wsdiag.event import EVENTS, Dir, Kind, Vantage
from wsdiag.sources import frame_text, line_head
from wsdiag.sources.frame_transcript import LINE
from wsdiag.sources.line_clock import Clock
from wsdiag.sources.line_format import Format, Gates
from wsdiag.sources.line_wrapper import Unwrapper
from wsdiag.sources.open_connections import Row
from wsdiag.sources.row_columns import once_each
from wsdiag.sources.stack_marks import STACK_MARKS
from wsdiag.sources.time_columns import times

_SIZE = r"\[(?:binary, |text, )?(\d{1,15}) bytes?\]$"
_FRAME = (
    r"(?:[<>] (?:TEXT\b.*|BINARY\b.*|(?:PING|PONG)(?: [0-9a-f]{2}){0,125}) "
    r"\[(?:binary, |text, )?\d{1,15} bytes?\]|% (?:sent|received) keepalive p[io]ng\b.*)$"
)
_IS_FRAME = re.compile(_FRAME)
_MAY_HIDE = r"\b(?:25|3a|3d|5c)\b|^(?:.. ){4}"
"""Payloads, in hexadecimal, in which a secret might stand: shorter ones have a `=`, a `:` or an
escape."""

_SIZE_CHARS = 40
_SHARED = {"conn", "ts"}
_KINDS = {"TEXT": Kind.MESSAGE, "BINA": Kind.MESSAGE, "PING": Kind.PING, "PONG": Kind.PONG}


class Shape(NamedTuple):
    """How the lines of a transcript begin: up to the mark, with the logger's name at `said`."""

    head: str
    said: int
    stamp: slice
    client: bool

    @property
    def pattern(self) -> str:
        """What each line with a frame matches whose beginning differs in its digits only."""
        return "^" + re.sub(r"\d", lambda _: r"\d", re.escape(self.head)) + _FRAME


def shape_of(line: str) -> Shape | None:
    """How a line with a frame begins; None where it is none, or does not say who wrote it when."""
    if not _IS_FRAME.search(line):
        return None
    peeled = Unwrapper().peel(line)
    head = line_head.part(line)
    found = LINE.match(head.message)
    if not (found and found["logger"] and peeled and peeled.text == line and head.stamp):
        return None
    said = len(line) - len(head.message)
    width = said + found.start("mark")
    if not line.endswith(head.message) or not _IS_FRAME.match(line, width):
        return None
    stamp = slice(head.stamp.start, head.stamp.end)
    return Shape(line[:width], said, stamp, "client" in found["logger"])


class FrameColumns:
    """The lines of one block with frames, of one shape."""

    def __init__(
        self,
        shape: Shape,
        lines: pl.Series,
        plain: pl.Series,
        clock: Clock,
        gates: Sequence[Gates],
        last: Format | None,
    ) -> None:
        """`gates`: the formats that may read a line otherwise; by line first, then by message."""
        self.shape, self._clock = shape, clock
        places = (plain & lines.str.contains(shape.pattern)).arg_true()
        texts = lines.gather(places)
        quiet = ~_loud(shape, texts, gates, last)
        texts, places = texts.filter(quiet), places.filter(quiet)
        begin, end = shape.stamp.start, shape.stamp.stop
        self._times = times(texts.str.slice(begin, end - begin), clock)
        known = self._times.at.is_not_null()
        self._texts, self._at = texts.filter(known), self._times.at.filter(known)
        self._places = places.filter(known).cast(pl.Int64).to_numpy()
        self._mark = self._texts.str.slice(len(shape.head), 1)
        self._telling = (self._mark != "%").to_numpy()
        self._of_run = np.full(len(self._places), -1)
        self._runs: list[Row] = []
        settled = np.zeros(len(lines) + 1, np.bool_)
        settled[self._places] = True
        self.unsettled = np.flatnonzero(~settled).tolist()

    def pass_over(self, begin: int, end: int) -> tuple[int, Row]:
        """Pass over lines; how many of them have a frame, and what the rows of these share."""
        first, behind = map(int, np.searchsorted(self._places, (begin, end)))
        self._clock.passed(self._at[behind - 1], self._times.resolution_ms, self._times.zoned)
        self._of_run[first:behind] = len(self._runs)
        self._runs.append({"ts": self._at[behind - 1]})
        return int(self._telling[first:behind].sum()), self._runs[-1]

    def message(self, line: str) -> str:
        """What a line says behind its head."""
        return line[self.shape.said :]

    def rows(self, first: int) -> tuple[pl.DataFrame, list[Row]]:
        """The event rows of the frames passed over, in runs: `conn` is the number of the run."""
        which = self._telling & (self._of_run >= 0)
        texts, mark = self._texts.filter(which), self._mark.filter(which)
        said = texts.str.slice(len(self.shape.head) + 2)
        sent, received = (Dir.C2S, Dir.S2C) if self.shape.client else (Dir.S2C, Dir.C2S)
        made = pl.DataFrame(
            {
                "ts": self._at.filter(which),
                "pos": self._places[which] + first,
                "run": self._of_run[which],
                "kind": _chosen(said.str.slice(0, 4), _KINDS, EVENTS["kind"]),
                "dir": _chosen(mark, {">": sent, "<": received}, EVENTS["dir"]),
                "bytes": said.str.tail(_SIZE_CHARS).str.extract(_SIZE, 1).cast(pl.Int64),
                "trace": _payloads(said),
            }
        )
        side = Vantage.CLIENT if self.shape.client else Vantage.SERVER
        return made.with_columns(vantage=pl.lit(side, EVENTS["vantage"])), self._runs


def named(frame: pl.DataFrame, runs: Sequence[Row]) -> pl.DataFrame:
    """The rows of runs with the connections that these turned out to belong to."""
    conns = pl.Series([run.get("conn") for run in runs], dtype=pl.String)
    made = frame.with_columns(conn=conns.gather(frame["run"]))
    for number, run in enumerate(runs):
        late = {name: run[name] for name in run.keys() - _SHARED}
        last = (pl.col("run") == number) & pl.col("run").shift(-1).ne_missing(number)
        for name, value in late.items():
            before = pl.col(name) if name in made.columns else pl.lit(None, EVENTS[name])
            added = pl.when(last & before.is_null()).then(pl.lit(value, EVENTS[name]))
            made = made.with_columns(added.otherwise(before).alias(name))
    missing = {name: pl.lit(None, kind) for name, kind in EVENTS.items() if name not in made}
    return made.with_columns(**missing).select(EVENTS.names())


def _chosen(texts: pl.Series, of: Mapping[str, str], kind: pl.DataType) -> pl.Series:
    """What each of few texts stands for."""
    names = pl.Enum(list(of))
    known = pl.Series(list(of.values()), dtype=kind)
    return known.gather(texts.cast(names).to_physical())


def _loud(shape: Shape, texts: pl.Series, gates: Sequence[Gates], last: Format | None) -> pl.Series:
    """True for a line that a format may read, or that tells of a program."""
    loud = texts.str.contains_any([mark for mark in STACK_MARKS if mark not in shape.head])
    for gate, part in zip(gates, (texts, texts.str.slice(shape.said)), strict=True):
        always = [made for made in gate.formats if any(map(shape.head.__contains__, made.needs))]
        for made in always:
            loud |= made.gate.matches(part)
        others = [made for made in gate.formats if made not in always]
        needs = [need for made in others for need in made.needs]
        places = part.str.contains_any(needs).arg_true()
        some = part.gather(places)
        there = set(some.str.extract_many(needs, overlapping=True).explode().unique())
        for made in others:
            if not there.isdisjoint(made.needs):
                hit = some.str.contains_any(list(made.needs)) & made.gate.matches(some)
                loud = loud.scatter(places.filter(hit), True)
    return loud | last.gate.matches(texts) if last else loud


def _payloads(said: pl.Series) -> pl.Series:
    """The payloads of pings and pongs in hexadecimal, as they may be shown; null without one."""
    pings = said.str.starts_with("P")
    spaced = said.filter(pings).str.slice(5).str.extract("^([0-9a-f ]+) ", 1)
    hides = spaced.str.contains(_MAY_HIDE).fill_null(False)
    shown = once_each(spaced.filter(hides), lambda text, _: frame_text.payload(text))
    plain = spaced.str.replace_all(" ", "", literal=True).scatter(hides.arg_true(), shown)
    return (
        pl.Series([None], dtype=pl.String)
        .new_from_index(0, len(said))
        .scatter(pings.arg_true(), plain)
    )
