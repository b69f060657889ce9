"""Small stories for tests: what each source would tell, and what the detectors say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from wsdiag import connections, detectors, sessions
from wsdiag.connections import Story
from wsdiag.event import events
from wsdiag.targets import Goals

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

WIRE, SERVER, PROXY, CLIENT = "wire.pcap", "server.log", "nginx.log", "client.log"
VANTAGES = {WIRE: "network", SERVER: "server", PROXY: "proxy", CLIENT: "client"}

Row = dict[str, Any]
BACK = {"c2s": "s2c", "s2c": "c2s"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def row(
    kind: str, seconds: float | None, conn: str | None = None, source: str = WIRE, **columns: Any
) -> Row:
    """One event; the source's name tells who saw it, unless `vantage` does."""
    return {
        "ts": None if seconds is None else at(seconds),
        "vantage": VANTAGES.get(source),
        "source": source,
        "conn": conn,
        "kind": kind,
    } | columns


def life(
    conn: str | None,
    opened: float,
    ended: float | None = None,
    *,
    source: str = WIRE,
    code: int | None = None,
    by: str | None = "s2c",
    reason: str | None = None,
    how: str = "fin",
    ms: float | None = 5.0,
    stops: float | None = None,
    **known: Any,
) -> list[Row]:
    """A connection from open to end, as this kind of source tells it.

    `code` is the one in the first Close frame, sent `by`; without it the transport just ends.
    `stops` is where the evidence ends while the connection lives. `known` goes on the opening rows.
    """
    vantage = known.pop("vantage", VANTAGES.get(source))
    rows = [row("open", opened, conn, source, ms=ms, **known)]
    if vantage in ("network", "client"):
        tried = opened - (ms or 5.0) / 1000
        rows.insert(0, row("attempt", tried, conn, source, **known))
    if ended is not None and vantage == "network":
        if code is not None and by is not None:
            rows.append(row("close", ended, conn, source, code=code, dir=by, reason=reason))
            rows.append(row("close", ended + 0.001, conn, source, code=code, dir=BACK[by]))
        rows.append(row("end", ended + 0.002, conn, source, reason=how, dir=by))
    elif ended is not None and vantage == "proxy":
        line = {"pos": 1000 + int(ended * 10) * 100 + len(str(conn))}
        rows = [rows[0] | line]
        rows.append(row("end", ended, conn, source, ms=(ended - opened) * 1000, **known) | line)
    elif ended is not None:
        said = {"code": 1006} if code is None else {"code": code, "reason": reason}
        sender = by if vantage == "server" and code is not None else None
        rows.append(row("close", ended, conn, source, dir=sender, **said))
    if stops is not None:
        rows.append(row("end", stops, conn, source, reason="evidence-stops"))
    return [r | {"vantage": vantage} for r in rows]


def proxied(
    conn: str, opened: float, ended: float | None = None, *, by: str = "proxy", **more: Any
) -> list[Row]:
    """Both legs of a connection through a proxy, as a capture on the proxy sees them.

    `by` is who ends it: with "proxy" both legs end from the middle.
    """
    key = more.pop("key", f"key-{conn}")
    front, back = ("s2c", "c2s") if by == "proxy" else (by, by)
    lag = -0.003 if by == "c2s" else 0.003  # the leg of whoever ends it ends first
    return [
        *life(f"{conn}-front", opened, ended, by=front, key=key, **more),
        *life(
            f"{conn}-back",
            opened - 0.001,
            None if ended is None else ended - lag,
            by=back,
            key=key,
            **more,
        ),
    ]


def pings(
    conn: str,
    times: Iterable[float],
    *,
    dir: str = "s2c",  # noqa: A002 – the column's name
    pong_ms: float | None = 1.0,
    source: str = WIRE,
) -> list[Row]:
    """Pings, each answered after `pong_ms`, or never when that is None."""
    rows = []
    for seconds in times:
        rows.append(row("ping", seconds, conn, source, dir=dir))
        if pong_ms is not None:
            later = seconds + pong_ms / 1000
            rows.append(row("pong", later, conn, source, dir=BACK[dir], ms=pong_ms))
    return rows


def chat(
    conn: str, times: Iterable[float], *, ms: float = 5.0, source: str = WIRE, first: int = 1
) -> list[Row]:
    """Requests, each answered after `ms` by a message with the same id."""
    rows = []
    for number, seconds in enumerate(times, first):
        name = f"{number}"
        rows.append(row("message", seconds, conn, source, dir="c2s", trace=name, bytes=100))
        answered = seconds + ms / 1000
        rows.append(row("message", answered, conn, source, dir="s2c", trace=name, bytes=200))
    return rows


def frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """The rows as EVENTS, numbered in each source by time where they have no `pos`."""
    places: Counter[str] = Counter()
    numbered = []
    for entry in sorted(rows, key=lambda r: r["ts"] or START):
        places[entry["source"]] += 1
        numbered.append({"pos": places[entry["source"]]} | entry)
    return events(numbered)


def told(events_: pl.DataFrame) -> Story:
    """The story of EVENTS that have no sessions yet."""
    return connections.told([sessions.identify(events_).lazy()])


def story(rows: Iterable[Mapping[str, Any]]) -> Story:
    return told(frame(rows))


def table(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The connection table of these rows."""
    return story(rows).connections.collect().to_dicts()


class Judged(NamedTuple):
    """What one detector said."""

    verdict: str
    why: str
    findings: list[dict[str, Any]]

    @property
    def traits(self) -> set[str]:
        return {trait for finding in self.findings for trait in finding["traits"]}

    @property
    def count(self) -> int:
        return sum(finding["count"] for finding in self.findings)


def judge(name: str, rows: Iterable[Mapping[str, Any]], **targets: float) -> Judged:
    """Let one detector judge the rows."""
    return judge_story(name, story(rows), **targets)


def judge_story(name: str, told_: Story, **targets: float) -> Judged:
    chosen = {name: detectors.DETECTORS[name]}
    found, (verdict,) = detectors.judge(told_, Goals(**targets), chosen)
    return Judged(verdict.verdict.value, verdict.why, found.to_dicts())
