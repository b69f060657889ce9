"""Exceptions whose stacks stand in a log, in words that say nothing of a connection."""

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

_NAME = r"(?:[A-Za-z_$][\w$]*\.)*[A-Z][\w$]*(?:Error|Exception)"
_BEFORE = r'(?:Uncaught |Exception in thread "[^"]*" )?'
BEGINS_A_STACK = rf"^{_BEFORE}{_NAME}(?: \[\w+\])?(?::|$)"
"""A pattern of lines that may be the first of a stack, for any engine."""

_FIRST_LINE = re.compile(rf"{_BEFORE}(?P<name>{_NAME})(?: \[\w+\])?(?:: (?P<what>.*))?$")
"""How Node, the JVM and .NET begin one: the error's class and what it says; the calls follow."""

_CALL = re.compile(r"\s+at [\w$<\[]")

_OF_THE_END = re.compile(
    "Closed|Disconnect|Reset|Aborted|BrokenPipe|Cancelled|IncompleteRead|EOF|SystemExit|Interrupt"
)
"""Exceptions that say that a connection has ended, or the process: they did not end it."""

_TELLS_THE_END = re.compile(
    r"\bE(?:CONN|PIPE|TIMED)|hang up|not open|closed|broken pipe|\breset\b|aborted|timed? ?out",
    re.IGNORECASE,
)
"""The same in what an error of a general class says."""


def rows(text: str) -> list[Row]:
    """The row of a traceback's last line, if this is one.

    Programs log tracebacks of whatever fails: it counts beside a connection that it closed.
    """
    last = _LAST_LINE.match(text)
    name = last["own"] or last["known"] if last else ""
    if not name or _OF_THE_END.search(name):
        return []
    return [{"kind": "error", "reason": f"raised {name}", ONLY_IF: OnlyIf.IT_FAILED.value}]


def rows_of_first(text: str) -> list[Row]:
    """The row of a stack's first line, if this is one and `is_call` holds of the next."""
    first = _FIRST_LINE.match(text)
    if not first or _OF_THE_END.search(text) or _TELLS_THE_END.search(first["what"] or ""):
        return []
    name = first["name"].rpartition(".")[2]
    return [{"kind": "error", "reason": f"raised {name}", ONLY_IF: OnlyIf.IT_FAILED_ABOVE.value}]


def is_call(text: str) -> bool:
    """True for a call in a stack: `at Foo.bar (app.js:41:27)`."""
    return _CALL.match(text) is not None
