"""Ids, addresses, names and reasons of a log as they may be shown: secrets as pseudonyms."""

from __future__ import annotations

import ipaddress
import re

from wsdiag import redact
from wsdiag.sources.line import field_pairs

NO_ID = frozenset(
    [
        "keep-alive",
        "close",
        "closed",
        "upgrade",
        "open",
        "websocket",
        "ws",
        "wss",
        "polling",
        "true",
        "false",
        "connected",
        "disconnected",
        "connecting",
        "server",
        "client",
        "default",
        "gone",
    ]
)
"""What stands where an id could, and is none."""

_UNLIKE_ID = re.compile(r"[\s(){}<>\"'`]")
_LEAST_SECRET = 8
_IPV4_PORT = re.compile(r"^(?:tcp4?:)?(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$")
_IPV6_PORT = re.compile(r"^(?:tcp6?:)?(?:\[([0-9A-Fa-f:.]+)\]|(::ffff:[\d.]+)):(\d{1,5})$")


def peer(text: str) -> str | None:
    """`ip:port` of a client as it may be shown; None for anything else and for port 0."""
    found = _IPV4_PORT.match(text)
    if found:
        return shown_peer(found[1], found[2])
    found = _IPV6_PORT.match(text)
    return shown_peer(found[1] or found[2], found[3]) if found else None


def shown_peer(ip: str, port: str) -> str | None:
    """`ip:port` of an address and a port that belong together; None where they are none."""
    if not 0 < int(port) < 65536:
        return None
    try:
        return f"{_address(ip)}:{int(port)}"
    except ValueError:
        return None


@redact.remembered(4096)
def reason(text: str) -> str | None:
    """A close reason or error phrase as it may be shown."""
    plain = field_pairs.unquoted(text.strip()).strip()
    for quote in "\"'":
        if plain.count(quote) == 1:
            plain = plain.strip(quote)
    return redact.Redactor().reason(plain)


@redact.remembered(4096)
def shown(text: str | None, limit: int) -> str | None:
    """A name or path as it may be shown: masked, and cut to `limit` characters."""
    return redact.Redactor().mask(text[: 2 * limit])[:limit].strip() or None if text else None


@redact.remembered(4096)
def connection_id(text: str) -> str | None:
    """A connection's id as it may be shown; what looks like a secret becomes a pseudonym."""
    plain = redact.sanitise(text).strip().strip("\"'<>[]()").rstrip(":,.;")
    if (
        not plain
        or _UNLIKE_ID.search(plain)
        or plain.lower() in NO_ID
        or plain.lower() in field_pairs.NOTHING
    ):
        return None
    try:
        return redact.address(str(_ip(plain)))
    except ValueError:
        pass
    if redact.is_pseudonym(plain):
        return plain
    if len(plain) > 64 or redact.Redactor().mask(plain) != plain:
        return redact.pseudonym("conn", plain)
    return plain


def id_told(words: str, text: str) -> str | None:
    """A connection's id as it may be shown; `words` are those of a sentence that hold it.

    Where they show that it lets one in, as a cookie, it is the pseudonym of a session; what is
    short lets nobody in.
    """
    found = connection_id(text)
    if found is None or found.isdecimal() or len(text) < _LEAST_SECRET:
        return found
    if text in redact.Redactor().mask(words):
        return found
    return redact.session(text)


@redact.remembered(1 << 16)
def _address(ip: str) -> str:
    return redact.address(str(_ip(ip)))


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(text)
    return getattr(parsed, "ipv4_mapped", None) or parsed
