"""The rows of one capture while it is read, and what is counted beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import polars as pl

from wsdiag import contents
from wsdiag.capture.http.http1 import BODY_BYTES
from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.tcp.streams import Connection, TcpFact
from wsdiag.capture.websocket.payload import Masking
from wsdiag.contents import Notebook
from wsdiag.event import EVENTS, Dir, Kind, Vantage
from wsdiag.redact import Redactor
from wsdiag.sources.wire import fronts
from wsdiag.sources.wire.echoes import Echoes
from wsdiag.sources.wire.encrypted import Encrypted

BATCH_ROWS = 50_000
"""Rows are packed into a frame in batches of this size, to bound memory."""

_END_US = 253_402_300_800_000_000  # the year 10000, which no datetime reaches


class Locked(Protocol):
    """A connection that keys may open."""

    conn: Connection

    @property
    def client(self) -> int:
        """The side that asks."""

    def reveal(self, facts: Sequence[TcpFact], /) -> None:
        """Read what was opened."""


class Book:
    """The rows of one capture, and what is counted beside them; a review's notebook, if any."""

    def __init__(self, source: str, notebook: Notebook | None = None) -> None:
        self.source, self.notebook = source, notebook
        self.begins: list[tuple[int, str]] = []  # of several files: the packets before, the name
        self.keep = BODY_BYTES if notebook is None else contents.BODY_BYTES  # of an HTTP body
        self.redactor = Redactor()
        self.mask = Masking(self.redactor)
        self.unreadable = self.lost_bytes = self.lossy = self.cut_http2 = 0
        self.encrypted = Encrypted()
        self.echoes = Echoes()
        self.keyed: list[Locked] | None = None  # to be opened; None: there are no keys
        self.turn = 0  # of the rows that are added: when what they tell of happened
        self._rows: list[dict[str, object]] = []
        self._round: list[pl.DataFrame] = []  # of this round, each row with its turn
        self._packed: list[pl.DataFrame] = []  # of the rounds before, each with its place instead
        self._places = 0

    def place(self, pos: int) -> tuple[str, int]:
        """The file that a packet stands in, and its number there."""
        for before, name in reversed(self.begins):
            if pos > before:
                return name, pos - before
        return self.source, pos

    def add(self, what: Kind, pos: int, ts: int, **columns: object) -> None:
        """Note a row; `ts` in µs since 1970, negative where the capture has no time."""
        self._rows.append({"ts": ts, "pos": pos, "kind": what, **columns, "turn": self.turn})
        if len(self._rows) >= BATCH_ROWS:
            self._pack()

    def add_many(self, *rows: pl.DataFrame) -> None:
        """Note rows with columns of EVENTS and `turn`."""
        self._pack()
        self._round.extend(rows)

    def next_round(self) -> None:
        """Turns begin anew: what is noted from now on comes later."""
        self._pack()
        self.turn, parts = 0, self._round
        if not parts:
            return
        turns = np.concatenate([part["turn"].to_numpy() for part in parts])
        places = np.empty(turns.size, np.uint32)
        places[np.argsort(turns, kind="stable")] = np.arange(turns.size) + self._places
        self._places += turns.size
        ends = np.cumsum([part.height for part in parts])
        for part, of in zip(parts, np.split(places, ends[:-1]), strict=True):
            self._packed.append(part.drop("turn").with_columns(place=pl.Series(of)))
        self._round = []

    def frame(self) -> pl.DataFrame:
        """All rows in the order of time, those of one packet in turn. The book is empty then."""
        self.next_round()
        order, columns = _order(self._packed), list[pl.Series]()
        # Column by column, each given free when it is moved: little is at hand twice.
        for name, dtype in EVENTS.items():
            if any(name in part.columns for part in self._packed):
                nothing = pl.Series(name, [None], dtype)
                pieces = [
                    part[name] if name in part.columns else nothing.new_from_index(0, part.height)
                    for part in self._packed
                ]
                self._packed = [part.drop(name, strict=False) for part in self._packed]
                # In one piece: of many, each row's would have to be looked for.
                column = pl.concat(pieces, rechunk=True)
                del pieces
                if column.null_count() < len(column):
                    columns.append(column.gather(order))
        self._packed.clear()
        rows = pl.DataFrame(columns) if columns else pl.DataFrame(schema=EVENTS)
        told = {"source": self.source, "vantage": Vantage.NETWORK}
        rows = rows.with_columns(
            pl.lit(told.get(name), dtype).alias(name)
            for name, dtype in EVENTS.items()
            if name not in rows.columns or name in told
        ).select(EVENTS.names())
        return self._with_fronts(_with_echoes(rows, self.echoes.timed()))

    def _with_fronts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows, with those of legs in TLS that a proxy hands on in clear."""
        more = fronts.rows(rows, self.encrypted.fronts)
        if not more:
            return rows
        self.encrypted.paired = len({row["conn"] for row in more})
        told = {"source": self.source, "vantage": Vantage.NETWORK}
        legs = pl.DataFrame([row | told for row in more], EVENTS)
        return pl.concat([rows, legs]).sort("ts", "pos", maintain_order=True)

    def remarks(self) -> list[str]:
        """What was not readable, in words."""
        said = []
        if self.lossy:
            said.append(
                f"{self.lost_bytes} bytes of {self.lossy} WebSocket connections are missing in the "
                "capture, lost or cut off (tcpdump -s 0 keeps whole packets): they are not read"
            )
        said += self.encrypted.remarks(self.place, self.redactor)
        if self.cut_http2:
            said.append(
                f"{self.cut_http2} connections over HTTP/2 that may carry WebSockets (RFC 8441) "
                "are not read behind bytes that are missing or broken: heads depend on all before"
            )
        if self.unreadable:
            said.append(f"{self.unreadable} connections carry HTTP that cannot be read")
        return said

    def _pack(self) -> None:
        """Put the rows away that were added one by one, with those columns that they have."""
        if not self._rows:
            return
        told = set[str]().union(*self._rows)
        schema = {**EVENTS, "ts": pl.Int64(), "turn": pl.Int64()}
        schema = {name: dtype for name, dtype in schema.items() if name in told}
        columns = {name: [row.get(name) for row in self._rows] for name in schema}
        rows = pl.DataFrame(columns, schema, strict=True)
        self._round.append(rows.with_columns(moments(rows["ts"].to_numpy()).alias("ts")))
        self._rows.clear()


def _with_echoes(rows: pl.DataFrame, echoes: pl.DataFrame) -> pl.DataFrame:
    """The rows, with what an echo took in `ms` of its message."""
    if echoes.is_empty():
        return rows
    of = ["conn", "pos", "kind", "dir", "bytes"]
    known = {"kind": Kind.MESSAGE, "dir": Dir.S2C}
    back = echoes.with_columns(
        pl.lit(told, EVENTS[name]).alias(name) for name, told in known.items()
    )
    # Of several messages of one size in one packet nothing says which is the echo.
    twice = rows.join(back, on=of, how="semi").filter(pl.struct(of).is_duplicated())
    return rows.update(back.join(twice, on=of, how="anti"), on=of)


def _order(parts: Sequence[pl.DataFrame]) -> pl.Series:
    """The numbers of all rows by ts, pos and place; those without a time come first."""
    if not parts:
        return pl.Series(dtype=pl.UInt32)
    place, pos, moment = (
        pl.concat([part[name] for part in parts]).to_physical() for name in ("place", "pos", "ts")
    )
    by_place = np.empty(len(place), np.uint32)
    by_place[place.to_numpy()] = np.arange(len(place))
    # By place they are nearly in order, which makes this fast; numpy sorts by the last one first.
    keys = (key.fill_null(-1).to_numpy()[by_place] for key in (pos, moment))
    return pl.Series(by_place[np.lexsort(tuple(keys))])


def moments(us: Ints) -> pl.Series:
    """Times in µs since 1970; null where a capture has none, or none that a datetime reaches."""
    known = (us >= 0) & (us < _END_US)
    return pl.Series(np.where(known, us, 0)).cast(EVENTS["ts"]).set(pl.Series(~known), None)
