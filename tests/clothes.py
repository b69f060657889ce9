"""The same evidence in other clothes: what must not change a diagnosis.

Each function takes the files of an incident (name → content) and gives them otherwise, with the
same content: packed, renamed, in containers' wrappers, rotated, with another clock, among noise.
"""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import dpkt
import msgspec

from wsdiag.sources.line import json_record, stamps
from wsdiag.sources.line.clock import Clock

Files = dict[str, bytes]

PCAP = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
PCAPNG = b"\x0a\x0d\x0d\x0a"
NOISE_LINES = 30_000


def is_capture(data: bytes) -> bool:
    return data.startswith((*PCAP, PCAPNG))


def is_log(data: bytes) -> bool:
    """A log; a HAR is one JSON object, in which lines mean nothing."""
    return bool(data.strip()) and not is_capture(data) and b'"log"' not in data[:40]


def renamed(files: Files) -> Files:
    """No name tells what the file is or who wrote it."""
    return {f"evidence-{number}": data for number, data in enumerate(files.values(), 1)}


def packed(files: Files) -> Files:
    return {f"{name}.gz": gzip.compress(data) for name, data in files.items()}


def crlf(files: Files) -> Files:
    return {
        name: data.replace(b"\n", b"\r\n") if is_log(data) else data for name, data in files.items()
    }


def other_capture_format(files: Files, seconds: float = 0.0) -> Files:
    """A pcap as pcapng and a pcapng as pcap, its clock `seconds` later."""
    return {
        name: _recaptured(data, seconds) if is_capture(data) else data
        for name, data in files.items()
    }


def _recaptured(data: bytes, seconds: float) -> bytes:
    ng = data.startswith(PCAPNG)
    reader = (dpkt.pcapng.Reader if ng else dpkt.pcap.Reader)(io.BytesIO(data))
    told = io.BytesIO()
    if ng:
        writer = dpkt.pcap.Writer(told, linktype=reader.datalink())
    else:
        block = dpkt.pcapng.InterfaceDescriptionBlockLE(linktype=reader.datalink())
        writer = dpkt.pcapng.Writer(told, idb=block)
    for ts, packet in reader:
        writer.writepkt(packet, float(ts) + seconds)
    return told.getvalue()


def in_containers(files: Files, wrap: str) -> Files:
    """Each log line with the time at which a container runtime took it: `cri` or `docker`."""
    return {
        name: "".join(_wrapped(data.decode("utf-8", "replace"), wrap)).encode()
        if is_log(data) and _dated(data)
        else data
        for name, data in files.items()
    }


def _dated(data: bytes) -> bool:
    """Whether lines have times of their own, from which the runtime's may be taken."""
    first = data.decode("utf-8", "replace").splitlines()[:20]
    return any(_stamp(line) for line in first)


def _stamp(line: str) -> stamps.Stamp | None:
    if line[:1] == "{":
        try:
            return json_record.stamp_of(json_record.flatten(msgspec.json.decode(line)))
        except (msgspec.DecodeError, AttributeError):
            return None
    return stamps.find(line)


def _wrapped(text: str, wrap: str) -> Iterator[str]:
    lines = text.splitlines()
    known = next(filter(None, map(stamps.full_date, lines)), None)
    clock = Clock("UTC", datetime.now(UTC), known)
    clock.last = next(filter(None, (clock.instant(s) for s in map(_stamp, lines) if s)), None)
    for line in lines:
        at = clock.instant(_stamp(line)) or datetime(2026, 11, 23, tzinfo=UTC)
        time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
        if wrap == "cri":
            yield f"{time} stdout F {line}\n"
        else:
            yield json.dumps({"log": f"{line}\n", "stream": "stderr", "time": time}) + "\n"


def rotated(files: Files) -> Files:
    """Each log in three files, the oldest with the highest number."""
    told: Files = {}
    for name, data in files.items():
        lines = data.splitlines(keepends=True)
        if not is_log(data) or len(lines) < 9:
            told[name] = data
            continue
        third = len(lines) // 3
        parts = (lines[:third], lines[third : 2 * third], lines[2 * third :])
        for ending, part in zip((".2", ".1", ""), parts, strict=True):
            told[name + ending] = b"".join(part)
    return told


def among_noise(files: Files) -> Files:
    """Beside it a log of other programs, as long as a busy hour."""
    return {**files, "shop.log": _noise()}


@cache
def _noise() -> bytes:
    dice = random.Random(7)
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    sayings = (
        '10.0.0.{n} - - [{clf}] "GET /assets/app.{n}.js HTTP/1.1" 200 {m} "-" "Mozilla/5.0"',
        '10.0.0.{n} - - [{clf}] "GET /missing/{n} HTTP/1.1" 404 153 "-" "curl/8"',
        "{iso} INFO  orders: order {m} shipped to customer in {n} ms",
        "{iso} INFO  pool: database connection {n} opened",
        "{iso} WARN  pool: database connection {n} closed after {m} queries",
        "{iso} ERROR mailer: connection to smtp.example.com:25 timed out",
        "{iso} DEBUG cache: redis connected, {n} keys expired",
        "{iso} INFO  cron: session cleanup removed {m} expired tokens",
    )
    lines = []
    for number in range(NOISE_LINES):
        at = start + timedelta(milliseconds=120 * number)
        lines.append(
            dice.choice(sayings).format(
                n=dice.randrange(1, 250),
                m=dice.randrange(1000, 9000),
                clf=at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
                iso=at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            )
        )
    return "\n".join(lines).encode()
