"""Public captures, against the counts that tshark and their projects give."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from wsdiag.capture.conversation import Conversation
from wsdiag.capture.http.http1 import Response
from wsdiag.capture.multiplexed import Fact
from wsdiag.capture.packets.records import Notes, records
from wsdiag.capture.packets.segments import segments
from wsdiag.capture.tcp.streams import Connection, What, follow
from wsdiag.capture.websocket.protocol import Frame

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
OPCODES = {"cont": 0, "text": 1, "bin": 2, "close": 8, "ping": 9, "pong": 10}

pytestmark = pytest.mark.skipif(
    not (CORPUS / "README.md").is_file(), reason="the public captures are not beside the checkout"
)


def table() -> list[tuple[str, int, int, dict[int, int], dict[int, int]]]:
    """Rows of the README: file, packets, 101s, frames by opcode, close codes."""
    if not (CORPUS / "README.md").is_file():
        return []
    rows = []
    for line in (CORPUS / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].startswith("pcap/"):
            opcodes = {OPCODES[n]: int(c) for n, c in re.findall(r"(\w+):(\d+)", cells[7])}
            codes = {int(c): int(n) for c, n in re.findall(r"(\d{4})x(\d+)", cells[8])}
            rows.append((cells[0], int(cells[4]), int(cells[5]), opcodes, codes))
    return rows


def heard(path: Path) -> tuple[list[Fact], Notes]:
    talks: dict[Connection, Conversation] = {}
    said, notes = list[Fact](), Notes()
    with path.open("rb") as file:
        for fact in follow(segments(records(file, notes), notes)):
            talk = talks.setdefault(
                fact.conn, Conversation(0 if fact.conn.handshake_seen else None)
            )
            if fact.what is What.DATA:
                said += talk.feed(fact.side, fact.data, fact.pos, fact.ts)
            elif fact.what is What.LOST:
                said += talk.lose(fact.side, fact.size, fact.pos, fact.ts)
            elif fact.what is What.OVER:
                said += talk.finish()
    return said, notes


@pytest.mark.parametrize(
    ("name", "packets", "upgrades", "opcodes", "codes"), table(), ids=[row[0] for row in table()]
)
def test_counts(
    name: str, packets: int, upgrades: int, opcodes: dict[int, int], codes: dict[int, int]
) -> None:
    said, notes = heard(CORPUS / name)
    frames = [fact for fact in said if isinstance(fact, Frame)]
    assert sum(isinstance(f, Response) and f.status == 101 for f in said) == upgrades
    assert Counter(frame.opcode for frame in frames) == opcodes
    closes = Counter(frame.code for frame in frames if frame.opcode == 8 and frame.size)
    assert closes == codes
    assert notes.last[0] == packets
    assert (notes.remarks, notes.undecoded) == ([], 0)


def test_the_table_was_read() -> None:
    assert len(table()) == 11
