"""Where secrets stand in a text: fields, headers, URLs, commands, known token shapes, addresses.

Works on decoded text (see `notation`), so each rule is written once for all ways of quoting. Every
pattern is linear in the length of the text: possessive or bounded, and never restarted in a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsdiag.sensitive.fields import fields, greetings
from wsdiag.sensitive.people import (
    STAND_INS,
    addresses,
    emails,
    parse_address,
    public,
    stands_in,
    unmapped,
)
from wsdiag.sensitive.programs import commands, records
from wsdiag.sensitive.shapes import BEARER, JWT, from_base64, keys, names, schemes, tokens
from wsdiag.sensitive.spans import GAP, MASKED, Hit
from wsdiag.sensitive.urls import forms, queries, userinfo

__all__ = [
    "BEARER",
    "GAP",
    "JWT",
    "MASKED",
    "STAND_INS",
    "TOKEN_SIGNS",
    "UNCODED",
    "Hit",
    "credentials",
    "from_base64",
    "hits",
    "may_hold_token",
    "parse_address",
    "public",
    "stands_in",
    "suspicious",
    "unmapped",
]

UNCODED = r"^[A-Za-z0-9/?&=._~-]*$"
"""Text of a URL in which nothing is quoted or encoded: it says what stands there."""

TOKEN_SIGNS = (
    *("token", "jwt", "secret", "cred", "key", "sig", "ticket", "assert", "auth", "otp", "bearer"),
    *("protocol", "connection_init", "hooks.slack"),
    *("eyj", "akia", "asia", "aiza", "ya29", "ghp_", "gho_", "ghr_", "ghs_", "ghu_", "github_pat"),
    *("xox", "xapp", "k_live", "k_test", "sk-", "whsec", "glpat", "npm_", "pypi-", "sg.", "hf_"),
    *("hvs.", "dop_", "shp", "gocspx"),
)
"""One of these stands, in any case of letters, in each uncoded text that carries a token."""

# What a line must hold, in lower case, for a rule to apply: most lines pay for this look only.
_TRIGGERS = (
    *TOKEN_SIGNS,
    *("basic", "pass", "pw", "cookie", "sess", "sid", "query", "user", "usr", "uid"),
    *("login", "mail", "sub", "account", "nick", "principal", "name"),
    *("@", "?", "&", "%", "\\", "#0", "::", "40{", "40/", "data 0{", ", u'", "-u", "-b", "ec2-"),
    *("ip-",),
)
# A Telegram token or a line of a key has no other sign.
_COMPLETE = re.compile(r"[A-Za-z0-9+/]{35}")
_IS_UNCODED = re.compile(UNCODED).match


def suspicious(text: str) -> bool:
    """Whether any rule could apply; the cheap look before the thorough one."""
    low = text.lower()
    return (
        any(map(low.__contains__, _TRIGGERS))
        or text.count(".") >= 3
        or text.count(":") >= 7
        or (len(text) >= 35 and _COMPLETE.search(text) is not None)
    )


def may_hold_token(text: str) -> bool:
    """Whether any of `credentials` could be a token; the cheap look before the thorough one."""
    if not _IS_UNCODED(text):
        return suspicious(text)
    return any(map(text.lower().__contains__, TOKEN_SIGNS))


def hits(view: str, *, private: bool = False) -> Iterator[Hit]:
    """Every secret in decoded text, overlapping as they come; the more telling rule first.

    Public addresses, and `private` ones, too, where that is asked for.
    """
    yield from commands(view)
    yield from credentials(view)
    yield from keys(view)
    yield from records(view)
    named = list(userinfo(view))
    yield from named
    yield from queries(view)
    yield from forms(view)
    yield from emails(view, {hit.end for hit in named})
    yield from addresses(view, private=private)


def credentials(view: str) -> Iterator[Hit]:
    """The hits among fields, headers and known shapes: whatever may be a token."""
    yield from fields(view)
    yield from tokens(view)
    yield from schemes(view)
    yield from names(view)
    yield from greetings(view)
