"""Symptoms in numbers, and what each of the three places shows."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from wsdiag.connections import Story
from wsdiag.explain import coverage
from wsdiag.explain.prose import at, ms, plural, seconds
from wsdiag.finding import Finding, Severity
from wsdiag.report import Facts, Input, Quantiles
from wsdiag.targets import Goals

MAX_SYMPTOMS = 6

PLACES = {"server_logs": ("server", "proxy"), "network": ("network",), "client": ("client",)}


def symptoms(findings: list[Finding], facts: Facts, targets: Goals) -> str:
    """What happened, in numbers: how many connections, how they ended, what misses its target."""
    lines = [f"- {plural(facts.connections, 'connection')}{_codes(facts)}{_failed(facts)}"]
    order = list(Severity)
    worst = sorted(findings, key=lambda finding: (order.index(finding.severity), -finding.count))
    lines += [f"- {finding.message}{_when(finding)}" for finding in worst[:MAX_SYMPTOMS]]
    if len(worst) > MAX_SYMPTOMS:
        lines.append(f"- and {plural(len(worst) - MAX_SYMPTOMS, 'more finding')}")
    measured = [
        _against("connection latency", facts.connect_ms, targets.connect_ms, ms),
        _against("message latency", facts.message_ms, targets.message_ms, ms),
        _against("reconnection time", facts.reconnect_s, targets.reconnect_s, seconds),
    ]
    # What keeps its target is no symptom, unless nothing else is to be told.
    shown = [text for text, missed in measured if text and (missed or not findings)]
    if shown:
        own = ", ".join(f"`{path}`" for path, _ in targets.paths)
        lines.append("- " + "; ".join(shown) + (f"; other targets hold for {own}" if own else ""))
    return "\n".join(lines)


def investigate(
    story: Story, inputs: Collection[Input] = (), stacks: Collection[str] = (), apart: int = 0
) -> dict[str, str]:
    """What server logs, the network and the client show, by section of the report: which source
    covers which time, what it tells, what it cannot show and how to collect it. `apart` as in
    `Facts.left_apart`."""
    table = story.connections.collect()
    counts = (
        story.events.group_by(
            "source",
            pl.col("vantage", "kind").cast(pl.String),
            pl.when(pl.col("kind") == "close").then("code"),
        )
        .agg(len=_counted())
        .sort("source", "kind")
        .collect()
    )
    spans = coverage.spans(inputs)
    sections = {}
    for place, vantages in PLACES.items():
        rows = counts.filter(pl.col("vantage").is_in(vantages))
        if rows.is_empty():
            sections[place] = coverage.nothing(place, stacks)
            continue
        told = [
            _told_by(source, mine, spans.get(source, ""))
            for (source,), mine in rows.partition_by("source", as_dict=True).items()
        ]
        if place == "network":
            told.append(_who_closed(table))
        told += coverage.gaps(place, story, inputs, stacks)
        told += coverage.apart(apart, stacks) if place == "server_logs" else []
        sections[place] = "\n".join(line for line in told if line)
    return sections


_STATES = {"open": "opened", "rejected": "rejected", "refused": "refused"}

_THINGS = {
    "close": "close",
    "end": "end",
    "ping": "ping",
    "pong": "pong",
    "message": "message",
    "heartbeat_timeout": "heartbeat timeout",
    "timeout": "timer cut",
    "retransmit": "retransmission",
    "zero_window": "zero window",
    "server_stop": "server stop",
    "server_start": "server start",
    "reload": "reload",
    "stall": "stall",
    "error": "error",
    "backpressure": "backpressure report",
}


_ONCE = (*_STATES, "close", "end")


def _counted() -> pl.Expr:
    """How many rows; of what the wire shows the connections, where a connection does it once: both
    sides send a Close frame and a FIN, and a capture may see two legs."""
    once = (pl.col("vantage") == "network") & pl.col("kind").is_in(_ONCE)
    return pl.col("session").filter(once).n_unique() + (~once).sum()


def _told_by(source: str, mine: pl.DataFrame, span: str) -> str:
    counts = dict(mine.group_by("kind").agg(pl.col("len").sum()).iter_rows())
    parts = [f"{counts[kind]} {word}" for kind, word in _STATES.items() if kind in counts]
    parts += [plural(counts[kind], noun) for kind, noun in _THINGS.items() if kind in counts]
    codes = (
        mine.filter(pl.col("code").is_not_null())
        .group_by("code")
        .agg(pl.col("len").sum())
        .sort("len", "code", descending=[True, False])
    )
    stated = ", ".join(f"{code} ×{n}" for code, n in codes.head(5).iter_rows())
    text = ", ".join(parts) if parts else "nothing about connections"
    covered = f" ({span})" if span else ""
    return f"- `{source}`{covered}: {text}" + (f"; close codes {stated}" if stated else "")


def _who_closed(table: pl.DataFrame) -> str:
    ended = table.filter(pl.col("gone") & pl.col("vantages").list.contains("network"))
    if ended.is_empty():
        return ""
    sides = ended["closed_by"].fill_null("unknown").value_counts()
    first = sides.sort("count", "closed_by", descending=[True, False])
    who = ", ".join(f"{side} ×{n}" for side, n in first.iter_rows())
    frameless = ended.filter("frameless")
    tail = (
        f"; {len(frameless)} of {len(ended)} ends without a Close frame" if len(frameless) else ""
    )
    return f"- closed first by: {who}{tail}"


def _codes(facts: Facts) -> str:
    if not facts.close_codes:
        return ""
    order = sorted(facts.close_codes.items(), key=lambda item: (-item[1], item[0]))
    words = {"none": "no Close frame"}
    return "; ended with " + ", ".join(f"{words.get(code, code)} ×{n}" for code, n in order)


def _failed(facts: Facts) -> str:
    parts = [f"HTTP {status} ×{n}" for status, n in sorted(facts.rejections.items())]
    if facts.refused:
        parts.append(f"refused ×{facts.refused}")
    return "; failed attempts: " + ", ".join(parts) if parts else ""


def _when(finding: Finding) -> str:
    if finding.started is None or finding.ended is None:
        return ""
    if finding.started == finding.ended:
        return f" at {at(finding.started)}"
    return f" ({at(finding.started)} to {at(finding.ended)})"


def _against(name: str, figures: Quantiles, target: float, word: object) -> tuple[str, bool]:
    """The figure beside its target, and whether it misses it; no words where none was measured."""
    if not figures.n or figures.p95 is None:
        return "", False
    shown = word(figures.p95) if callable(word) else figures.p95
    limit = word(target) if callable(word) else target
    missed = figures.p95 > target
    verdict = "above" if missed else "within"
    return f"{name} p95 {shown} ({verdict} the target of {limit}, n={figures.n})", missed
