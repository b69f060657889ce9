"""Names for secrets, users and addresses that tell nothing but which are the same."""

from __future__ import annotations

import hashlib
import re

from wsdiag.notation import undo
from wsdiag.redact import in_force
from wsdiag.sensitive import STAND_INS, parse_address, public, stands_in, unmapped
from wsdiag.sensitive.policy import Policy

# Alone, and in brackets as within a text.
_PSEUDONYM = re.compile(
    r"\[?(?P<shown>(?P<rule>token|session|user|conn|hidden|ip|payload)-[0-9a-f]{8})\]?"
)


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


def session(secret: str) -> str:
    """The pseudonym of a session's id, as a cookie or a URL carries it."""
    return pseudonym("session", undo(secret))


def user(name: str) -> str:
    """The pseudonym of a user's name or e-mail address; a name stays where users are shown."""
    bare = undo(name).strip("<>")
    return bare if is_shown(bare, in_force.policy()) else pseudonym("user", bare)


def address(ip: str) -> str:
    """A client address as it may be shown: what the policy hides, else the public, by pseudonym."""
    policy = in_force.policy()
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


def is_shown(name: str, policy: Policy) -> bool:
    """Whether a user's name stays as it is; an e-mail address never does."""
    return not policy.secrets or (not policy.users and "@" not in name)
