"""Secrets that show by their own shape: JWT, vendors' keys, authorization schemes, PEM keys."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from wsdiag.sensitive.spans import GAP, Hit, first

JWT = re.compile(  # RFC 7515 section 3.1; `eyJ` is the base64 of `{"`
    r"(?<![\w-])(?:eyJ[\w-]{6,}+(?:\.[\w-]+)+|eyJ[\w+/-]{12,}+={0,2})"
    r"|eyJ[\w-]{10,300}+\.eyJ[\w-]{4,}+(?:\.[\w-]+)*"
)
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:[spr]k_(?:live|test)_\w{8,}|whsec_\w{8,}|gh[oprsu]_\w{16,}"
    r"|github_pat_\w{16,}|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|A(?:KI|SI)A[0-9A-Z]{12,}|AIza[\w-]{30,}"
    r"|ya29\.[\w-]{8,}|GOCSPX-[\w-]{8,}|glpat-[\w-]{12,}|npm_\w{20,}|pypi-[\w-]{16,}|dop_v1_\w{16,}"
    r"|SG\.[\w-]{8,}\.[\w-]{8,}|sk-[\w-]{20,}|hf_\w{16,}|hvs\.[\w-]{16,}|shp(?:at|ca|pa|ss)_\w{16,}"
    r"|oauth:\w{8,}|\d{8,10}:[\w-]{35}(?![\w-])|(?<=hooks\.slack\.com/services/)[\w/]{8,})"
)
BEARER = re.compile(
    rf"\bbearer(?:{GAP}{{1,8}}|[,:]\s?)(?P<secret>[\w.~+/=-]++)"
    r"|\b(?:base64url\.)?bearer\.(?:authorization\.k8s\.io\.|phx\.)?+(?P<inline>[\w.~+/=-]{4,})",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![\w\[-])(?P<rule>token|session|user)-[0-9a-f]{8}(?![\w\]-])")
_BASIC = re.compile(rf"\bbasic{GAP}{{1,8}}(?P<secret>[\w+/-]{{4,}}+={{0,2}})", re.IGNORECASE)
_KEY_LOG = re.compile(  # what NSS and OpenSSL write for SSLKEYLOGFILE; RSA is followed by its id
    r"\b(?:CLIENT_RANDOM|RSA|[A-Z_]{1,40}_SECRET(?:_\d)?) [0-9a-fA-F]{16,64} ([0-9a-fA-F]{32,})"
)
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_LINE = re.compile(r"^ *(?=[a-f0-9]*[A-Zg-z+/])([A-Za-z0-9+/]{60,76}) *$", re.MULTILINE)


def tokens(view: str) -> Iterator[Hit]:
    """JSON Web Tokens and the keys of well-known vendors."""
    for found in JWT.finditer(view):
        yield Hit(*found.span(), "jwt")
    for found in _KNOWN.finditer(view):
        yield Hit(*found.span(), "token")


def names(view: str) -> Iterator[Hit]:
    """Pseudonyms that stand alone, as in evidence whose secrets were hidden before."""
    for found in _NAME.finditer(view):
        yield Hit(*found.span(), found["rule"])


def keys(view: str) -> Iterator[Hit]:
    """Private keys in PEM (RFC 7468), whole or by single lines, and the secrets of a key log."""
    for line in _KEY_LOG.finditer(view):
        yield Hit(*line.span(1), "key")
    at = 0
    while found := _PEM.search(view, at):
        end = view.find("-----END", found.end())
        at = len(view) if end < 0 else first(view, end + 8, "-----") + 5
        yield Hit(found.start(), min(at, len(view)), "key")
    for found in _PEM_LINE.finditer(view):
        yield Hit(*found.span(1), "key")


def schemes(view: str) -> Iterator[Hit]:
    """What follows an authorization scheme (RFC 9110 section 11.1)."""
    for found in BEARER.finditer(view):
        secret = found["secret"] or ""
        if found["inline"] or re.search(r"\d", secret) or len(secret) >= 20:
            yield Hit(*found.span("secret" if secret else "inline"), "token")
    for found in _BASIC.finditer(view):  # RFC 7617: base64 of user:password
        if ":" in from_base64(found["secret"]):
            yield Hit(*found.span("secret"), "credentials")


def from_base64(text: str) -> str:
    """What `text` says as base64 or base64url, where that is printable; else `text`."""
    try:
        plain = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_")
        if "+" in text or "/" in text:
            plain = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
        said = plain.decode()
    except (binascii.Error, ValueError):
        return text
    return said if said.isprintable() and said else text
