"""The one normal form: everything any source saw, one row per thing that happened.

No raw log line is ever a column here. An excerpt is fetched again by its pointer
(`source`, `pos`) and redacted when it is shown, so a secret cannot leak through a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import polars as pl


class Kind(StrEnum):
    """What happened."""

    ATTEMPT = "attempt"
    OPEN = "open"
    REJECTED = "rejected"
    REFUSED = "refused"
    MESSAGE = "message"
    PING = "ping"
    PONG = "pong"
    CLOSE = "close"
    END = "end"
    RETRANSMIT = "retransmit"
    ZERO_WINDOW = "zero_window"
    TLS_ALERT = "tls_alert"
    AUTH = "auth"
    TOKEN = "token"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    TIMEOUT = "timeout"
    ERROR = "error"
    STALL = "stall"
    BACKPRESSURE = "backpressure"
    SERVER_START = "server_start"
    SERVER_STOP = "server_stop"
    RELOAD = "reload"
    REQUEST = "request"
    RESPONSE = "response"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    MEMORY = "memory"
    PAGE = "page"


KIND_MANUAL: dict[Kind, str] = {
    Kind.ATTEMPT: "a client begins to connect (SYN on the wire, 'connecting' in a log)",
    Kind.OPEN: "the upgrade was answered with 101; `ms` is the handshake where the source knows it",
    Kind.REJECTED: "the upgrade was answered with another HTTP status, in `code`",
    Kind.REFUSED: "no server took the connection (SYN answered by RST, ECONNREFUSED)",
    Kind.MESSAGE: "one data message; `ms` is a latency that the source itself states",
    Kind.PING: "a Ping frame, or an application's own heartbeat request",
    Kind.PONG: "a Pong frame, or an application's own heartbeat answer; `ms` is the round trip",
    Kind.CLOSE: "a Close frame on the wire, or a close that a log states; `code` and `reason`",
    Kind.END: "the transport ends; `reason`: fin, rst, eof, timeout, etimedout or `evidence-stops`",
    Kind.RETRANSMIT: "a TCP segment was sent again",
    Kind.ZERO_WINDOW: "a receiver advertised a window of 0 bytes",
    Kind.TLS_ALERT: "a TLS alert; `code` is its number",
    Kind.AUTH: "an authentication outcome that a log states",
    Kind.TOKEN: "a credential was seen, refreshed or found expired; `expires` where readable",
    Kind.HEARTBEAT_TIMEOUT: "a peer was given up because its heartbeat did not come",
    Kind.TIMEOUT: "a timer of a proxy or server fired; `ms` where it is stated",
    Kind.ERROR: "an error that a log states about a connection or the server",
    Kind.STALL: "the process did not run for `ms`, as it says itself",
    Kind.BACKPRESSURE: "a peer does not take its data fast enough, as the sender says",
    Kind.SERVER_START: "a server process started",
    Kind.SERVER_STOP: "a server process stopped or was told to",
    Kind.RELOAD: "a proxy reloaded its configuration",
    Kind.REQUEST: "a plain HTTP request (polling, negotiation), not an upgrade",
    Kind.RESPONSE: "the answer to a plain HTTP request; status in `code`",
    Kind.SUBSCRIBE: "a client subscribed to `topic`",
    Kind.UNSUBSCRIBE: "a client left `topic`",
    Kind.MEMORY: "a memory figure in `bytes`",
    Kind.PAGE: "a page's state; `reason` is page hidden, visible, offline, online, frozen, served",
}


SERVED = "page served"
"""The `reason` where a host answers other requests of a page whose WebSocket had not opened."""

CROSSED, SENT_FIRST = "crossed", "sent first"
"""The `name` of the second of two Close frames that was sent before the first had come, or that the
first answers although it was available before."""


class Vantage(StrEnum):
    """Who saw it."""

    SERVER = "server"
    PROXY = "proxy"
    NETWORK = "network"
    CLIENT = "client"


class Dir(StrEnum):
    """Which way it went: client to server or server to client."""

    C2S = "c2s"
    S2C = "s2c"


EVENTS = pl.Schema(
    {
        "ts": pl.Datetime("us", "UTC"),  # aligned to the reference clock; null: the line has none
        "vantage": pl.Enum([v.value for v in Vantage]),
        "source": pl.String(),  # the input's name: with pos, the proof pointer
        "pos": pl.Int64(),  # line, packet or entry number, from 1
        "conn": pl.String(),  # the connection as this source names it
        "session": pl.String(),  # the same connection across sources; set by sessions.py
        "key": pl.String(),  # Sec-WebSocket-Key: a public nonce that crosses proxies unchanged
        "kind": pl.Enum([k.value for k in Kind]),
        "dir": pl.Enum([d.value for d in Dir]),
        "code": pl.Int32(),  # HTTP status or close code, by kind
        "reason": pl.String(),  # close reason or matched error phrase, redacted, at most 123 bytes
        "bytes": pl.Int64(),
        "ms": pl.Float64(),  # a duration in milliseconds that the source itself states
        "user": pl.String(),  # pseudonym
        "token": pl.String(),  # pseudonym
        "expires": pl.Datetime("us", "UTC"),  # the credential's expiry, where readable
        "peer": pl.String(),  # client address `ip:port`; public addresses are pseudonyms
        "topic": pl.String(),
        "name": pl.String(),  # message type; of a handshake: the path without its query
        "trace": pl.String(),  # correlation id (request id, message id, ping payload)
    }
)
"""Columns of the EVENT frame, with units. Total order everywhere: ts, source, pos."""

NAMELESS = ("@", "~", "bare ", "line ")
"""How a `conn` begins that no program wrote."""

BEGIN = ("attempt", "open", "rejected", "refused")
"""With what a connection begins, or would have."""

ORDER = ("ts", "source", "pos")


def ordered(events: pl.DataFrame) -> pl.DataFrame:
    """The rows in the total order; what is in order already, as a capture, is not sorted again."""
    before = {name: pl.col(name).shift(1) for name in ORDER}
    later: pl.Expr = pl.col("pos") >= before["pos"]
    for name in ("source", "ts"):
        # No time comes last, as if it were the latest.
        here, there = pl.col(name), before[name]
        after = (here > there).fill_null(False) | (here.is_null() & there.is_not_null())
        later = after | (here.eq_missing(there) & later.fill_null(False))
    if events.select(later.slice(1).all()).item():
        return events
    return events.sort(*ORDER, nulls_last=True, maintain_order=True)


def filled(rows: pl.DataFrame, *always: str) -> pl.DataFrame:
    """Without the columns in which nothing stands: they take room."""
    return rows.select(one for one in rows if one.name in always or one.null_count() < len(one))


def slices(parts: Iterable[pl.LazyFrame], size: int) -> Iterator[pl.DataFrame]:
    """The rows of all parts, at most so many at a time; of each part one slice at least."""
    for part in parts:
        rows = part.collect(engine="in-memory")
        for begin in range(0, max(len(rows), 1), size):
            yield rows.slice(begin, size)


def events(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Make an EVENT frame from rows that name only the columns they know.

    Raises `polars.exceptions.PolarsError` when a value does not fit its column.
    """
    columns = {name: [row.get(name) for row in rows] for name in EVENTS}
    return pl.DataFrame(columns, schema=EVENTS, strict=True)


def narrow(rows: list[dict[str, object]], schema: pl.Schema = EVENTS) -> pl.DataFrame:
    """As `events`, with `pos` and the columns only that some row names."""
    names = {"pos"}.union(*rows)
    kinds = {name: kind for name, kind in schema.items() if name in names}
    columns = {name: [row.get(name) for row in rows] for name in kinds}
    return pl.DataFrame(columns, schema=kinds, strict=True)
