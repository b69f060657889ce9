"""Credentials: their pseudonyms, and the times that a JWT states (RFC 7519)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime

from wsdiag.notation import decode, undo
from wsdiag.redact.pseudonyms import pseudonym
from wsdiag.sensitive import BEARER, GAP, JWT, credentials, from_base64, may_hold_token

# Authorization schemes (RFC 9110 section 11.1): of a token, and of what a password is part of.
TOKEN_SCHEME = re.compile(rf"(?:bearer|token|apikey|jwt){GAP}+", re.IGNORECASE)
PASSWORD_SCHEME = re.compile(rf"(?:basic|digest|negotiate|ntlm){GAP}+", re.IGNORECASE)
TRAILING = ".,;:!)]}>"
"""A sentence's punctuation behind a secret is none of it."""

# {"alg":"none"}: a JWT that nobody signed, whose `jti` is the pseudonym of another.
_STAND_IN_JWT = "eyJhbGciOiJub25lIn0."


def token(secret: str) -> str:
    """The pseudonym of a credential, however it was carried: quoted, encoded, with its scheme."""
    bare = TOKEN_SCHEME.sub("", undo(secret), count=1).rstrip(TRAILING)
    carried = BEARER.fullmatch(bare)
    if carried and carried["inline"]:
        bare = from_base64(carried["inline"])
    name = _claims(bare).get("jti") if bare.startswith(_STAND_IN_JWT) else None
    return pseudonym("token", name if isinstance(name, str) else bare)


def jwt_times(text: str) -> tuple[datetime | None, datetime | None]:
    """Read `iat` and `exp` (RFC 7519 section 4.1) of the first JWT in `text`, and no more."""
    found = next((jwt for jwt in JWT.finditer(decode(text)[0]) if "." in jwt.group()), None)
    claims = _claims(found.group()) if found else {}
    return _instant(claims.get("iat")), _instant(claims.get("exp"))


def _claims(jwt: str) -> dict[str, object]:
    """What a JWT claims; nothing where it cannot be read."""
    body = jwt.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def stand_in_token(raw: str) -> str:
    """What is read as this credential: its pseudonym, in a JWT where its times can be read."""
    name, times = token(raw), {}
    for claim, moment in zip(("iat", "exp"), jwt_times(raw), strict=True):
        if moment is not None:
            times[claim] = int(moment.timestamp())
    if not times:
        return name
    claims = json.dumps({"jti": name, **times}, separators=(",", ":")).encode()
    return f"{_STAND_IN_JWT}{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.wsdiag"


def find_token(text: str) -> str | None:
    """The first credential that `text` (a URL, a header, a message) carries, raw. Never show it.

    A password is none, nor what is made of one: its pseudonym would let it be guessed.
    """
    if not may_hold_token(text):
        return None
    view, origin = decode(text)
    found = [hit for hit in credentials(view) if hit.rule in ("jwt", "token")]
    for hit in sorted(found, key=lambda hit: (hit.rule, hit.start)):
        if not PASSWORD_SCHEME.match(view, hit.start):
            return text[origin[hit.start] : origin[hit.end]]
    return None


def _instant(seconds: object) -> datetime | None:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
