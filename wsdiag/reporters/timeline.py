"""The incident as lines of time: when the evidence begins, what was found when, when it ends."""

from __future__ import annotations

from datetime import datetime

from wsdiag.finding import Finding
from wsdiag.report import Report
from wsdiag.reporters import sparkline
from wsdiag.reporters.wording import amount, flat, instant

MAX_LINES = 8
_WIDTH = 8
"""Room for how long something went on."""


def lines(report: Report) -> list[str]:
    """One line a moment, in UTC, the worst findings only; then the measures over the time."""
    dated = [finding for finding in report.findings if finding.started]
    order = list(type(dated[0].severity)) if dated else []
    worst = sorted(dated, key=lambda it: (order.index(it.severity), -it.count))[:MAX_LINES]
    covered = report.window.covered
    moments = [(when, _told(it, report)) for it in worst if (when := it.started)]
    moments.sort(key=lambda moment: moment[0])
    if not moments:
        return sparkline.lines(report.series)
    if covered.since:
        moments.insert(0, (covered.since, f"{'':{_WIDTH}}  the evidence begins"))
    if covered.until:
        moments.append((covered.until, f"{'':{_WIDTH}}  the evidence ends"))
    return _dated(moments) + sparkline.lines(report.series)


def _dated(moments: list[tuple[datetime, str]]) -> list[str]:
    """The date once, where the day changes."""
    shown, day = [], ""
    for when, what in moments:
        stamp = instant(when)
        date, clock = stamp[:10], f"{stamp[11:]:<12}"
        if date != day:
            shown.append(f"{date} UTC")
            day = date
        shown.append(f"{clock}  {what}")
    return shown


def _told(finding: Finding, report: Report) -> str:
    """How long it went on, its detector, of how many connections, and where it is proved."""
    began, ended = finding.started, finding.ended
    lasted = (ended - began).total_seconds() if began and ended else 0.0
    count = f" ×{finding.count:,}" if finding.count > 1 else ""
    where = f"  {flat(report.pointer(finding.evidence[0]))}" if finding.evidence else ""
    during = f"+{amount(lasted, 's')}" if lasted >= 1 else ""
    return f"{during:<{_WIDTH}}  {finding.detector}{count}{where}"
