"""The architecture template's checklist, as far as the evidence shows it."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.report import CheckItem
from wsdiag.review.traffic import Traffic

PASS, NOT_DECIDABLE = "PASS", "NOT DECIDABLE"
_ASKED = {
    "auth token valid at connect": "auth on connect",
    "heartbeat implemented": "heartbeat",
    "reconnection with exponential backoff and jitter": "reconnection logic",
    "connection status indicator in the UI": "connection status UI",
    "fallback polling if WebSocket fails": "fallback polling",
}
"""The debug method's items, by the template's names."""


def checklist(of: Traffic, checked: Sequence[CheckItem]) -> list[CheckItem]:
    """Six items; the first five are decided as the diagnosis decides them."""
    found = [
        CheckItem(item=_ASKED[one.item], verdict=one.verdict, why=one.why)
        for one in checked
        if one.item in _ASKED
    ]
    beats = int((of.sessions["beats"] > 0).sum())
    return [
        _heartbeat(one, beats, len(of.sessions)) if one.item == "heartbeat" else one
        for one in found
    ] + [
        CheckItem(
            item="tests",
            verdict=NOT_DECIDABLE,
            why="traffic does not show tests; look for those that cut a connection and reconnect",
        )
    ]


def _heartbeat(item: CheckItem, beating: int, opened: int) -> CheckItem:
    """Heartbeats that only the contents show, such as Action Cable's or STOMP's."""
    if item.verdict != NOT_DECIDABLE or not beating:
        return item
    why = f"the application's own heartbeats on {beating} of {opened} connections"
    return CheckItem(item=item.item, verdict=PASS, why=why)
