"""Numbers, times and tallies in words, the same in every report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

from wsdiag.finding import Evidence, Finding, Severity
from wsdiag.redact import sanitise
from wsdiag.report import TIMED, Connection, Facts, Input, Quantiles, Report, RootCause, Span

MARKS = {"breach": "✗", "pass": "✓", "not-applicable": "–", "error": "!"}
"""One sign per verdict."""


def flat(text: str) -> str:
    """Text from evidence on one line, without control characters or invisible formatting."""
    return " ".join(sanitise(" ".join(text.split())).split())


def cut(text: str, width: int) -> str:
    """`text`, with a … where it is longer than `width`."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def amount(value: float | None, unit: str = "") -> str:
    """A number with three digits that matter, and its unit."""
    if value is None:
        return "not measured"
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2
    shown = f"{value:,.{digits}f}"
    shown = shown.rstrip("0").rstrip(".") if digits else shown
    return f"{shown} {unit}".strip()


def instant(when: datetime | None) -> str:
    """A time in UTC, to the millisecond where it has any."""
    if when is None:
        return "?"
    utc = when.astimezone(UTC)
    return utc.strftime("%Y-%m-%d %H:%M:%S") + (
        f".{utc.microsecond // 1000:03}" if utc.microsecond >= 1000 else ""
    )


def short(when: datetime | None, stretch: Span) -> str:
    """A time within a stretch: of the day, and with the date where the stretch has several."""
    same = stretch.since and stretch.until and stretch.since.date() == stretch.until.date()
    return instant(when)[11:] if same else instant(when)[5:]


def lasting(seconds: float) -> str:
    """A time in the unit in which people say it: `0.4 s`, `20 min`, `2.5 h`, `3 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return amount(seconds / size, unit)
    return amount(seconds, "s")


def moment(proof: Evidence, pointer: str) -> str:
    """The time of day of a record; a log line says its own."""
    return instant(proof.ts)[11:] if proof.ts and "#" in pointer else ""


def span(stretch: Span) -> str:
    """Both ends of a stretch of time; the date once where it is the same day."""
    if not stretch.since and not stretch.until:
        return "no times"
    since, until = instant(stretch.since), instant(stretch.until)
    if since[:10] == until[:10] and stretch.until:
        until = until[11:]
    return f"{since} to {until} UTC"


def tally(counts: Mapping[str, int]) -> str:
    """`1006 ×300, 1000 ×12`: the most frequent first."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{flat(name)} ×{number:,}" for name, number in ranked)


def traffic(facts: Facts) -> list[str]:
    """What happened, in numbers: connections, how they failed, how they ended."""
    parts = [plural(facts.connections, "connection"), plural(facts.attempts, "attempt")]
    if facts.rejections:
        parts.append(f"rejected: HTTP {tally(facts.rejections)}")
    if facts.refused:
        parts.append(f"{facts.refused:,} refused")
    codes = [f"close codes: {tally(facts.close_codes)}"] if facts.close_codes else []
    return [line for line in (" · ".join(parts), *codes, beyond(facts)) if line]


def beyond(facts: Facts) -> str:
    """What the symptoms leave out: how the transport ended, how many came back, how fast."""
    parts = [f"transport ended by: {tally(facts.ends)}"] if facts.ends else []
    if facts.reconnects:
        parts.append(plural(facts.reconnects, "reconnect"))
    if facts.attempts_max_per_10s > 1:
        one = facts.attempts_max_per_10s_one_client
        of_one = f", {one:,} of one client" if one else ""
        parts.append(f"busiest 10 s: {plural(facts.attempts_max_per_10s, 'attempt')}{of_one}")
    return " · ".join(parts)


def speeds(facts: Facts) -> list[str]:
    """The measured distributions, one line each."""
    measured: list[tuple[str, Quantiles, str]] = [
        ("connect", facts.connect_ms, "ms"),
        *(
            (f"message ({TIMED[how]})", quantiles, "ms")
            for how, quantiles in facts.message_how_ms.items()
        ),
        ("ping to pong", facts.pong_ms, "ms"),
        ("reconnect", facts.reconnect_s, "s"),
    ]
    return [
        f"{name}: p50 {amount(q.p50, unit)}, p95 {amount(q.p95, unit)}, "
        f"max {amount(q.max, unit)} (of {q.n:,})"
        for name, q, unit in measured
        if q.n
    ]


def plural(number: int, noun: str) -> str:
    """`1 connection`, `2 connections`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def name(item: Input) -> str:
    """An input's name; one that could not be opened has only its path."""
    return item.source or item.path


def clock(item: Input) -> str:
    """The offset of an input's clock against the reference, with its error, drift and zone."""
    if item.clock_offset_ms is None:
        return ""
    if item.clock_against == item.source:
        return "reference"
    error = "" if item.clock_error_ms is None else f" ± {amount(item.clock_error_ms)}"
    zone = item.clock_zone_min or 0
    apart = f"{_signed(item.clock_offset_ms - zone * 60_000)}{error} ms"
    if zone:
        apart = f"{_signed(zone / 60)} h (time zone) {apart}"
    if item.clock_drift_ppm is not None:
        off = amount(item.clock_drift_error_ppm)
        apart += f", drifts {_signed(item.clock_drift_ppm)} ± {off} ppm"
    return apart


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{amount(value)}"


def confidence(cause: RootCause) -> str:
    """`confirmed (0.93)`."""
    return f"{cause.word} ({cause.confidence:.2f})"


LITTLE = 0.25
"""Below this share of the troubled connections an answer is not the whole story."""


def but(report: Report) -> str:
    """That the answer explains few of the troubled connections, and the largest finding that it
    leaves; empty where it explains more, or where none can be counted."""
    share = report.causes[0].share
    if not 0 < share < LITTLE:
        return ""
    left = [finding for finding in other_findings(report) if finding.severity is not Severity.INFO]
    most = max(left, key=lambda finding: finding.count, default=None)
    rest = f"; the largest of the rest: {flat(most.message)}" if most else ""
    return f"It explains {share:.0%} of the troubled connections{rest}."


def evidence_for(report: Report, cause: RootCause) -> list[Finding]:
    """The findings that speak for a cause, in the cause's order."""
    by_id = {finding.id: finding for finding in report.findings}
    return [by_id[name] for name in cause.findings if name in by_id]


def failure(told: Connection) -> str:
    """How an attempt failed; empty for a connection that opened, maybe before the evidence."""
    if told.opened or (told.closed_by and not told.status and not told.refused):
        return ""
    return "refused" if told.refused else f"HTTP {told.status}" if told.status else "failed"


def proofs(finding: Finding) -> list[Evidence]:
    """A finding's pointers, each place once."""
    return list({(proof.source, proof.pos): proof for proof in finding.evidence}.values())


def measured(finding: Finding) -> str:
    """`41.3 s, target 30 s`; the target where there is one, nothing where nothing was measured."""
    if finding.measured is None:
        return ""
    target = (
        f", target {amount(finding.target, finding.unit)}" if finding.target is not None else ""
    )
    return f"{amount(finding.measured, finding.unit)}{target}"


def other_findings(report: Report) -> list[Finding]:
    """What was found beside the answer."""
    told = set(report.causes[0].findings)
    return [finding for finding in report.findings if finding.id not in told]


def hint(report: Report) -> str:
    """The command that shows the first proof; nothing where there is none."""
    for finding in (*evidence_for(report, report.causes[0]), *report.findings):
        for proof in finding.evidence:
            return f"wsdiag show {shlex.quote(flat(report.pointer(proof)))} -C 3"
    return ""
