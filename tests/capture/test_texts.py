"""Texts read together tell what each tells alone."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import pytest

from wsdiag.capture.websocket import payload, texts
from wsdiag.capture.websocket.texts import Lines

TEXTS = (
    *(b'{"id":%d,"op":"quote"}' % number for number in range(5)),
    b'{"type":"order","topic":"orders:42","ref":"r1"}',
    b'{"event":"","action":"go","seq":true}',
    b'{"event":"' + b"x" * 200 + b'","method":"long"}',
    b'{"type":null,"event":1.5,"op":7}',
    b'{"type":"ping"}',
    b'{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"5"}',
    b'{\n "type": "pretty"\n}',
    b'{"id":1}\n{"id":2}',
    b'{"id":',
    b'{"x":"\xff"}',
    b'{"type":6}\x1e',
    b'["1","2","room:1","new_msg",{}]',
    b'42["chat",{"id":1}]',
    b"plain",
    b"2",
    b"",
    b'{"name":"' + b"x" * 5_000 + b'"}',
)


def lines(of: list[bytes], blanks: Random) -> Lines:
    """Texts as lines, with blanks behind them as whole words leave them."""
    text, begins = bytearray(), list[int]()
    for one in of:
        begins.append(len(text))
        text += one + b"\n" + b" " * blanks.randrange(8)
    return Lines(bytes(text), np.array(begins, np.int64), np.array([*map(len, of)], np.int64))


def blocks(of: list[bytes], random: Random) -> Iterator[Lines]:
    while of:
        count = random.randrange(1, 12)
        yield lines(of[:count], random)
        of = of[count:]


@pytest.mark.parametrize("seed", range(60))
def test_together_as_alone(seed: int) -> None:
    random = Random(seed)
    among = TEXTS if seed % 2 else TEXTS[:10]
    given = random.choices(among, k=random.randrange(1, 80))
    engine_io = np.array([random.random() < seed % 3 * 0.1 for _ in given])
    said = texts.read(blocks(given, random), engine_io)
    alone = [payload.read(*one) for one in zip(given, engine_io.tolist(), strict=True)]
    assert said.name == [one.name for one in alone]
    assert said.topic == [one.topic for one in alone]
    assert said.trace == [one.trace for one in alone]
    assert said.beats == {at: one for at, one in enumerate(alone) if one.heartbeat}
    assert said.broken == [at for at, text in enumerate(given) if b"\xff" in text]
