"""What an HTTP answer holds: its JSON, without the compression that it came in."""

from __future__ import annotations

import zlib

import msgspec

BODY_BYTES = 262_144
"""So much of an HTTP answer is kept until it is compared."""

MAX_INFLATED = 16 * BODY_BYTES
"""What inflates to more is not looked into: it may be made to fill the memory."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def decoded(body: bytes | None, encoding: str) -> object:
    """The JSON of a body; None where it is none, is cut, or is packed in a way not known here."""
    opened = _opened(body, encoding)
    try:
        return msgspec.json.decode(opened) if opened else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _opened(body: bytes | None, encoding: str) -> bytes | None:
    if not body or not encoding or encoding == "identity":
        return body
    if "gzip" not in encoding and "deflate" not in encoding:
        return None
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        opened = inflater.decompress(body, MAX_INFLATED)
    except zlib.error:
        return None
    return opened if inflater.eof else None
