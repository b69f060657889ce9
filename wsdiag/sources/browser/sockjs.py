"""SockJS without WebSocket: the requests of one session, by their URLs.

They are PREFIX/SERVER/SESSION/TRANSPORT, and a server that does not know the session of one that
sends answers 404 (sockjs/sockjs-protocol, sockjs-protocol.py, "Protocol and Transports").
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

_SESSION = re.compile(
    r"(?P<prefix>(?:/[^/]+)*)/[^/.]+/(?P<session>[^/.]+)"
    r"/(?P<transport>xhr_streaming|xhr_send|xhr|jsonp_send|jsonp|eventsource|htmlfile)"
)
UNKNOWN = "SockJS: session not found"
"""What such a 404 says."""

FORGOTTEN = timedelta(seconds=5)
"""So long a server keeps a session of which no request waits (sockjs/sockjs-node, README:
disconnect_delay): one that was answered a shorter time ago is known to the server that answered."""

_NOT_FOUND = 404


class Asked(NamedTuple):
    """A request of a session: its path without what differs from session to session."""

    path: str
    session: str
    sends: bool


def asked(url: str) -> Asked | None:
    """What a URL is in SockJS; None where it is none of it."""
    try:
        found = _SESSION.fullmatch(urlsplit(url).path)
    except ValueError:
        return None
    if not found:
        return None
    path = f"{found['prefix']}/{found['transport']}"
    return Asked(path, found["session"], found["transport"].endswith("_send"))


class Sessions:
    """The sessions of one browser, and when each was answered last."""

    def __init__(self) -> None:
        self._answered: dict[str, datetime] = {}

    def refusal(self, of: Asked, status: int, started: datetime | None, took: float) -> str | None:
        """Why a request was refused, where that is known; `took` in ms."""
        if started is None:
            return None
        before = self._answered.get(of.session)
        if 200 <= status < 300:
            self._answered[of.session] = started + timedelta(milliseconds=min(took, 1e9))
        known = before is not None and started - before <= FORGOTTEN
        return UNKNOWN if status == _NOT_FOUND and of.sends and known else None
