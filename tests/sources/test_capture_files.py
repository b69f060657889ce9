"""Files of one capture, as tcpdump -C and dumpcap -b write them, are read as the one they are."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from wsdiag import sources
from wsdiag.config import Config
from wsdiag.evidence import InputFile, collect
from wsdiag.pipeline import connections_of, diagnose

sys.path.append(str(Path(__file__).parents[1] / "capture"))
import craft
from craft import ACK, C2S, FIN, S2C, Wire

NAMES = ("wire.pcap", "wire.pcap1", "wire.pcap2")


def talk() -> Wire:
    """A connection with messages of several segments, pings and a Close."""
    wire = Wire().handshake()
    for number in range(4):
        for side in (C2S, S2C):
            data = craft.frame(1, b"%d" % number * 3_000, side=side)
            wire.send(side, data[:1_400])
            wire.send(side, data[1_400:])
        wire.send(S2C, craft.frame(9, b"%d" % number))
        wire.send(C2S, craft.frame(10, b"%d" % number, side=C2S))
    wire.send(S2C, craft.close(1001))
    wire.send(C2S, craft.close(1001, side=C2S))
    wire.packet(S2C, FIN | ACK)
    wire.packet(C2S, FIN | ACK)
    return wire


def written(folder: Path, *borders: int, pause_us: int = 0) -> list[InputFile]:
    """The talk in several files, each later by a pause."""
    packets, items = talk().packets, []
    for number, (begin, end) in enumerate(pairwise((0, *borders, len(packets)))):
        path = folder / NAMES[number]
        path.write_bytes(
            craft.pcap([(ts + number * pause_us, data) for ts, data in packets[begin:end]])
        )
        items.append(InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size))
    return items


@pytest.mark.parametrize("borders", [(4, 9), (6, 30), (12, 28), (31, 32), (1, 2)])
def test_they_tell_what_the_whole_tells(tmp_path: Path, borders: tuple[int, int]) -> None:
    items = written(tmp_path, *borders)
    (tmp_path / "whole").mkdir()
    (whole,) = written(tmp_path / "whole")
    told = sources.read_in_turn(items, Config())
    assert len(told) == 3
    starts = (0, *borders)
    parts = [
        reading.events.lazy().collect().with_columns(pl.col("pos") + start)
        for reading, start in zip(told, starts, strict=True)
    ]
    expected = sources.read(whole, Config()).events.lazy().collect()
    assert pl.concat(parts).drop("source").equals(expected.drop("source"))


def test_the_report_counts_one_connection_with_all_its_messages(tmp_path: Path) -> None:
    written(tmp_path, 9, 30)
    report = diagnose([str(tmp_path)])
    assert (report.facts.connections, report.facts.close_codes) == (1, {"1001": 1})
    verdicts = {verdict.detector: verdict.verdict for verdict in report.verdicts}
    assert verdicts["missed-heartbeat"] == "pass"  # a pong stands in another file than its ping
    (one,) = connections_of([str(tmp_path)])
    assert (one.messages.c2s, one.messages.s2c, one.pings) == (4, 4, 4)
    assert one.sources == list(NAMES)
    assert one.ended is not None


def test_a_rotated_capture_without_a_websocket_beside_a_log(tmp_path: Path) -> None:
    wire = Wire()
    wire.syn()
    wire.send(C2S, b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n")
    wire.send(S2C, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    for name, packets in zip(NAMES, (wire.packets[:2], wire.packets[2:]), strict=False):
        (tmp_path / name).write_bytes(craft.pcap(packets))
    (tmp_path / "app.log").write_text("2026-11-23T10:00:00Z ws connection closed code=1001\n")
    told = {item.path: item.events for item in diagnose([str(tmp_path)]).inputs}
    assert told == {"app.log": 1, "wire.pcap": 0, "wire.pcap1": 0}


def test_captures_of_two_places_are_two(tmp_path: Path) -> None:
    """They cover the same time, whatever their numbers."""
    for name in ("node1.pcap", "node2.pcap"):
        (tmp_path / name).write_bytes(talk().pcap())
    with collect([str(tmp_path)]) as found:
        items = found.inputs
        assert [len(group) for group in sources.in_turn(items)] == [2]
        assert len(sources.read_in_turn(items, Config())) == 1


def test_a_capture_that_was_begun_anew_later_is_another(tmp_path: Path) -> None:
    items = written(tmp_path, 9, 30, pause_us=61_000_000)
    assert len(sources.read_in_turn(items, Config())) == 1


def test_other_names_are_other_captures(tmp_path: Path) -> None:
    wire = talk()
    (tmp_path / "client.pcap").write_bytes(craft.pcap(wire.packets[:9]))
    (tmp_path / "server.pcap").write_bytes(craft.pcap(wire.packets[9:]))
    with collect([str(tmp_path)]) as found:
        assert sources.in_turn(found.inputs) == []
