"""An incident of many connections, as nginx logs them: most are cut after 60 s of silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

BEGAN = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"


def write(folder: Path, connections: int) -> None:
    """An access log and an error log over three hours, both in the order of the ends."""
    chance = Random(7)
    ends: list[tuple[datetime, str, str]] = []
    for number in range(connections):
        client = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        cut = chance.random() < 0.7
        lasted = 60 + chance.random() * 90 if cut else 5 + chance.random() * 900
        ended = BEGAN + timedelta(seconds=chance.random() * 10_800 + lasted)
        access = (
            f"{client}:{40_000 + number % 20_000} - - [{ended:%Y-%m-%dT%H:%M:%S+00:00}] "
            f'"GET /live HTTP/1.1" 101 {chance.randrange(90, 9_000)} "{AGENT}" rt={lasted:.3f} '
            f"urt={lasted - 0.001:.3f} uct=0.000 uht=0.004 ua=10.9.0.20:9000 us=101 "
            f"conn={number} rid={chance.randbytes(16).hex()}\n"
        )
        error = (
            f"{ended:%Y/%m/%d %H:%M:%S} [info] 7#7: *{number} upstream timed out (110: Connection "
            f"timed out) while proxying upgraded connection, client: {client}, server: "
            'live.example.com, request: "GET /live HTTP/1.1", upstream: '
            '"http://10.9.0.20:9000/live", host: "live.example.com"\n'
        )
        ends.append((ended, access, error if cut else ""))
    ends.sort()
    (folder / "nginx-access.log").write_text("".join(access for _, access, _ in ends), "utf-8")
    (folder / "nginx-error.log").write_text("".join(error for _, _, error in ends), "utf-8")
