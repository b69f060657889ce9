"""Every line of a log is accounted for once: parsed, part of another, ignored or unread."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.config import Config
from wsdiag.evidence import InputFile
from wsdiag.report import Lines
from wsdiag.sources import text_log
from wsdiag.sources.blocks import line_blocks

PIECES = [
    b"2026-03-04 10:00:01 ws closed 192.0.2.7:50436 code=1006",
    b"2026-03-04 10:00:02 cache warmed",
    b"Traceback (most recent call last):",
    b'  File "/srv/app.py", line 3, in main',
    b"ConnectionResetError: [Errno 104] Connection reset by peer",
    b"2026-03-04T10:00:00.000000000Z stderr P 2026-03-04 10:00:00 ws ",
    b"2026-03-04T10:00:00.000000000Z stderr F connected 192.0.2.7:50436",
    b'{"log":"ws ","stream":"stderr","time":"2026-03-04T10:00:00Z"}',
    b'{"log":"connected\\n","stream":"stderr","time":"2026-03-04T10:00:00Z"}',
    b'{"mood": "calm", "n": ',
    b"{",
    b'"msg": "websocket connected"',
    b"}",
    b"NUL \0 in it",
    b"\xff\xfe not UTF-8",
    b"",
    b"\r",
    b"a long line of a websocket that closed " * 9,
]


def account(content: bytes, folder: Path) -> Lines:
    path = folder / "app.log"
    path.write_bytes(content)
    item = InputFile(name="app.log", path=path, sha256="", bytes=len(content))
    lines = text_log.read(item, Config()).lines
    assert lines is not None
    return lines


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (PIECES[0:2], Lines(read=2, parsed=1, ignored=1)),
        (PIECES[2:5], Lines(read=3, parsed=1, continuation=2)),
        (PIECES[5:7], Lines(read=2, parsed=1, continuation=1)),
        (PIECES[7:9], Lines(read=2, parsed=1, continuation=1)),
        (PIECES[9:10], Lines(read=1, unread=1)),
        (PIECES[10:13], Lines(read=3, parsed=1, continuation=2)),
        (PIECES[10:12], Lines(read=2, parsed=1, ignored=1)),
        (PIECES[13:15], Lines(read=2, unread=1, ignored=1)),
        ([], Lines()),
    ],
)
def test_what_became_of_each(lines: list[bytes], expected: Lines, tmp_path: Path) -> None:
    assert account(b"\n".join(lines), tmp_path) == expected


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=30),
    st.integers(10, 400),
    st.integers(100, 500),
)
def test_it_adds_up(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], block: int, longest: int
) -> None:
    content = b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "BLOCK_BYTES", block)
        patch.setattr(line_blocks, "MAX_LINE_BYTES", longest)
        told = account(content, tmp_path_factory.mktemp("account"))
    ends = content.count(b"\n")
    assert told.read == ends + (content[-1:] not in (b"", b"\n"))
    assert told.read == told.parsed + told.continuation + told.ignored + told.unread
