"""A page as a HAR shows it: sockets with their messages, and plain requests beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wsdiag.advice import Judgement, Review
from wsdiag.config import Config
from wsdiag.reviewing import review

BEGAN = datetime(2026, 1, 5, 10, tzinfo=UTC)
EXTENSIONS = [{"name": "Sec-WebSocket-Extensions", "value": "permessage-deflate"}]


class Page:
    """Collects what a browser saw, in seconds from the beginning."""

    def __init__(self, url: str = "wss://app.example.com/live", *, deflate: bool = False) -> None:
        self.url, self.deflate = url, deflate
        self.messages: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []

    def down(self, at: float, message: Any) -> None:
        self._message("receive", at, message)

    def up(self, at: float, message: Any) -> None:
        self._message("send", at, message)

    def _message(self, kind: str, at: float, message: Any) -> None:
        data = message if isinstance(message, str) else json.dumps(message)
        time = BEGAN.timestamp() + at
        self.messages.append({"type": kind, "time": time, "opcode": 1, "data": data})

    def get(self, at: float, path: str, answer: Any, ms: float = 80.0) -> None:
        content = {"mimeType": "application/json", "text": json.dumps(answer)}
        self.entries.append(
            self._entry(at, f"https://app.example.com{path}", ms, 200)
            | {"_resourceType": "fetch", "response": {"status": 200, "content": content}}
        )

    def _entry(self, at: float, url: str, ms: float, status: int) -> dict[str, Any]:
        return {
            "startedDateTime": (BEGAN + timedelta(seconds=at)).isoformat(),
            "time": ms,
            "request": {"method": "GET", "url": url, "headers": []},
            "response": {"status": status, "headers": EXTENSIONS if self.deflate else []},
        }

    def back(self, at: float, other: Page) -> None:
        """The same page connects again; `other` holds what it says then."""
        socket = self._entry(at, self.url, 20.0, 101)
        messages = sorted(other.messages, key=lambda it: it["time"])
        self.entries.append(socket | {"_resourceType": "websocket", "_webSocketMessages": messages})

    def refused(self, at: float, status: int) -> None:
        """An upgrade that is answered with another status."""
        entry = self._entry(at, self.url, 20.0, status)
        self.entries.append(entry | {"_resourceType": "websocket"})

    def review(self, folder: Path, config: Config | None = None, **options: Any) -> Review:
        socket = self._entry(0, self.url, 20.0, 101) | {
            "_resourceType": "websocket",
            "_webSocketMessages": sorted(self.messages, key=lambda it: it["time"]),
        }
        file = folder / "page.har"
        file.write_text(json.dumps({"log": {"entries": [socket, *self.entries]}}))
        return review([str(file)], config or Config(), **options)


def verdicts(told: Review) -> dict[str, Judgement]:
    return {one.id: one.verdict for one in told.optimisations}


def needed(told: Review) -> set[str]:
    return {name for name, verdict in verdicts(told).items() if verdict == "needed"}
