"""An HTTP answer's JSON, however it was packed, within bounds."""

from __future__ import annotations

import gzip
import zlib

import pytest

from wsdiag.contents import answers

TEXT = b'{"id": 7}'
BOMB = b"[" + b" " * answers.MAX_INFLATED + b"]"


# Parameters are named: gzip writes the time of packing, and a test's name must not hold it.
@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(TEXT, "", id="plain"),
        pytest.param(TEXT, "identity", id="identity"),
        pytest.param(gzip.compress(TEXT), "gzip", id="gzip"),
        pytest.param(zlib.compress(TEXT), "deflate", id="deflate"),
    ],
)
def test_what_it_holds(body: bytes, encoding: str) -> None:
    assert answers.decoded(body, encoding) == {"id": 7}


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(None, "", id="no-body"),
        pytest.param(b"", "gzip", id="empty"),
        pytest.param(b"<html>", "", id="not-json"),
        pytest.param(TEXT, "gzip", id="not-packed"),
        pytest.param(TEXT, "br", id="unknown-encoding"),
        pytest.param(gzip.compress(TEXT)[:-9], "gzip", id="cut"),
        pytest.param(gzip.compress(BOMB), "gzip", id="bomb"),
    ],
)
def test_what_tells_nothing(body: bytes | None, encoding: str) -> None:
    assert answers.decoded(body, encoding) is None
