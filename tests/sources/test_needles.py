"""What is looked for first stands in every text that the pattern matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.sources.formats.line_format import all_formats
from wsdiag.sources.line.needles import needles
from wsdiag.sources.prose import vocabulary

PATTERNS = [
    *(phrase.source for family in vocabulary.PHRASES for phrase in family),
    *(text for made in all_formats() for text in made.document.find),
    *(made.document.pattern for made in all_formats()),
]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("abc", ("abc",)),
        ("ab|cde", ("ab", "cde")),
        ("ab?cd", ("cd",)),
        ("abc{0,2}def", ("def",)),
        ("abc{1,2}", ("abc",)),
        ("abc+de", ("abc",)),
        (r"\bab\.c(?:de|fg)?", ("ab.c",)),
        (r"\d(?:abc|def)\s(?!ghijk)", ("abc", "def")),
        ("(?=abcd)x", ()),
        ("[abc]d", ()),
        ("abc|", ()),
        ("(?i)abc", ()),
        ("(?#abc)d", ()),
        ("(?>abc)d", ()),
        ("a|b", ()),
        ("", ()),
    ],
)
def test_needles(pattern: str, expected: tuple[str, ...]) -> None:
    assert needles(pattern) == expected


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_match_without_one(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS))
    text = data.draw(st.from_regex(re.compile(pattern)))
    found = needles(pattern)
    assert not found or any(needle in text for needle in found)
