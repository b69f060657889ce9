"""What a command makes of a report: its title and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsdiag.cli.streams import FINDINGS, UNREADABLE

if TYPE_CHECKING:
    from wsdiag.report import Input, Report


def named(report: Report, issue: str) -> Report:
    """The report under the title that the user gave it, in which a secret may stand, too."""
    import msgspec

    from wsdiag.redact import Redactor

    return msgspec.structs.replace(report, issue=Redactor().mask(" ".join(issue.split())))


def verdict(report: Report, *, strict: bool) -> int:
    """The exit code that a report deserves."""
    if strict and any(not is_read(item) or item.unread_lines for item in report.inputs):
        return UNREADABLE
    return FINDINGS if report.failing else 0


def is_read(item: Input) -> bool:
    """An empty file is read; a file that no source knows is not."""
    return item.format != "unreadable" and not (item.format == "unknown" and item.bytes)
