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
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache, wraps
from typing import TypeVar, TypeVarTuple

from wsdiag.notation import decode, keep_lines, undo
from wsdiag.notation import sanitise as sanitise
from wsdiag.sensitive import (
    BEARER,
    GAP,
    JWT,
    MASKED,
    STAND_INS,
    Hit,
    credentials,
    from_base64,
    hits,
    may_hold_token,
    parse_address,
    public,
    stands_in,
    suspicious,
    unmapped,
)
from wsdiag.sensitive.policy import Policy

Ts = TypeVarTuple("Ts")
R = TypeVar("R")

REASON_BYTES = 123
"""A Close frame's reason is at most this long (RFC 6455 section 5.5)."""

_BEGINNING_BYTES = 24

# Authorization schemes (RFC 9110 section 11.1): of a token, and of what a password is part of.
_TOKEN_SCHEME = re.compile(rf"(?:bearer|token|apikey|jwt){GAP}+", re.IGNORECASE)
_PASSWORD_SCHEME = re.compile(rf"(?:basic|digest|negotiate|ntlm){GAP}+", re.IGNORECASE)
_TRAILING = ".,;:!)]}>"

# Alone, and in brackets as within a text.
_PSEUDONYM = re.compile(
    r"\[?(?P<shown>(?P<rule>token|session|user|conn|hidden|ip|payload)-[0-9a-f]{8})\]?"
)

# {"alg":"none"}: a JWT that nobody signed, whose `jti` is the pseudonym of another.
_STAND_IN_JWT = "eyJhbGciOiJub25lIn0."

_POLICY: ContextVar[Policy] = ContextVar("policy", default=Policy())  # noqa: B039 – it is frozen


@contextmanager
def hiding(policy: Policy) -> Iterator[None]:
    """Within the context every redactor, and every pseudonym made, follows `policy`."""
    before = _POLICY.set(policy)
    try:
        yield
    finally:
        _POLICY.reset(before)


def has_own_patterns() -> bool:
    """True where the user has patterns for secrets of their own kind."""
    return bool(_POLICY.get().patterns)


def remembered(size: int) -> Callable[[Callable[[*Ts], R]], Callable[[*Ts], R]]:
    """As `lru_cache`, for what follows the policy: under another one it is made anew."""

    def of(make: Callable[[*Ts], R]) -> Callable[[*Ts], R]:
        @lru_cache(size)
        def known(policy: Policy, given: tuple[*Ts]) -> R:
            return make(*given)

        @wraps(make)
        def made(*given: *Ts) -> R:
            return known(_POLICY.get(), given)

        return made

    return of


def pseudonym(rule: str, secret: str) -> str:
    """Name a secret without telling it: `token-1a2b3c4d`; the same secret, the same name."""
    hidden = _PSEUDONYM.fullmatch(secret)
    if hidden and hidden["rule"] == rule:
        return hidden["shown"]
    digest = hashlib.sha256(f"wsdiag:{rule}:{secret}".encode("utf-8", "replace")).hexdigest()
    if rule == "ip":  # of a reserved network: see `stand_in`
        return f"ip-{0xF0000000 | int(digest[:7], 16):08x}"
    return f"{rule}-{digest[:8]}"


def is_pseudonym(text: str) -> bool:
    """Whether it is one, as in evidence whose secrets were hidden before."""
    hidden = _PSEUDONYM.fullmatch(text)
    return hidden is not None and hidden["shown"] == text


def token(secret: str) -> str:
    """The pseudonym of a credential, however it was carried: quoted, encoded, with its scheme."""
    bare = _TOKEN_SCHEME.sub("", undo(secret), count=1).rstrip(_TRAILING)
    carried = BEARER.fullmatch(bare)
    if carried and carried["inline"]:
        bare = from_base64(carried["inline"])
    name = _claims(bare).get("jti") if bare.startswith(_STAND_IN_JWT) else None
    return pseudonym("token", name if isinstance(name, str) else bare)


def session(secret: str) -> str:
    """The pseudonym of a session's id, as a cookie or a URL carries it."""
    return pseudonym("session", undo(secret))


def user(name: str) -> str:
    """The pseudonym of a user's name or e-mail address; a name stays where users are shown."""
    bare = undo(name).strip("<>")
    return bare if _shown_user(bare, _POLICY.get()) else pseudonym("user", bare)


def address(ip: str) -> str:
    """A client address as it may be shown: what the policy hides, else the public, by pseudonym."""
    policy = _POLICY.get()
    parsed = parse_address(ip.strip().strip("[]"))
    if parsed is None:
        return pseudonym("ip", ip)
    parsed = unmapped(parsed)
    hidden = policy.secrets and (
        policy.addresses == "all" or (policy.addresses == "public" and public(parsed))
    )
    if not hidden:
        return str(parsed)
    if stands_in(parsed):  # it was hidden before
        return f"ip-{int(parsed) & 0xFFFFFFFF:08x}"
    return pseudonym("ip", str(parsed))


def stand_in(ip: str) -> str:
    """An address of the same version that is read as this one, where this one is hidden.

    Its last 32 bits are the pseudonym: what is shown as `ip-f1a2b3c4` becomes 241.162.179.196
    of the reserved network 240.0.0.0/4 (RFC 1112 section 4), or the same in IPv6.
    """
    shown, parsed = address(ip), parse_address(ip.strip().strip("[]"))
    if parsed is None or not shown.startswith("ip-"):
        return ip
    number = int(shown.removeprefix("ip-"), 16)
    network = STAND_INS[parsed.version == 6]
    return str(network[number - (0 if parsed.version == 6 else int(network[0]))])


def ping_payload(data: bytes) -> str | None:
    """A Ping's payload in hexadecimal, to know its Pong by; a pseudonym where it holds a secret."""
    text = data.decode("utf-8", "replace")
    if Redactor().mask(text) != keep_lines(text).replace("\n", " "):
        return pseudonym("payload", data.hex())
    return data.hex() or None


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


def _stand_in_token(raw: str) -> str:
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
        if not _PASSWORD_SCHEME.match(view, hit.start):
            return text[origin[hit.start] : origin[hit.end]]
    return None


class Redactor:
    """Masks text by the policy in force when it is made, and counts, by rule, what it hid.

    `rereadable`: where a secret stood stands what wsdiag reads as the same secret: the pseudonym as
    a bare word, a JWT of the same times, an address. Else `[token-1a2b3c4d]`, for people.
    """

    def __init__(self, *, rereadable: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self._rereadable = rereadable
        self._policy = _POLICY.get()
        self._patterns = self._policy.compiled()

    def mask(self, text: str) -> str:
        """Return `text` harmless: no secret, no e-mail, no public address, no control character."""
        shown = keep_lines(text)
        if not self._policy.secrets:
            return shown.replace("\n", " ")
        # Hiding one thing may uncover its neighbour, or run two lines into one: until all is quiet.
        for _ in range(8):
            if not suspicious(shown) and not any(it.search(shown) for _, it in self._patterns):
                break
            masked = self._once(shown)
            if masked == shown and "\n" not in shown:
                break
            shown = masked if masked != shown else shown.replace("\n", " ")
        return shown.replace("\n", " ")

    def reason(self, text: str | None) -> str | None:
        """A close reason or error phrase: masked, and cut to what a Close frame could carry.

        Of a longer one the beginning, and the words by which a fault is known.
        """
        if not text:
            return None
        shown = self.mask(text)
        if len(shown.encode()) > REASON_BYTES:
            shown = _telling(shown)
        return shown.encode()[:REASON_BYTES].decode("utf-8", "ignore").strip() or None

    def _once(self, text: str) -> str:
        view, origin = decode(text)
        parts: list[str] = []
        last = 0
        for hit in _joined(view, self._hits(view)):
            begin, end = origin[hit.start], origin[hit.end]
            raw, plain = text[begin:end], view[hit.start : hit.end]
            rule, label = _label(hit.rule, raw, plain)
            if self._rereadable:
                label = _stand_in(rule, label, raw, plain)
            self.counts[rule] += 1
            parts += (text[last:begin], label)
            last = end
        return "".join((*parts, text[last:]))

    def _hits(self, view: str) -> Iterator[Hit]:
        """What the policy hides."""
        for name, pattern in self._patterns:
            for found in pattern.finditer(view):
                yield Hit(*found.span("mask" if "mask" in pattern.groupindex else 0), f"own {name}")
        for hit in hits(view, private=self._policy.addresses == "all"):
            shown_ip = hit.rule == "ip" and self._policy.addresses == "none"
            shown_user = hit.rule == "user" and _shown_user(view[hit.start : hit.end], self._policy)
            if not (shown_ip or shown_user):
                yield hit


@lru_cache(4096)
def _telling(text: str) -> str:
    """The text, shortened in the middle where a known wording would be cut off."""
    from wsdiag import wordings

    found = wordings.anything().search(text)
    if not found or len(text[: found.end()].encode()) <= REASON_BYTES:
        return text
    begins = text.encode()[:_BEGINNING_BYTES].decode("utf-8", "ignore").rstrip()
    return f"{begins} … {text[found.start() : found.end()]}"


def _shown_user(name: str, policy: Policy) -> bool:
    """Whether a user's name stays as it is; an e-mail address never does."""
    return not policy.secrets or (not policy.users and "@" not in name)


def _joined(view: str, found: Iterable[Hit]) -> Iterator[Hit]:
    """Without what is masked already; what overlaps is one, named by its longest part."""
    known: Hit | None = None
    longest = 0
    for hit in sorted((_trimmed(view, hit) for hit in found), key=lambda hit: hit.start):
        if hit.start >= hit.end or MASKED.match(view, hit.start):
            continue
        if known and hit.start < known.end:
            rule = hit.rule if hit.end - hit.start > longest else known.rule
            longest = max(longest, hit.end - hit.start)
            known = Hit(known.start, max(known.end, hit.end), rule)
            continue
        if known:
            yield known
        known, longest = hit, hit.end - hit.start
    if known:
        yield known


def _trimmed(view: str, hit: Hit) -> Hit:
    """Without the blanks around it and, but for a password, the sentence's punctuation after it."""
    text = view[hit.start : hit.end]
    trailing = " \n" if hit.rule in ("password", "cookie", "credentials") else " \n" + _TRAILING
    return Hit(
        hit.start + len(text) - len(text.lstrip()), hit.start + len(text.rstrip(trailing)), hit.rule
    )


def _label(rule: str, raw: str, plain: str) -> tuple[str, str]:
    """The rule to count a secret under, and what stands in its place."""
    if rule in ("token", "jwt"):
        if scheme := _PASSWORD_SCHEME.match(plain):
            return "credentials", f"{scheme.group().rstrip()} [credentials]"
        scheme = _TOKEN_SCHEME.match(plain)
        return "token", (scheme.group() if scheme else "") + f"[{token(raw)}]"
    if rule == "user":
        return rule, f"[{user(raw)}]"
    if rule == "session":
        return rule, f"[{session(raw)}]"
    if rule == "ip":
        return rule, f"[{address(plain.replace('-', '.'))}]"
    if rule.startswith("own "):
        return rule.removeprefix("own "), f"[{pseudonym('hidden', plain)}]"
    return rule, "[value]" if rule == "query" else f"[{rule}]"


def _stand_in(rule: str, label: str, raw: str, plain: str) -> str:
    """What stands in the place of a secret so that it is read as the same again."""
    if rule == "token":
        scheme = _TOKEN_SCHEME.match(plain)
        return (scheme.group() if scheme else "") + _stand_in_token(raw)
    if rule == "ip":
        return stand_in(plain.replace("-", ".")).replace(".", "-" if "-" in plain else ".")
    return label.strip("[]") if rule in ("user", "session") else label


def _instant(seconds: object) -> datetime | None:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
