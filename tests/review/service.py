"""A server's JSON log with the messages of many clients."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wsdiag.advice import Review
from wsdiag.config import Config
from wsdiag.reviewing import review

BEGAN = datetime(2026, 1, 5, 10, tzinfo=UTC)


class Service:
    """Collects what a server writes, in seconds from the beginning."""

    def __init__(self) -> None:
        self._lines: list[tuple[float, dict[str, Any]]] = []

    def write(self, at: float, **line: Any) -> None:
        self._lines.append((at, line))

    def client(self, conn: str, user: str, opened: float, closed: float) -> None:
        """A connection of a user, and its two ends."""
        told = {"conn": conn, "user": user, "path": "/live"}
        self.write(opened, msg="websocket connection opened", **told)
        self.write(closed, msg="websocket connection closed", code=1000, **told)

    def down(self, at: float, conn: str, message: Any) -> None:
        self.write(at, msg="message sent", conn=conn, payload=message)

    def up(self, at: float, conn: str, message: Any) -> None:
        self.write(at, msg="message received", conn=conn, payload=message)

    def save(self, folder: Path) -> Path:
        file = folder / "server.jsonl"
        ordered = sorted(self._lines, key=lambda line: line[0])
        stamped = ({"time": stamp(at), **line} for at, line in ordered)
        file.write_text("".join(f"{json.dumps(line)}\n" for line in stamped))
        return file

    def review(self, folder: Path, config: Config | None = None, *more: Path) -> Review:
        paths = [str(path) for path in (self.save(folder), *more)]
        return review(paths, config or Config())


def stamp(at: float) -> str:
    return (BEGAN + timedelta(seconds=at)).isoformat(timespec="milliseconds")
