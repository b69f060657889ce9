"""What a notebook keeps: messages, plain HTTP exchanges and upgrades, as tables of facts."""

from __future__ import annotations

import polars as pl

MESSAGES = pl.Schema(
    {
        "source": pl.String(),
        "pos": pl.Int64(),
        "ts": pl.Int64(),  # µs since 1970 by the source's own clock; null: unknown
        "conn": pl.String(),
        "dir": pl.String(),  # c2s, s2c
        "bytes": pl.Int64(),  # on the wire
        "size": pl.Int64(),  # of the text
        "envelope": pl.String(),  # null: no text of a known shape
        "role": pl.String(),
        "event": pl.String(),  # masked, as are topic and shape
        "topic": pl.String(),
        "topic_fault": pl.String(),
        "topic_id": pl.UInt32(),  # digest of the identifier in the topic
        "entity": pl.UInt32(),  # digest of the id of what it is about
        "signal": pl.Boolean(),  # says only that something changed
        "shape": pl.String(),
        "same": pl.Float32(),  # share of its fields as in the one before of the same kind
        "text": pl.UInt32(),  # digest of the whole
        "trace": pl.UInt32(),  # digest of the correlation id
        "stamp": pl.String(),  # what is wrong with its timestamp; null: nothing, or none there
        "deviations": pl.List(pl.String()),
        "packed": pl.Float32(),  # share that deflate leaves, of a sample
        "fields": pl.List(pl.UInt32()),
    }
)
"""What each message holds, as facts."""

FETCHES = pl.Schema(
    {
        "source": pl.String(),
        "pos": pl.Int64(),
        "ts": pl.Int64(),
        "client": pl.String(),  # masked host, or "browser" in a HAR
        "late_ms": pl.Float64(),  # so much later it may have been: its stamp is cut to whole steps
        "method": pl.String(),
        "path": pl.String(),  # masked, without query
        "url": pl.UInt32(),  # digest of path and query
        "status": pl.Int32(),
        "ms": pl.Float64(),
        "bytes": pl.Int64(),
        "is_data": pl.Boolean(),  # JSON came, or nothing is known of its type
        "ids": pl.List(pl.UInt32()),  # digests of the URL's segments and values
        "holds": pl.List(pl.UInt32()),  # digests of the ids in the answer
        "fields": pl.List(pl.UInt32()),
    }
)
"""Plain HTTP exchanges beside the socket."""

HANDSHAKES = pl.Schema(
    {
        "source": pl.String(),
        "conn": pl.String(),
        "client": pl.String(),
        "path": pl.String(),
        "deflate": pl.Boolean(),
        "mobile": pl.Boolean(),
        "stack": pl.String(),
    }
)
"""What the upgrade of a connection shows of its ends."""
