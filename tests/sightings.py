"""Sightings for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from wsdiag.sessions.sightings import Sighting

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def moment(ms: int) -> datetime:
    return START + timedelta(milliseconds=ms)


def seen(name: tuple[str, str], opened: int | None, lasted: int | None, **told: object) -> Sighting:
    begun = moment(opened) if opened is not None else None
    ended = moment((opened or 0) + lasted) if lasted is not None else None
    known = {"outcome": "open", "vantage": "server", "alive": begun} | told
    nothing = dict.fromkeys(Sighting.__struct_fields__)
    return Sighting(
        **nothing
        | known
        | {"node": name, "conn": name[1], "opened": begun, "ended": ended}
        | {"first": begun or ended, "last": ended or begun}
    )
