"""What a connection's life is told by: the kinds of its rows, and how close two sentences about one
moment stand."""

from __future__ import annotations

from datetime import datetime, timedelta

from wsdiag.event import BEGIN

ENDS, GIVEN_UP = ("close", "end"), ("heartbeat_timeout", "timeout")
LIFECYCLE = (*BEGIN, *ENDS)
PERSONAL = (*LIFECYCLE, *GIVEN_UP, "auth", "token", "ping", "pong", "message")
"""Kinds that belong to one connection even when the line does not name it."""

SAME_TRY = timedelta(milliseconds=50)
"""Two sentences of one attempt stand this close together."""

SAME_OPEN = timedelta(seconds=1)
"""Two sentences of one acceptance stand this close together."""


def apart(one: datetime | None, other: datetime | None) -> timedelta:
    """The time between two moments; none where one of them is unknown."""
    return abs(one - other) if one and other else timedelta()
