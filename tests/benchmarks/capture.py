"""What a diagnosis of a capture costs.

`python tests/benchmarks/capture.py CAPTURE… [--copies N]`

Each capture is read by wsdiag, tshark and capinfos in one run; the table gives CPU seconds, how
many times less wsdiag takes, and peak memory. `--copies N` first makes a larger one of each, in a
temporary folder: N copies one after the other, each between ends of its own. Last comes what the
first 2000 packets of the first capture cost. Only little-endian pcap files with Ethernet and IP.
wsdiag has its bytecode, as where it is installed: it runs once before.
"""

from __future__ import annotations

import argparse
import os
import resource
import struct
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FIELDS = ("frame.number", "tcp.stream", "websocket.opcode", "websocket.payload_length")
TSHARK = ("-Y", "websocket", "-T", "fields", *(part for name in FIELDS for part in ("-e", name)))
WSDIAG = (sys.executable, "-m", "wsdiag")
HEAD_BYTES, RECORD_BYTES = 24, 16
FEW = 2_000


class Cost(NamedTuple):
    """What a program took: CPU seconds of user and system, peak memory in MB."""

    cpu_s: float
    peak_mb: float


def cost(*command: str) -> Cost:
    """Run a program; its output is thrown away. A finding is no failure of wsdiag."""
    with get_context("fork").Pool(1) as pool:  # of its own: resource counts all children
        return pool.apply(_run, (command,))


def _run(command: tuple[str, ...]) -> Cost:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} failed with {done.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)


def scaled(base: Path, target: Path, copies: int) -> None:
    """Copies of a capture, one after the other, told apart by the second byte of the addresses."""
    data = np.fromfile(base, np.uint8)
    starts, seconds = records(data)
    span = int(seconds.max() - seconds.min()) + 1
    ip4 = data[starts + RECORD_BYTES + 12] == 0x08
    one, other = (starts + RECORD_BYTES + np.where(ip4, *at) for at in ((27, 23), (31, 39)))
    with target.open("wb") as file:
        file.write(data[:HEAD_BYTES].tobytes())
        for number in range(copies):
            copy = data.copy()
            copy[one] += np.uint8(number)
            copy[other] += np.uint8(number)
            for byte in range(4):
                copy[starts + byte] = (seconds + number * span) >> 8 * byte & 0xFF
            file.write(copy[HEAD_BYTES:].tobytes())


def records(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the records of a pcap file start, and their seconds."""
    view, at, starts, seconds = data.data, HEAD_BYTES, list[int](), list[int]()
    while at < data.size:
        second, _, captured, _ = struct.unpack_from("<IIII", view, at)
        starts.append(at)
        seconds.append(second)
        at += RECORD_BYTES + captured
    return np.array(starts), np.array(seconds)


def first(base: Path, target: Path, count: int) -> None:
    """The first packets of a capture."""
    data = np.fromfile(base, np.uint8)
    starts, _ = records(data)
    target.write_bytes(data[: starts[count]].tobytes())


def row(name: str, cost: Cost, ours: Cost) -> str:
    """One line of the table."""
    return (
        f"{name:10} {cost.cpu_s:9.2f} CPU-s {cost.cpu_s / ours.cpu_s:7.1f} × {cost.peak_mb:8.0f} MB"
    )


def measure(path: Path) -> str:
    """The table of one capture."""
    ours = cost(*WSDIAG, str(path))
    theirs = {
        "tshark": cost("tshark", "-r", str(path), *TSHARK),
        "capinfos": cost("capinfos", str(path)),
    }
    lines = [f"{path.name}: {path.stat().st_size / 1e6:.0f} MB", row("wsdiag", ours, ours)]
    return "\n".join((*lines, *(row(name, one, ours) for name, one in theirs.items()), ""))


def main() -> None:
    """The table of each capture."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("captures", nargs="+", type=Path)
    words.add_argument("--copies", type=int, default=1)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder, "few.pcap")
        first(asked.captures[0], few, FEW)
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        cost(*WSDIAG, str(few))
        for number, path in enumerate(asked.captures):
            larger = path
            if asked.copies > 1:
                larger = Path(folder, f"{number}.pcap")
                scaled(path, larger, asked.copies)
            print(measure(larger))  # noqa: T201
        print(measure(few))  # noqa: T201


if __name__ == "__main__":
    main()
