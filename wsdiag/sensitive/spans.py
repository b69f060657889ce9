"""How a value is delimited: quotes, brackets, lines; and the stretch of text that a rule hides."""

from __future__ import annotations

import re
from typing import NamedTuple

from wsdiag.notation import DEEP_COLON, DEEP_EQUALS, DEEP_LINE, DEEP_SPACE, QUOTES


class Hit(NamedTuple):
    """A stretch of decoded text to hide, and the rule that says so."""

    start: int
    end: int
    rule: str


Q, EQ, GAP = f"[{QUOTES}]", f"[=:{DEEP_EQUALS}{DEEP_COLON}]", f"[\\s+{DEEP_SPACE}]"
MASKED = re.compile(
    rf"(?:(?:bearer|token|apikey|jwt|basic|digest|negotiate|ntlm){GAP}+)?\["
    r"(?:(?:token|session|user|ip|hidden)-[0-9a-f]{8}|password|credentials|cookie|key|value)\]",
    re.IGNORECASE,
)
"""What stands in place of a secret, and its scheme: never masked again."""
QUOTED = re.compile(rf"\s{{0,8}}(?:\[\]byte\()?(?:br?|rb?|u|\$)?({Q})", re.IGNORECASE)
ENTRY = re.compile(r"[^,\s]+")
EDGE = re.compile(rf"[\s<>?({{{QUOTES}{DEEP_LINE}]|$")
# Sec-WebSocket-Key and -Accept, 16 and 20 bytes in base64 (RFC 6455 section 4.1): public, and
# not a field name where one ends in `Pw==`.
NONCE = re.compile(
    r"(?<![\w+/=])(?:[A-Za-z0-9+/]{21}[AQgw]==|[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=)(?![\w+/=])"
)
_BRACKET = re.compile(rf"[\[\]{{}}()]|{Q}")


def begins_word(view: str, at: int) -> bool:
    """Whether a word starts at `at`: after a sign, or with the capital of camelCase."""
    before = view[at - 1 : at]
    return not before.isalnum() or (view[at].isupper() and not before.isupper())


def name_start(view: str, at: int) -> int:
    """Where the name begins that goes on at `at`."""
    floor = max(at - 64, 0)
    while at > floor and (view[at - 1].isalnum() or view[at - 1] in "_-."):
        at -= 1
    return at


def closing(view: str, quote: str, start: int) -> int:
    """Where a quoted value ends: its own quote, unless a word goes on there; else the line."""
    end = view.find(quote, start)
    while end >= 0 and view[end + 1 : end + 2].isalnum():
        end = view.find(quote, end + 1)
    return first(view, start, "\n") if end < 0 else end


def balanced(view: str, start: int) -> int:
    """The index of the bracket that closes the one at `start`, or the end of the text."""
    depth, at = 0, start
    while found := _BRACKET.search(view, at):
        at = found.end()
        if found.group() in QUOTES:
            at = closing(view, found.group(), at) + 1
            continue
        depth += 1 if found.group() in "[{(" else -1
        if depth == 0:
            return found.start()
    return len(view)


def first(view: str, start: int, *signs: str) -> int:
    """The first place of any of `signs` from `start` on, or the end of the text."""
    places = [place for sign in signs if (place := view.find(sign, start)) >= 0]
    return min(places, default=len(view))
