"""The rows of one capture while it is read, and what is counted beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from wsdiag.capture.payload import Masking
from wsdiag.event import EVENTS, Kind, Vantage, events
from wsdiag.redact import Redactor

BATCH_ROWS = 50_000
"""Rows are packed into a frame in batches of this size, to bound memory."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Book:
    """The rows of one capture, and what is counted beside them."""

    def __init__(self, source: str) -> None:
        self.redactor = Redactor()
        self.mask = Masking(self.redactor)
        self.encrypted = self.unreadable = self.lost_bytes = self.lossy = 0
        self._source = source
        self._rows: list[dict[str, object]] = []
        self._packed: list[pl.DataFrame] = []

    def add(self, what: Kind, pos: int, ts: int, **columns: object) -> None:
        """Note a row; `ts` in µs since 1970, negative where the capture has no time."""
        self._rows.append(
            {
                "ts": _moment(ts),
                "vantage": Vantage.NETWORK,
                "source": self._source,
                "pos": pos,
                "kind": what,
                **columns,
            }
        )
        if len(self._rows) >= BATCH_ROWS:
            self._pack()

    def frame(self) -> pl.DataFrame:
        """All rows in the order of time."""
        self._pack()
        return pl.concat([pl.DataFrame(schema=EVENTS), *self._packed]).sort(
            "ts", "pos", maintain_order=True
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

    def _pack(self) -> None:
        if self._rows:
            self._packed.append(events(self._rows))
            self._rows.clear()


def _moment(us: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=us) if us >= 0 else None
    except OverflowError:
        return None
