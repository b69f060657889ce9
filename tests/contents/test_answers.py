"""An HTTP answer's JSON, however it was packed, within bounds."""

from __future__ import annotations

import gzip
import zlib

import pytest

from wsdiag.contents import answers

TEXT = b'{"id": 7}'


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT), "gzip"),
        (zlib.compress(TEXT), "deflate"),
    ],
)
def test_what_it_holds(body: bytes, encoding: str) -> None:
    assert answers.decoded(body, encoding) == {"id": 7}


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (None, ""),
        (b"", "gzip"),
        (b"<html>", ""),
        (TEXT, "gzip"),  # it is not
        (TEXT, "br"),
        (gzip.compress(TEXT)[:-9], "gzip"),  # cut
        (gzip.compress(b"[" + b" " * answers.MAX_INFLATED + b"]"), "gzip"),  # a bomb
    ],
)
def test_what_tells_nothing(body: bytes | None, encoding: str) -> None:
    assert answers.decoded(body, encoding) is None
