"""Texts without an id that come back as they were sent: how long the server took to repeat them."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from wsdiag.capture.websocket.payload import MAX_BYTES

MOST = 100_000
"""So many texts of a capture are compared."""

LEAST_BYTES = 8
"""A shorter text may be anybody's word."""


class _Seen(NamedTuple):
    """A text on one connection: which sides sent it, and the moments (µs) and packets."""

    sides: tuple[int, ...]
    at: tuple[tuple[int, int], ...]
    size: int


class Echoes:
    """The texts of a capture's connections that crossed them without an id.

    A server's text is compared from the client's first one on: most servers only push.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], _Seen] = {}
        self._talking: set[str] = set()

    def is_talking(self, conn: str) -> bool:
        """Whether its client has sent a text without an id."""
        return conn in self._talking

    def note(self, conn: str, *, client: bool, pos: int, ts: int, text: bytes) -> None:
        """A text, of the client or not; `ts` in µs since 1970."""
        if client:
            self._talking.add(conn)
        if conn not in self._talking or not LEAST_BYTES <= len(text) <= MAX_BYTES:
            return
        key = conn, hash(text)
        before = self._seen.get(key)
        if before is None and len(self._seen) >= MOST:
            return
        sides, at, _ = before or ((), (), 0)
        if len(sides) <= 2:  # beyond, it is known to be none
            self._seen[key] = _Seen((*sides, int(client)), (*at, (ts, pos)), len(text))

    def timed(self) -> pl.DataFrame:
        """conn, pos, bytes and ms of each text that a client sent once and then received once.

        What is said again, by whom ever, is no echo: both sides may say it by themselves.
        """
        found = [
            (conn, seen.at[1][1], seen.size, (seen.at[1][0] - seen.at[0][0]) / 1000)
            for (conn, _), seen in self._seen.items()
            if seen.sides == (1, 0) and 0 <= seen.at[0][0] <= seen.at[1][0]
        ]
        schema = {"conn": pl.String, "pos": pl.Int64, "bytes": pl.Int64, "ms": pl.Float64}
        return pl.DataFrame(found, schema, orient="row")
