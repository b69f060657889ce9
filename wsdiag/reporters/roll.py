"""The connection table and the life of one connection, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wsdiag.report import Connection, Moment
from wsdiag.reporters.wording import amount, cut, failure, flat, instant, plural

INITIALS = {"server": "S", "proxy": "P", "network": "N", "client": "C"}
_HEADS = (
    *("SESSION", "BEGAN", "HANDSHAKE", "LASTED", "C2S/S2C", "PINGS", "CLOSED BY", "CODE", "END"),
    *("BACK AFTER", "SEEN BY"),
)
_WHAT_WIDTH = 60


def connections(told: Sequence[Connection]) -> str:
    """One line for each connection; the last column says who saw it: Server, Proxy, Network,
    Client."""
    rows = [_HEADS, *(_row(connection) for connection in told)]
    failed = sum(bool(failure(connection)) for connection in told)
    opened = plural(len(told) - failed, "connection")
    return f"{aligned(rows)}{opened}, {plural(failed, 'failed attempt')}\n"


def _row(told: Connection) -> tuple[str, ...]:
    began = told.opened or told.attempted or told.closed or told.ended
    failed = failure(told)
    return (
        told.session,
        instant(began)[11:] if began else "?",
        _seconds(told.handshake_ms, "ms"),
        _seconds(told.duration_s, "s"),
        f"{told.messages.c2s:,}/{told.messages.s2c:,}",
        f"{told.pings:,}",
        told.closed_by or ("" if failed else "lives"),
        failed or ("" if told.close_code is None else str(told.close_code)),
        flat(told.end or ""),
        _seconds(told.reconnected_after_s, "s"),
        "".join(INITIALS.get(vantage, "") for vantage in told.vantages),
    )


BORROWED = "~: the line states no time; it is that of a line beside it"
UNSURE = "≈: nearer than the clocks are sure of, which came first is not known"


def timeline(told: Sequence[Moment]) -> str:
    """One line for each event: the time, the seconds since the one before, who saw what, where."""
    heads = ("TIME (UTC)", "DELTA S", "SEEN BY", "EVENT", "PROOF")
    notes = f"{UNSURE}\n" if any(moment.unsure for moment in told) else ""
    notes += f"{BORROWED}\n" if any(moment.borrowed for moment in told) else ""
    return aligned([heads, *moments(told)]) + notes


def moments(told: Sequence[Moment]) -> list[tuple[str, ...]]:
    """The cells of such lines."""
    return [
        (
            f"{_clock(moment.ts)}{'~' * moment.borrowed}",
            "" if moment.delta_s is None else f"{moment.delta_s:+.3f}{'≈' * moment.unsure}",
            moment.vantage,
            _event(moment),
            flat(moment.pointer),
        )
        for moment in told
    ]


def _event(moment: Moment) -> str:
    way = {"c2s": "→", "s2c": "←"}.get(moment.dir or "", "")
    code = "" if moment.code is None else str(moment.code)
    parts = (moment.kind, way, code, flat(moment.what))
    return cut(" ".join(part for part in parts if part), _WHAT_WIDTH)


def _clock(ts: datetime | None) -> str:
    return instant(ts)[11:] if ts else "?"


def _seconds(value: float | None, unit: str) -> str:
    return "" if value is None else amount(value, unit)


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines)
