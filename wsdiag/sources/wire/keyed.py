"""Connections in TLS whose keys are at hand, opened by tshark to be read like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory

from wsdiag.capture.packets.cut import cut
from wsdiag.capture.packets.segments import Endpoint
from wsdiag.capture.tcp.streams import TcpFact, What
from wsdiag.sources.wire import tshark
from wsdiag.sources.wire.book import Locked

Opened = dict[Locked, list[TcpFact]]
"""What was found in TLS, by connection: its bytes, and that a side is done."""


def opened(
    paths: Sequence[Path], stories: Sequence[Locked], keys: bytes
) -> tuple[Opened, list[str]]:
    """What is in the TLS of stories from the files of one capture; remarks on what hinders it."""
    lanes, of_lane = dict[tuple[Endpoint, Endpoint], int](), list[list[Locked]]()
    for story in sorted(stories, key=lambda story: story.conn.begun):
        one, other = story.conn.ends
        for ends in ((one, other), (other, one)):
            if lanes.setdefault(ends, len(of_lane)) == len(of_lane):
                of_lane.append([])
            of_lane[lanes[ends]].append(story)
    ports = sorted({story.conn.ends[1 - story.client].port for story in stories})
    told, hindered = Opened(), list[str]()
    try:
        tshark.found()
        with TemporaryDirectory(prefix="wsdiag-") as folder:
            part = Path(folder) / "tls.pcapng"
            with part.open("wb") as out:
                places = cut(_each(paths), lanes, keys, out)
            for number, data, is_over in tshark.opened(part, ports):
                pos, ts, lane = (column[number - 1] for column in places)
                story = [it for it in of_lane[lane] if it.conn.begun <= pos][-1]
                side = int(lanes[story.conn.ends] != lane)
                facts = told.setdefault(story, [])
                if data:
                    facts.append(TcpFact(What.DATA, story.conn, side, pos, ts, len(data), data))
                if is_over:
                    facts.append(TcpFact(What.EOF, story.conn, side, pos, ts))
    except tshark.Unusable as problem:
        hindered.append(f"the keys of TLS are at hand but not used: {problem}")
    return told, hindered


def _each(paths: Sequence[Path]) -> Iterator[BufferedReader]:
    for path in paths:
        with path.open("rb") as file:
            yield file
