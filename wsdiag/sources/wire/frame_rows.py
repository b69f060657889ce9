"""What the rows of many frames have in common, as columns; pings and pongs as such rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.websocket.messages import Controls
from wsdiag.capture.websocket.protocol import PING
from wsdiag.capture.websocket.unmasking import Parts
from wsdiag.event import EVENTS, Dir, Kind
from wsdiag.sources.wire.book import moments
from wsdiag.sources.wire.frames import ping_content
from wsdiag.sources.wire.story import Story

_KINDS = pl.Series([Kind.MESSAGE, Kind.PING, Kind.PONG], dtype=EVENTS["kind"])
_MESSAGE, _PING, _PONG = range(3)
_DIRECTIONS = pl.Series([Dir.C2S, Dir.S2C], dtype=EVENTS["dir"])


def messages(stories: Sequence[Story], parts: Parts, rows: Ints) -> dict[str, pl.Series]:
    """The columns of the messages that the frames `rows` are."""
    return _columns(stories, parts, rows) | {"kind": _KINDS.new_from_index(_MESSAGE, rows.size)}


def heartbeats(stories: Sequence[Story], controls: Controls) -> pl.DataFrame:
    """The rows of pings and pongs, of stories of which no other heartbeat is told."""
    parts = controls.parts
    rows = np.lexsort((parts.turn, parts.lane >> 1))
    is_ping = parts.opcode[rows] == PING
    content, waited = list[str | None](), list[float | None]()
    told = (column[rows].tolist() for column in (parts.lane, parts.ts))
    for row, ping, lane, ts in zip(rows.tolist(), is_ping.tolist(), *told, strict=True):
        payload = controls.payloads[row]
        name = ping_content(payload) if payload else None
        content.append(name)
        waited.append(stories[lane >> 1].frames.answered(lane & 1, ts, None, name, ping=ping))
    kinds = _KINDS.gather(np.where(is_ping, _PING, _PONG))
    columns = {
        "kind": kinds,
        "trace": pl.Series(content, dtype=pl.String),
        "ms": pl.Series(waited, dtype=pl.Float64),
    }
    return pl.DataFrame(_columns(stories, parts, rows) | columns)


def _columns(stories: Sequence[Story], parts: Parts, rows: Ints) -> dict[str, pl.Series]:
    lane = parts.lane[rows]
    number = lane >> 1
    client = np.array([story.page.client for story in stories], np.int64)[number]
    names = pl.Series([story.page.name for story in stories], dtype=pl.String)
    return {
        "ts": moments(parts.ts[rows]),
        "pos": pl.Series(parts.pos[rows]),
        "conn": names.gather(number),
        "dir": _DIRECTIONS.gather(lane & 1 ^ client),
        "bytes": pl.Series(parts.size[rows]),
        "turn": pl.Series(parts.turn[rows]),
    }
