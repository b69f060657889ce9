"""The traffic that a review looks at: what crossed the sockets, and the HTTP beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

APP = pl.col("role").is_in(["app", "answer"])
UP, DOWN = pl.col("dir") == "c2s", pl.col("dir") == "s2c"


ONE = pl.struct("event", pl.coalesce("trace", "text"))
"""What copies of one message have in common: envelopes may make their texts differ."""


class Traffic(NamedTuple):
    """What crossed the sockets, and the plain HTTP beside them.

    `messages` has MESSAGES of the one sighting that was chosen of each connection, with `session`,
    `client`, `at` (the time on the reference's clock) and `whose` (the client, as far as its input
    knows it); `fetches` has FETCHES with `at` and the same `whose`, each once.

    `sessions` has one row for each connection that was open: session, client, user, path,
    opened, over, seconds, c2s and s2c (messages of any kind), beats, deflate, mobile, clean (it
    ended with a Close, or lives), back (seconds until the client was there again). `tries` has one
    row for each upgrade: path, failed (on the way, not by choice).
    """

    messages: pl.DataFrame
    fetches: pl.DataFrame
    sessions: pl.DataFrame
    tries: pl.DataFrame
    stacks: frozenset[str]
    cut: list[str]
    vantages: frozenset[str]
    formats: Mapping[str, str]
    memory: Mapping[str, float | None]  # bytes, as connections.memory.cost
    samples: pl.DataFrame  # source and pos of what states the server's memory
    went_offline: int  # times that a page was told so
    hidden_s: float  # seconds that pages were hidden or frozen while connections were open

    @property
    def app(self) -> pl.DataFrame:
        """What the application says, without heartbeats, subscriptions and the protocol's own."""
        return self.messages.filter(APP)

    @property
    def down(self) -> pl.DataFrame:
        """What the application says to clients."""
        return self.messages.filter(APP & DOWN)

    @property
    def up(self) -> pl.DataFrame:
        """What clients say to the application."""
        return self.messages.filter(APP & UP)

    @property
    def seconds(self) -> float:
        """Seconds of all connections together."""
        return float(self.sessions["seconds"].sum())

    @property
    def span_s(self) -> float:
        """Seconds from the first opening to the last end."""
        first, last = self.sessions["opened"].min(), self.sessions["over"].max()
        if not isinstance(first, datetime) or not isinstance(last, datetime):
            return 0.0
        return max((last - first).total_seconds(), 0.0)

    def of(self, path: str | None) -> Traffic:
        """The connections to one path, and what they carried."""
        some = self.sessions.filter(pl.col("path").eq_missing(path))
        kept = self.messages.join(some.select("session"), on="session", how="semi")
        tried = self.tries.filter(pl.col("path").eq_missing(path))
        return self._replace(sessions=some, messages=kept, tries=tried)
