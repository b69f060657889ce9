"""Hide secrets, and make any text from evidence harmless to show.

Everything that leaves wsdiag as text from evidence passes through `Redactor.mask`. The same secret
gets the same pseudonym everywhere, so that a reader can still see that two attempts carried the
same token. Pseudonyms are the first 32 bits of a SHA-256; passwords, which could be guessed from a
digest, get none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote_plus

REASON_BYTES = 123
"""A Close frame's reason is at most this long (RFC 6455 section 5.5)."""

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC and other strings: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]"
)
# C0 and C1 controls, line separators, zero-width and bidirectional formatting.
_CONTROL = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)

_JWT = re.compile(r"eyJ[\w-]{6,}\.[\w-]{2,}(?:\.[\w-]*)?")
_KNOWN = re.compile(
    r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}|\bgh[oprsu]_\w{20,}|\bgithub_pat_\w{20,}"
    r"|\bxox[abeprs]-[\w-]{8,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bglpat-[\w-]{16,}"
)
_USERINFO = re.compile(r"(?P<keep>\b[a-zA-Z][\w+.-]*://)(?P<secret>[^\s/@\"'<>]+)(?=@)")
# A header or field whose whole value is secret, as HTTP, JSON, Python, Go or Caddy write it.
_OPEN = r"[\"'\]]{0,3}\s*(?:=>|[:=,])\s*(?:\[?b?\\*[\"']|\[)?"
_COOKIE = re.compile(
    r"(?P<keep>\b(?:set-)?cookie2?\\*" + _OPEN + r")(?P<secret>[^\"'\\\r\n\])]+)", re.IGNORECASE
)
_AUTHORIZATION = re.compile(
    r"(?P<keep>\b(?:proxy-)?authorization\\*"
    + _OPEN
    + r"(?:(?:bearer|basic|digest|token|negotiate)\s+)?)"
    r"(?P<secret>[^\"'\\\r\n\])]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"(?P<keep>\b(?:bearer|basic)(?:[ ,]+|\.phx\.|\.))(?P<secret>[\w.~+/=-]{8,})", re.IGNORECASE
)
_PASSWORD_NAME = r"(?:[\w-]*[_-])?(?:password|passwd|passphrase|pwd)"
_TOKEN_NAME = (
    r"(?:[\w-]*[_-])?(?:token|jwt|api_?-?key|apikey|secret|credentials?|signature|ticket|otp)"
    r"|auth|sig|sid|session|session_?-?id|connection_?token|(?:access|auth)_?(?:token|key)"
    r"|x-amz-(?:security-token|signature|credential)"
)
_USER_NAME = r"user|user_?name|user_?id|uid|login|e-?mail|sub|subject|account"
_VALUE = r"(?P<secret>(?<=[\"'])[^\"'\\\r\n]+|[^\s\"'&,;\\<>\[\](){}|]+)"
_ASSIGN = r")\\*[\"']{0,2}\s?(?:=>|[:=])\s?(?:[ub](?=\\*[\"']))?\\*[\"']?)"
_PASSWORD = re.compile(r"(?P<keep>(?<![\w-])(?:" + _PASSWORD_NAME + _ASSIGN + _VALUE, re.IGNORECASE)
_TOKEN = re.compile(r"(?P<keep>(?<![\w-])(?:" + _TOKEN_NAME + _ASSIGN + _VALUE, re.IGNORECASE)
_USER = re.compile(r"(?P<keep>(?<![\w-])(?:" + _USER_NAME + _ASSIGN + _VALUE, re.IGNORECASE)
# Prose: "token abc123…", "password hunter2". A plain word after it ("token expired") is no secret.
_SPOKEN = re.compile(
    r"(?P<keep>\b(?:token|jwt|secret|api[ -]?key|ticket)\s+['\"]?)(?P<secret>(?=\S*\d)[\w.~+/=-]{8,})",
    re.IGNORECASE,
)
_SPOKEN_PASSWORD = re.compile(
    r"(?P<keep>\b(?:password|passwd)\s+['\"]?)(?P<secret>(?=\S*[\d!@#$%^&*])\S{4,})", re.IGNORECASE
)
_SUBPROTOCOL = re.compile(
    r"(?P<keep>sec-websocket-protocol\\*" + _OPEN + r")(?P<secret>[^\"'\\\r\n\])]+)", re.IGNORECASE
)
_QUERY = re.compile(
    r"(?<=[\w/.%~-])\?(?P<query>[\w%.~+!$*,:@/-]+=[^\s\"'<>#\\]*|[^\s\"'<>#\\=]+&[^\s\"'<>#\\]*)"
)
_EMAIL = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w\.\d)(?!\w)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{1,4})*(?![\w:])"
)
_MASKED = re.compile(r"^\[(?:token|user|ip|password|credentials|cookie|value)(?:-[0-9a-f]{8})?\]?$")
_OPAQUE = re.compile(r"^(?=.*\d)[\w.~+/=-]{16,}$")

_HARMLESS_PARAMETERS = frozenset({"EIO", "transport", "vsn", "protocol", "client", "version", "v"})
_HARMLESS_VALUE = re.compile(r"^[a-z]{0,12}[\d.]{0,5}$")


def pseudonym(rule: str, secret: str) -> str:
    """Name a secret without telling it: `token-1a2b3c4d`; the same secret, the same name."""
    digest = hashlib.sha256(f"wsdiag:{rule}:{secret}".encode("utf-8", "replace")).hexdigest()
    return f"{rule}-{digest[:8]}"


def token(secret: str) -> str:
    """The pseudonym of a credential, however it was carried (scheme word and URL quoting removed)."""
    bare = (
        unquote_plus(secret.strip().strip("\"'")) if "%" in secret else secret.strip().strip("\"'")
    )
    scheme, _, rest = bare.partition(" ")
    if rest and scheme.lower() in {"bearer", "basic", "token"}:
        bare = rest
    return pseudonym("token", bare.strip())


def user(name: str) -> str:
    """The pseudonym of a user's name or e-mail address."""
    plain = name.strip().strip("\"'")
    return (
        plain
        if plain.startswith("user-") and len(plain) == 13
        else pseudonym("user", unquote_plus(plain))
    )


def address(ip: str) -> str:
    """A client address as it may be shown: public ones become pseudonyms, the others stay."""
    try:
        parsed = ipaddress.ip_address(ip.strip("[]"))
    except ValueError:
        return pseudonym("ip", ip)
    return pseudonym("ip", str(parsed)) if parsed.is_global else str(parsed)


def jwt_times(text: str) -> tuple[datetime | None, datetime | None]:
    """Read `iat` and `exp` (RFC 7519 section 4.1) of the first JWT in `text`; nothing else of it."""
    found = _JWT.search(text)
    if not found:
        return None, None
    body = found.group().split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return _instant(claims.get("iat")), _instant(claims.get("exp"))
    except (binascii.Error, ValueError, AttributeError, RecursionError):
        return None, None


def find_token(text: str) -> str | None:
    """The first credential that `text` (a URL, a header, a message) carries, raw. Never show it."""
    for pattern in (_JWT, _AUTHORIZATION, _SCHEME, _CREDENTIAL_PARAMETER):
        found = pattern.search(text)
        if found:
            return found.groupdict().get("secret") or found.group()
    return None


_CREDENTIAL_PARAMETER = re.compile(
    r"[?&](?:[\w-]*[_-])?(?:token|jwt|auth|api_?key|ticket)=(?P<secret>[^\s&\"'#]+)", re.IGNORECASE
)


def sanitise(text: str) -> str:
    """Drop escape sequences, control characters and invisible formatting; tabs become spaces."""
    return _CONTROL.sub("", _ESCAPE.sub("", text)).replace("\t", " ")


class Redactor:
    """Masks text and counts, by rule, what it hid."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def mask(self, text: str) -> str:
        """Return `text` harmless: no secret, no e-mail, no public address, no control character."""
        shown = sanitise(text)
        shown = _JWT.sub(self._whole("token", token), shown)
        shown = _KNOWN.sub(self._whole("token", token), shown)
        shown = _USERINFO.sub(self._fixed("credentials"), shown)
        shown = _COOKIE.sub(self._fixed("cookie"), shown)
        shown = _AUTHORIZATION.sub(self._secret("token", token), shown)
        shown = _SUBPROTOCOL.sub(self._subprotocol, shown)
        shown = _SCHEME.sub(self._secret("token", token), shown)
        shown = _PASSWORD.sub(self._fixed("password"), shown)
        shown = _SPOKEN_PASSWORD.sub(self._fixed("password"), shown)
        shown = _TOKEN.sub(self._secret("token", token), shown)
        shown = _SPOKEN.sub(self._secret("token", token), shown)
        shown = _QUERY.sub(self._query, shown)
        shown = _USER.sub(self._secret("user", user), shown)
        shown = _EMAIL.sub(self._whole("user", user), shown)
        shown = _IPV4.sub(self._ip, shown)
        return _IPV6.sub(self._ip, shown)

    def reason(self, text: str | None) -> str | None:
        """A close reason or error phrase: masked, and cut to what a Close frame could carry."""
        if not text:
            return None
        return self.mask(text).encode()[:REASON_BYTES].decode("utf-8", "ignore").strip() or None

    def _whole(self, rule: str, name: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        def replace(found: re.Match[str]) -> str:
            self.counts[rule] += 1
            return f"[{name(found.group())}]"

        return replace

    def _secret(self, rule: str, name: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        def replace(found: re.Match[str]) -> str:
            keep, secret = found.group("keep"), found.group("secret")
            if _MASKED.match(secret) or secret.startswith("["):
                return found.group()
            self.counts[rule] += 1
            return f"{keep}[{name(secret)}]"

        return replace

    def _fixed(self, rule: str) -> Callable[[re.Match[str]], str]:
        def replace(found: re.Match[str]) -> str:
            if _MASKED.match(found.group("secret")):
                return found.group()
            self.counts[rule] += 1
            return f"{found.group('keep')}[{rule}]"

        return replace

    def _subprotocol(self, found: re.Match[str]) -> str:
        offered = [part.strip() for part in found.group("secret").split(",")]
        shown = []
        for part in offered:
            if _OPAQUE.match(part) and not _MASKED.match(part):
                self.counts["token"] += 1
                part = f"[{token(part)}]"
            shown.append(part)
        return found.group("keep") + ", ".join(shown)

    def _query(self, found: re.Match[str]) -> str:
        parts = []
        for part in found.group("query").split("&"):
            name, equals, value = part.partition("=")
            harmless = name in _HARMLESS_PARAMETERS and _HARMLESS_VALUE.match(value)
            if not value or harmless or value.startswith("["):
                parts.append(part if equals else "[value]")
                continue
            self.counts["query"] += 1
            parts.append(f"{name}=[value]")
        return "?" + "&".join(parts)

    def _ip(self, found: re.Match[str]) -> str:
        shown = address(found.group())
        if not shown.startswith("ip-") or not _is_address(found.group()):
            return found.group()
        self.counts["ip"] += 1
        return f"[{shown}]"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _instant(seconds: object) -> datetime | None:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
