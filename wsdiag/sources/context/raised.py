"""Exceptions whose tracebacks stand in a log, in words that say nothing of a connection."""

from __future__ import annotations

import re

from wsdiag.sources.context.only_if import ONLY_IF, OnlyIf
from wsdiag.sources.context.open_connections import Row

_LAST_LINE = re.compile(r"(?:[A-Za-z_]\w*\.)*(?P<name>[A-Z]\w*)(?:: .*)?$")
"""How Python ends a traceback: the exception's class, and what it says."""

_OF_THE_END = re.compile(
    "Closed|Disconnect|Reset|Aborted|BrokenPipe|Cancelled|IncompleteRead|EOFError|SystemExit|Interrupt"
)
"""Exceptions that say that a connection has ended, or the process: they did not end it."""


def rows(text: str) -> list[Row]:
    """The row of a traceback's last line, if this is one.

    Programs log tracebacks of whatever fails: it counts beside a connection that it closed.
    """
    last = _LAST_LINE.match(text)
    if not last or _OF_THE_END.search(last["name"]):
        return []
    return [{"kind": "error", "reason": f"raised {last['name']}", ONLY_IF: OnlyIf.IT_FAILED.value}]
