"""Any text log: nginx, haproxy, uvicorn and the other formats of `wsdiag list formats`, mixed or
alone, in containers or syslog or not; applications' own logs by what their sentences say.

What reads the lines is imported when there is a log: its words and patterns are many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wsdiag import evidence
from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading

_OWN_REPORT = (
    b'{"schema":"wsdiag.bundle/',
    b"## WebSocket Debug:",
    b'"wsdiag.report/1"',
    b'"wsdiag.review/1"',
)
_OWN_TEXT = (b"SYMPTOMS  ", b"VERDICTS  measured against target")
_BINARY_SHARE = 0.1


def sniff(head: bytes, name: str) -> float:
    """0.5 where a known format stands in the head, 0.1 for other text, 0 for anything else."""
    if not is_text(head):
        return 0.0
    from wsdiag.sources.formats.line_format import all_formats
    from wsdiag.sources.line.wrapper import Unwrapper, strip_colours

    lines = head.decode("utf-8", "replace").splitlines()[:50]
    unwrapper = Unwrapper()
    for line in lines:
        peeled = unwrapper.peel(strip_colours(line))
        text = peeled.text if peeled else line
        if any(f.wants(text) and f.fields(text) for f in all_formats() if f.document.pattern):
            return 0.5
    return 0.1


def is_own_report(head: bytes) -> bool:
    """True for what wsdiag wrote itself: to read it would count everything twice."""
    start = head[:4096]
    return any(m in start for m in _OWN_REPORT) or all(m in start for m in _OWN_TEXT)


def is_text(head: bytes) -> bool:
    """True for printable text that is not a report of wsdiag itself."""
    if not head.strip() or is_own_report(head):
        return False
    # A machine that lost its power leaves some NUL bytes in the midst of a log.
    control = sum(head.count(bytes((c,))) for c in range(32) if c not in b"\t\n\r\x1b\f")
    broken = head.decode("utf-8", "replace").count("\ufffd")
    return (control + broken) / len(head) < _BINARY_SHARE


def is_dated(line: str, formats: Sequence[str] = ()) -> bool:
    """Whether a line states a time, its wrapper's or its own, by any form that logs are read in;
    `formats` are folders with formats of the user's."""
    import msgspec

    from wsdiag.sources.formats.line_format import formats_with
    from wsdiag.sources.line import json_record, stamps
    from wsdiag.sources.line.wrapper import Unwrapper, strip_colours

    text = strip_colours(line).strip()
    peeled = Unwrapper().peel(text)
    if (peeled and peeled.stamp) or stamps.parse(text) or stamps.find(text):
        return True
    for known in formats_with(tuple(formats)):
        if known.document.pattern and known.wants(text) and (said := known.fields(text)):
            return bool(said["time"])
    try:
        return text[:1] == "{" and json_record.record_stamp(text) is not None
    except (msgspec.DecodeError, RecursionError, AttributeError):
        return True  # a part of a record that is written over several lines


def excerpt(item: InputFile, positions: Sequence[int], context: int = 0) -> dict[int, str]:
    """The raw lines at `positions` and around. Raw: redact them."""
    return evidence.lines(item, positions, context)


def read(item: InputFile, config: Config) -> Reading:
    """The events of every line."""
    from wsdiag.sources import log_fetches, text_reader

    log_fetches.note(item, config)
    return text_reader.read(item, config)


def read_lines(item: InputFile, config: Config, lines: Iterable[tuple[int, str]]) -> Reading:
    """The events of lines with their places."""
    from wsdiag.sources import text_reader

    return text_reader.read_lines(item, config, lines)
