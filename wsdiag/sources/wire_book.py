"""The rows of one capture while it is read, and what is counted beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from wsdiag.capture.batch import Ints
from wsdiag.capture.payload import Masking
from wsdiag.event import EVENTS, Kind, Vantage
from wsdiag.redact import Redactor

BATCH_ROWS = 50_000
"""Rows are packed into a frame in batches of this size, to bound memory."""

_END_US = 253_402_300_800_000_000  # the year 10000, which no datetime reaches
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Book:
    """The rows of one capture, and what is counted beside them."""

    def __init__(self, source: str) -> None:
        self.redactor = Redactor()
        self.mask = Masking(self.redactor)
        self.encrypted = self.unreadable = self.lost_bytes = self.lossy = 0
        self.turn = 0  # of the rows that are added: when what they tell of happened
        self._source = source
        self._rows: list[dict[str, object]] = []
        self._turns: list[int] = []
        self._packed: list[pl.DataFrame] = []

    def add(self, what: Kind, pos: int, ts: int, **columns: object) -> None:
        """Note a row; `ts` in µs since 1970, negative where the capture has no time."""
        self._rows.append({"ts": _moment(ts), "pos": pos, "kind": what, **columns})
        self._turns.append(self.turn)
        if len(self._rows) >= BATCH_ROWS:
            self.pack()

    def add_many(self, rows: pl.DataFrame) -> None:
        """Note rows with columns of EVENTS and `turn`: put them in turn with those not packed."""
        both = pl.concat([self._frame(), rows], how="diagonal")
        self._packed.append(both.sort("turn", maintain_order=True).drop("turn"))

    def pack(self) -> None:
        """Put the rows away that were added one by one, in the order in which they were."""
        if self._rows:
            self._packed.append(self._frame().drop("turn"))

    def frame(self) -> pl.DataFrame:
        """All rows in the order of time."""
        self.pack()
        empty = pl.DataFrame(schema=EVENTS).drop("source", "vantage")
        rows = pl.concat([empty, *self._packed], how="diagonal")
        self._packed.clear()
        return (
            rows.sort("ts", "pos", maintain_order=True)
            .with_columns(
                source=pl.lit(self._source, EVENTS["source"]),
                vantage=pl.lit(Vantage.NETWORK, EVENTS["vantage"]),
            )
            .select(EVENTS.names())
        )

    def remarks(self) -> list[str]:
        """What was not readable, in words."""
        said = []
        if self.lossy:
            said.append(
                f"{self.lost_bytes} bytes of {self.lossy} WebSocket connections are missing in the "
                "capture; frames in and right behind a gap are not read"
            )
        if self.encrypted:
            said.append(
                f"{self.encrypted} connections are encrypted (TLS): what they carry is not read"
            )
        if self.unreadable:
            said.append(f"{self.unreadable} connections carry HTTP that cannot be read")
        return said

    def _frame(self) -> pl.DataFrame:
        """The rows that were added one by one, with those columns that they have."""
        names = [name for name in EVENTS if any(name in row for row in self._rows)]
        columns = {name: [row.get(name) for row in self._rows] for name in names}
        schema = {name: EVENTS[name] for name in names}
        turn = pl.Series("turn", self._turns, pl.Int64)
        frame = pl.DataFrame(columns, schema=schema, strict=True).with_columns(turn)
        self._rows.clear()
        self._turns.clear()
        return frame


def moments(us: Ints) -> pl.Series:
    """The same for many times."""
    known = (us >= 0) & (us < _END_US)
    return pl.Series(np.where(known, us, 0)).cast(EVENTS["ts"]).set(pl.Series(~known), None)


def _moment(us: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=us) if us >= 0 else None
    except OverflowError:
        return None
