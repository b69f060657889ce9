"""Exceptions whose tracebacks stand in a log, in words that say nothing of a connection."""

from __future__ import annotations

import re

from wsdiag.sources.context.only_if import ONLY_IF, OnlyIf
from wsdiag.sources.context.open_connections import Row

_LAST_LINE = re.compile(
    r"(?:(?:[A-Za-z_]\w*\.)+(?P<own>[A-Z]\w*)|(?P<known>[A-Z]\w*(?:Error|Exception|Iteration|Group)))"
    r"(?:: .*)?$"
)
"""How Python ends a traceback: the exception's class, with its module where it is not built in, and
what it says."""

_OF_THE_END = re.compile(
    "Closed|Disconnect|Reset|Aborted|BrokenPipe|Cancelled|IncompleteRead|EOFError|SystemExit|Interrupt"
)
"""Exceptions that say that a connection has ended, or the process: they did not end it."""


def rows(text: str) -> list[Row]:
    """The row of a traceback's last line, if this is one.

    Programs log tracebacks of whatever fails: it counts beside a connection that it closed.
    """
    last = _LAST_LINE.match(text)
    name = last["own"] or last["known"] if last else ""
    if not name or _OF_THE_END.search(name):
        return []
    return [{"kind": "error", "reason": f"raised {name}", ONLY_IF: OnlyIf.IT_FAILED.value}]
