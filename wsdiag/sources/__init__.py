"""Readers of evidence: one module per kind, each able to say how sure it is of an input.

A source has no opinion on what it reads; it turns one input into EVENTS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsdiag.config import Config
from wsdiag.event import events
from wsdiag.evidence import InputFile, Reading

from . import cdp, har, journal_export, json_log, netlog, pcap, text_log


class Source(Protocol):
    """What every module here offers."""

    def sniff(self, head: bytes, name: str) -> float:
        """How sure this source is, from 0 (not mine) to 1, by the first bytes and the name."""

    def read(self, item: InputFile, config: Config) -> Reading:
        """Everything this input says. Bad content never raises: what is unreadable is counted."""

    def excerpt(
        self, item: InputFile, positions: Sequence[int], context: int = 0
    ) -> dict[int, str]:
        """The raw text that stands at `positions` and `context` places around. Raw: redact it."""


CDP: Source = cdp
HAR: Source = har
JOURNAL_EXPORT: Source = journal_export
JSON_LOG: Source = json_log
NETLOG: Source = netlog
PCAP: Source = pcap
TEXT_LOG: Source = text_log

SOURCES: tuple[Source, ...] = (PCAP, HAR, NETLOG, CDP, JOURNAL_EXPORT, JSON_LOG, TEXT_LOG)

SETTINGS = ".toml"
"""Such a file is no log, whatever its comments tell of connections."""

CHARLES = (".chls", ".chlsj", ".chlsx", ".chlz")
"""Sessions of the proxy Charles: its own formats are not documented, but it exports HAR."""


def choose(item: InputFile) -> Source | None:
    """The source that is surest of this input; None where none is."""
    if item.name.lower().endswith((SETTINGS, *CHARLES)):
        return None
    head = item.head()
    sureness = [(source.sniff(head, item.name), -rank) for rank, source in enumerate(SOURCES)]
    best, rank = max(sureness)
    return SOURCES[-rank] if best > 0 else None


def depth(item: InputFile, pos: int, config: Config) -> list[str]:
    """All that can be said of one place, where that is more than its excerpt. Raw: redact it."""
    return pcap.depth(item, pos, config) if choose(item) is PCAP else []


def undated(item: InputFile, positions: Sequence[int], config: Config) -> set[int]:
    """Of these places of a log those whose line states no time of its own; none of other inputs."""
    if choose(item) not in (TEXT_LOG, JSON_LOG):
        return set()
    texts = text_log.excerpt(item, positions)
    told = ((pos, texts[pos]) for pos in positions if pos in texts)
    return {pos for pos, text in told if not text_log.is_dated(text, config.formats)}


def in_turn(items: Sequence[InputFile]) -> list[list[InputFile]]:
    """The inputs that may be files of one capture, for `read_in_turn`."""
    return pcap.in_turn(items)


def read_in_turn(items: Sequence[InputFile], config: Config) -> list[Reading]:
    """Readings of the first of such files and of those that continue it."""
    return pcap.read_in_turn(items, config)


def read(item: InputFile, config: Config) -> Reading:
    """Read an input with the source that is surest of it; one that none knows gives no events."""
    source = choose(item)
    if source is not None:
        return source.read(item, config)
    form, remark = "unknown", "not a log, capture, HAR or NetLog"
    if item.path.stat().st_size == 0:
        remark = "empty"
    elif text_log.is_own_report(item.head()):
        form, remark = "report", "a report of wsdiag, no evidence"
    elif item.name.endswith(SETTINGS):
        form, remark = "settings", "settings, no evidence"
    elif item.name.lower().endswith(CHARLES):
        form = "charles"
        remark = "a session of Charles: export it as HAR (File → Export Session → HTTP Archive)"
    return Reading(format=form, vantage=None, events=events([]), remarks=(remark,))
