"""Words in columns are the words of single lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.sources.blocks.word_columns import Words, in_ascii
from wsdiag.sources.formats.line_format import Format, all_formats
from wsdiag.sources.formats.words import DERIVED, WORDS

ASCII = re.compile(r"[\t -~]+")
FORMATS = [made for made in all_formats() if made.document.reads == "line"]
IDS = [made.id for made in FORMATS]
PIECES = [
    "rt=0.5",
    "conn=7",
    "key=xF1M0CrXPCkzoaaiirp13g==",
    "upg=websocket",
    "rid=0a6c29ea5c",
    " 1.5",
]


def lines_of(made: Format) -> list[str]:
    samples = (line for one in made.document.sample for line in (one.lines or [one.line]))
    return [line for line in samples if ASCII.fullmatch(line) and made.pattern.search(line)]


def assert_same_words(made: Format, lines: Sequence[str]) -> None:
    columns = Words.in_lines(made.document, pl.Series(lines))
    groups = {*WORDS, *DERIVED, *made.pattern.groupindex} - {"time"}
    for word in sorted(groups):
        alone = [made.fields(line) for line in lines]
        single = ["" if fields is None else fields[word] for fields in alone]
        assert columns[word].to_list() == single, word
        assert columns.has(word) == any(single), word


@pytest.mark.parametrize("made", FORMATS, ids=IDS)
def test_words_of_samples(made: Format) -> None:
    if lines := lines_of(made):
        assert_same_words(made, lines)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_word_that_few_lines_have(data: st.DataObject) -> None:
    """Also one that stands in no line of those that are looked at first."""
    made = next(one for one in FORMATS if one.id == "nginx-access-timed")
    plain = '10.0.0.7 - - [22/Nov/2026:23:46:39 +0000] "GET /ws HTTP/1.1" 101 26 "-" "x" rt=1.000'
    told = data.draw(st.lists(st.lists(st.sampled_from(PIECES), max_size=3), max_size=4))
    lines = [plain] * 64 + [f"{plain} {' '.join(one)}" for one in told]
    assert_same_words(made, lines)


@pytest.mark.parametrize("made", FORMATS, ids=IDS)
def test_a_pattern_for_ascii_matches_the_same(made: Format) -> None:
    patterns = [made.document.pattern, made.document.common, *made.document.find]
    lines = pl.Series([*lines_of(made), "GET /ws 101", "", "a\tb\rc 1.5 x=y"])
    for pattern in filter(None, patterns):
        narrow = in_ascii(pattern)
        assert lines.str.contains(narrow).to_list() == lines.str.contains(pattern).to_list()
        if re.compile(pattern).groups:
            found, same = (lines.str.extract_groups(one) for one in (pattern, narrow))
            assert found.to_list() == same.to_list()
