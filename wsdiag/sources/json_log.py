"""JSON lines: application logs of pino, zap, structlog and the like, proxies' JSON access logs,
docker's json-file and journald's json. Text lines among them are read too.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wsdiag import evidence
from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import text_log

HEAD_LINES = 50


def sniff(head: bytes, name: str) -> float:
    """0.8 where most lines of the head are JSON objects."""
    if not text_log.is_text(head):
        return 0.0
    lines = [line for line in head.splitlines()[:HEAD_LINES] if line.strip()]
    if len(lines) > 1 and len(head) >= evidence.HEAD_BYTES:
        lines = lines[:-1] or lines  # the last may be cut
    objects = sum(_is_object(line) for line in lines)
    return 0.8 if objects * 2 > len(lines) else 0.0


def read(item: InputFile, config: Config) -> Reading:
    """The events of every line."""
    from wsdiag.sources import log_contents  # as in `text_log`: its words and patterns are many

    log_contents.note(item, config)
    return text_log.read(item, config)


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions` and around. Raw: redact them."""
    return evidence.lines(item, positions, context)


def _is_object(line: bytes) -> bool:
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
