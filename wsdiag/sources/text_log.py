"""Read log lines."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag import evidence
from wsdiag.config import Config
from wsdiag.event import events
from wsdiag.evidence import InputFile, Reading


def sniff(head: bytes, name: str) -> float:
    """How sure this source is."""
    return 0.0


def read(item: InputFile, config: Config) -> Reading:
    """Read nothing yet."""
    return Reading(format="text", vantage=None, events=events([]))


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions`."""
    return evidence.lines(item, positions, context)
