"""Captures that were damaged at random, read both ways: neither may fail, and they must agree.

`python tests/capture/fuzz.py [--minutes 30] [--seed 0] [--keep FOLDER]`

Starts from the recorded captures and some made ones with tunnels, fragments and other link layers.
An input that raises, differs, runs longer than `MAX_CPU_S` or needs more than `MAX_MEMORY` ends the
run with exit code 1; it is written to FOLDER. Input N of a seed is always the same.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import craft
import oracle
import wrap

from wsdiag.capture import describe
from wsdiag.capture.packets.records import Notes, records

ROOT = Path(__file__).parents[2]

MAX_CPU_S = 60
"""CPU seconds for one input, read in all ways."""

MAX_MEMORY = 2 * 1024**3
"""Bytes of address space."""

MOST_PACKETS = 400
"""Of a seed: small inputs are many inputs."""

_TELLING = (0, 1, 2, 4, 5, 6, 17, 0x20, 0x40, 0x45, 0x7F, 0x80, 0x81, 0x88, 0xFE, 0xFF)
_BATCHES = (2_000, 1 << 20)

Packets = list[tuple[int, int, bytes]]
"""Time (µs), link type and bytes."""


def seeds() -> list[Packets]:
    """What is damaged."""
    found = []
    for path in sorted(ROOT.glob("fixtures/*/evidence/*.pcap*")):
        with path.open("rb") as file:
            read = [(it.ts, it.link, it.data) for it in records(file, Notes())]
        if read:  # not packed
            found += [read[:MOST_PACKETS], read[-MOST_PACKETS:]]
    chance = random.Random(0)
    for wrapped in wrap.TUNNELS.values():
        talk = _talk()
        found.append([(ts, 1, wrap.ethernet(wrapped(data[14:]))) for ts, data in talk])
        found.append(
            [
                (ts, 101, part)
                for ts, data in talk
                for part in wrap.fragments(wrapped(data[14:]), chance)
            ]
        )
    for link, layer in wrap.LINKS.values():
        found.append([(ts, link, layer(data[14:])) for ts, data in _talk()])
    return found


def _talk() -> list[tuple[int, bytes]]:
    wire = craft.Wire().handshake()
    wire.send(craft.C2S, craft.frame(1, b'{"type":"order","id":7}', side=craft.C2S))
    wire.send(craft.S2C, craft.frame(9, b"ping") + craft.frame(1, b"x" * 200))
    wire.send(craft.S2C, craft.close(1001, "going away"))
    wire.packet(craft.S2C, craft.FIN | craft.ACK)
    wire.packet(craft.C2S, craft.RST)
    return wire.packets


def damaged(packets: Packets, chance: random.Random) -> bytes:
    """A capture file of these packets, with some damage to them and to the file."""
    packets = list(packets)
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(len(packets))
        ts, link, data = packets[at]
        what = chance.randrange(8)
        if what == 0:
            del packets[at : at + chance.randrange(1, 4)]
            if not packets:
                break
        elif what == 1:
            packets.insert(chance.randrange(len(packets) + 1), packets[at])
        elif what == 2:
            packets[at] = (ts + chance.randrange(-(10**7), 10**7), link, data)
        elif what == 3:
            packets[at] = (ts, link, data[: chance.randrange(len(data) + 1)])
        else:
            packets[at] = (ts, link, _bytes(data, chance))
    blocks = [craft.section()]
    links = sorted({link for _, link, _ in packets}) or [1]
    one = chance.random() < 0.4
    if one:
        file = craft.pcap(
            [(max(ts, 0), data) for ts, _, data in packets],
            link=links[0],
            snaplen=chance.choice((96, 262_144, 262_144)),
        )
    else:
        blocks += [craft.interface(link) for link in links]
        blocks += [craft.enhanced(max(ts, 0), it, links.index(link)) for ts, link, it in packets]
        file = b"".join(blocks)
    if chance.random() < 0.2:
        file = _bytes(file, chance)
    return file[: chance.randrange(len(file))] if chance.random() < 0.1 else file


def _bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 6))):
        if not changed:
            break
        at = chance.randrange(len(changed))
        what = chance.randrange(5)
        if what == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            changed[at] = chance.choice(_TELLING)
        elif what == 2:
            changed[at : at + chance.randrange(1, 9)] = b""
        elif what == 3:
            changed[at:at] = chance.randbytes(chance.randrange(1, 9))
        else:
            number = chance.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF)).to_bytes(2)
            changed[at : at + 2] = number
    return bytes(changed)


def check(data: bytes) -> None:
    """Read it in all ways. Raises AssertionError where they differ, and what a reader raises."""
    slow = oracle.read(BytesIO(data), "wire.pcap")
    for size in _BATCHES:
        fast = oracle.in_batches(data, size)
        assert fast.events.equals(slow.events), f"other events in batches of {size}"
        assert fast[1:] == slow[1:], f"other remarks in batches of {size}"
    describe.packets(BytesIO(data), slow.events["pos"].unique().head(20).to_list() or [1])


def inputs(seed: int) -> Iterator[bytes]:
    """Damaged captures without end."""
    chance, known = random.Random(seed), seeds()
    while True:
        yield damaged(chance.choice(known), chance)


def _late(*_: object) -> None:
    raise TimeoutError(f"more than {MAX_CPU_S} CPU seconds")


def main() -> int:
    """Fuzz for some minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path())
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    signal.signal(signal.SIGVTALRM, _late)
    until, count, slowest = time.monotonic() + 60 * asked.minutes, 0, 0.0
    for count, data in enumerate(inputs(asked.seed), 1):
        began = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_CPU_S)
        try:
            check(data)
        except Exception:
            traceback.print_exc()
            name = asked.keep / f"fuzz-{asked.seed}-{count}.pcap"
            name.write_bytes(data)
            sys.stdout.write(f"input {count} of seed {asked.seed} fails: {name}\n")
            return 1
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        slowest = max(slowest, time.process_time() - began)
        if time.monotonic() > until:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{count} inputs, none fails; the slowest took {slowest:.1f} CPU-s, peak {peak:.0f} MB\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
