"""Read the frames of a transcript in whole columns: `frame_transcript.py` for most of its lines.

Messages, pings and pongs change nothing of what is known about connections, so between two lines
that do – a handshake, a close – all frames belong to the same one, or to nobody knows which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from wsdiag.event import EVENTS, Dir, Kind, Vantage
from wsdiag.sources.blocks.row_columns import once_each
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.context.stack_marks import STACK_MARKS
from wsdiag.sources.formats.line_format import Format, Gates
from wsdiag.sources.line import line_head
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.stamp_columns import times
from wsdiag.sources.line.wrapper import Unwrapper
from wsdiag.sources.line_by_line import frame_text
from wsdiag.sources.line_by_line.frame_transcript import LINE

_FRAME = (
    r"(?:[<>] (?:TEXT\b.*|BINARY\b.*|(?:PING|PONG)(?: [0-9a-f]{2}){0,125}) "
    r"\[(?:binary, |text, )?[0-9]{1,15} bytes?\]|% (?:sent|received) keepalive p[io]ng\b.*)$"
)
_IS_FRAME = re.compile(_FRAME)
_TALK = r"(?:[<>] |= connection is ).*\S$"
_FIGURE = re.compile(r"\d")
_MAY_HIDE = r"(?:26|3f) .. 3d|[57]0 [57]7 3[ad]|^(?:.. ){4}"
"""Payloads, in hexadecimal, in which a secret might stand. In four bytes that can only be a value
of a query (`&a=b`, `?a=b`) or of the shortest name of a password (`pw=a`, `pw:a`)."""

_DIGITS = 15
_SIZE_CHARS = _DIGITS + len(" bytes]")
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
        return self._begun + _FRAME

    @property
    def talk(self) -> str:
        """What each line matches that begins so and tells a header, a frame or a state."""
        return self._begun + _TALK

    @property
    def _begun(self) -> str:
        return "^" + _FIGURE.sub("[0-9]", re.escape(self.head))


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
        framed = plain & lines.str.contains(shape.pattern)
        others = (plain & ~framed).arg_true()
        talk = others.filter(lines.gather(others).str.contains(shape.talk))
        places = framed.clone().scatter(talk, True).arg_true()
        texts = lines.gather(places)
        quiet = ~_loud(shape, texts, gates, last)
        texts, places = texts.filter(quiet), places.filter(quiet)
        begin, end = shape.stamp.start, shape.stamp.stop
        self._times = times(texts.str.slice(begin, end - begin), clock)
        known = self._times.at.is_not_null()
        texts, places, at = texts.filter(known), places.filter(known), self._times.at.filter(known)
        is_frame = framed.gather(places)
        self._texts, self._at = texts.filter(is_frame), at.filter(is_frame)
        self._places = places.filter(is_frame).cast(pl.Int64).to_numpy()
        told = texts.filter(~is_frame).str.slice(shape.said)
        self._talk = dict(
            zip(places.filter(~is_frame), zip(told, at.filter(~is_frame), strict=True), strict=True)
        )
        self._mark = self._texts.str.slice(len(shape.head), 1)
        self._telling = (self._mark != "%").to_numpy()
        self._told = np.cumsum([False, *self._telling])
        self._of_run = np.full(len(self._places), -1)
        self._runs: list[Row] = []
        settled = np.zeros(len(lines) + 1, np.bool_)
        settled[self._places] = True
        self.unsettled = np.flatnonzero(~settled).tolist()

    def talk(self, at: int) -> tuple[str, datetime] | None:
        """What a line says behind its head, and when, where it is no frame but of the shape."""
        return self._talk.get(at)

    def heard(self, instant: datetime) -> None:
        """Such lines were read, the last at this moment."""
        self._clock.passed(instant, self._times.resolution_ms, self._times.assumed)

    def pass_over(self, begin: int, end: int) -> tuple[int, Row]:
        """Pass over lines; how many of them have a frame, and what the rows of these share."""
        first, behind = map(int, np.searchsorted(self._places, (begin, end)))
        last = self._at[behind - 1]
        self.heard(last)
        self._of_run[first:behind] = len(self._runs)
        run: Row = {"ts": last}
        self._runs.append(run)
        return int(self._told[behind] - self._told[first]), run

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
                "bytes": _sizes(said),
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
        if not late:
            continue
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
    """True for a line that a format may read, or that tells of a program.

    What is looked for stands in the beginning that all lines share, or is a number, which stands
    everywhere; or it is found in one search for all of it behind the beginning.
    """
    marks = [mark for mark in STACK_MARKS if mark not in shape.head]
    needs = [need for gate in gates for need in gate.needs]
    begun = _FIGURE.sub("0", shape.head)
    signs = [
        sign
        for sign in (*marks, *needs)
        if _FIGURE.sub("0", sign) not in begun and not sign.strip().isdigit()
    ]
    overlap = max(map(len, signs)) - 1
    behind = texts.str.slice(max(len(shape.head) - overlap, 0))
    places = behind.str.contains_any(signs).arg_true()
    some = texts.gather(places)
    found = some.str.contains_any(marks)
    loud = pl.repeat(False, len(texts), eager=True)
    standing = pl.DataFrame(
        {
            "line": pl.int_range(len(some), eager=True),
            "need": some.str.extract_many(needs, overlapping=True),
        }
    ).explode("need")
    by_need = standing.partition_by("need", as_dict=True)
    for gate, start in zip(gates, (0, shape.said), strict=True):
        for made in gate.formats:
            if not all(need in signs for need in made.needs):
                loud |= made.gate.matches(texts.str.slice(start) if start else texts)
                continue
            lines = [by_need[need,]["line"] for need in made.needs if (need,) in by_need]
            if lines:
                wanted = pl.concat(lines).unique()
                hit = made.gate.matches(some.gather(wanted).str.slice(start))
                found = found.scatter(wanted.filter(hit), True)
    loud = loud.scatter(places.filter(found), True)
    return loud | last.gate.matches(texts) if last else loud


def _sizes(said: pl.Series) -> npt.NDArray[np.int64]:
    """The numbers that stand before `bytes]` or `byte]`, where the texts end."""
    ends = said.str.tail(_SIZE_CHARS).str.pad_start(_SIZE_CHARS).str.join("").item()
    chars = np.frombuffer(ends.encode(), np.uint8).reshape(-1, _SIZE_CHARS)
    lines = np.arange(len(chars))
    last = np.where(chars[:, -2] == ord("s"), _DIGITS, _DIGITS + 1) - 1
    sizes, goes_on = np.zeros(len(chars), np.int64), np.ones(len(chars), np.bool_)
    for place in range(_DIGITS):
        figures = chars[lines, last - place].astype(np.int64) - ord("0")
        goes_on &= (figures >= 0) & (figures <= 9)
        if not goes_on.any():
            break
        sizes += np.where(goes_on, figures * 10**place, 0)
    return sizes


def _payloads(said: pl.Series) -> pl.Series:
    """The payloads of pings and pongs in hexadecimal, as they may be shown; null without one."""
    pings = said.str.starts_with("P")
    spaced = said.filter(pings).str.slice(5).str.splitn(" [", 2).struct.field("field_0")
    spaced = spaced.set(spaced.str.starts_with("["), None)
    hides = spaced.str.contains(_MAY_HIDE).fill_null(False)
    shown = once_each(spaced.filter(hides), lambda text, _: frame_text.payload(text))
    plain = spaced.str.replace_all(" ", "", literal=True).scatter(hides.arg_true(), shown)
    return (
        pl.Series([None], dtype=pl.String)
        .new_from_index(0, len(said))
        .scatter(pings.arg_true(), plain)
    )
