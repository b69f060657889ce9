"""Texts without an id that come back: how long the server took to repeat them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "capture"))
import oracle
from craft import C2S, S2C, Wire, frame


def told(*said: tuple[int, bytes, int], port: int = 40_000) -> list[tuple[str, float | None]]:
    """Direction and `ms` of each message; `said` has side, text and µs after the packet before."""
    wire = Wire(client=("10.0.0.1", port)).handshake()
    for side, text, after_us in said:
        wire.send(side, frame(1, text, side=side), after_us=after_us)
    rows = oracle.in_batches(wire.pcap()).events
    return rows.filter(rows["kind"] == "message").select("dir", "ms").rows()


def test_an_echo_is_timed() -> None:
    rows = told((C2S, b"hello, one", 1_000), (S2C, b"hello, one", 30_000))
    assert rows == [("c2s", None), ("s2c", 30.0)]


def test_json_without_an_id() -> None:
    text = b'{"type":"say","text":"hello"}'
    assert told((C2S, text, 1_000), (S2C, text, 7_000))[1] == ("s2c", 7.0)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([(C2S, b"beat-beat"), (S2C, b"beat-beat")] * 2, id="said-again"),
        pytest.param([(S2C, b"price 101.5"), (C2S, b"price 101.5")], id="the-client-repeats"),
        pytest.param([(C2S, b"hello, one"), (S2C, b"hello, two")], id="another-text"),
        pytest.param([(C2S, b"hb"), (S2C, b"hb")], id="too-short"),
        pytest.param([(C2S, b'{"id":7,"a":1}'), (S2C, b'{"id":7,"a":1}')], id="with-an-id"),
        pytest.param(
            [(C2S, b"hello, one"), (S2C, b"hello, one"), (S2C, b"hello, one")], id="twice"
        ),
    ],
)
def test_what_is_no_echo(said: list[tuple[int, bytes]]) -> None:
    assert {ms for _, ms in told(*((*one, 1_000) for one in said))} == {None}
