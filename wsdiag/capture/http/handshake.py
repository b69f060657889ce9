"""What a handshake tells: who asks, by which id it is followed, and what breaks RFC 6455 §4."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qsl

from wsdiag import redact
from wsdiag.capture.http.http1 import Response
from wsdiag.redact import Redactor

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_USER_NAMES = frozenset({"user", "username", "user_name", "userid", "user_id", "uid", "login"})


def broken_rules(answer: Response) -> list[str]:
    """The rules of RFC 6455 section 4.1 for which a client has to refuse this 101."""
    asked, given, broken = answer.request.headers, answer.headers, list[str]()
    if not (answer.whole and answer.request.whole):
        return broken
    key = asked.get("sec-websocket-key")
    if key is not None:
        digest = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
        if given.get("sec-websocket-accept") != b64encode(digest).decode():
            broken.append("Sec-WebSocket-Accept does not match the key")
    for header, what in (("protocol", "a subprotocol"), ("extensions", "an extension")):
        name = f"sec-websocket-{header}"
        if not _tokens(given.get(name, "")) <= _tokens(asked.get(name, "")):
            broken.append(f"the server chose {what} that was not asked for")
    return broken


def _tokens(listed: str) -> set[str]:
    """What a header lists, without parameters."""
    return {item.partition(";")[0].strip() for item in listed.split(",")} - {""}


class Credential(NamedTuple):
    """Who asks: pseudonyms, and the credential's expiry where it can be read."""

    user: str | None
    token: str | None
    expires: datetime | None


def credential(target: str, headers: dict[str, str]) -> Credential:
    """The credential that a handshake carries in its query, Authorization or subprotocol."""
    told = ("authorization", "sec-websocket-protocol")
    return _credential(
        query_of(target), *(f"{name}: {headers[name]}" for name in told if name in headers)
    )


@redact.remembered(64)
def _credential(query: str, *headers: str) -> Credential:
    """The same: asked for by the request, and soon by its answer."""
    user = None
    for name, value in parse_qsl(query):
        if name.lower() in _USER_NAMES:
            user = redact.user(value)
            break
    for place in (f"?{query}", *headers):
        if secret := redact.find_token(place):
            return Credential(user, redact.token(secret), redact.jwt_times(secret)[1])
    return Credential(user, None, None)


def query_of(target: str) -> str:
    """The query of a request target or URL."""
    return target.partition("?")[2].partition("#")[0]


def trace(headers: dict[str, str], redactor: Redactor) -> str | None:
    """The id that follows a request through proxies: X-Request-ID, else traceparent's trace id."""
    if named := headers.get("x-request-id"):
        return redactor.mask(named[:128])
    parts = headers.get("traceparent", "").split("-")
    return redactor.mask(parts[1][:32]) if len(parts) >= 4 else None
