"""What browsers say of a handshake that failed, in HAR exports and NetLogs alike."""

from __future__ import annotations

import re

REFUSED = re.compile(r"ERR_CONNECTION_REFUSED|ECONNREFUSED|NS_ERROR_CONNECTION_REFUSED")
"""No server took the connection."""

_STATUS = re.compile(r"[Rr]esponse code:? (?P<status>\d{3})|\bstatus(?: code)?:? (?P<other>\d{3})")
_UNAUTHORIZED = "HTTP Authentication failed"  # how Chrome words a 401


def status_in(failure: str) -> int:
    """The HTTP status that the words of a failure tell; 0 where they tell none."""
    found = _STATUS.search(failure)
    if found:
        return int(found["status"] or found["other"])
    return 401 if _UNAUTHORIZED in failure else 0


def target(url: str) -> str:
    """Path and query of a URL."""
    rest = url.partition("://")[2] if "://" in url else url
    return "/" + rest.partition("#")[0].partition("/")[2]
