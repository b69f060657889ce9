"""Cause files: the `when` language, and what makes a file unusable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.cause import SECTIONS, Against, Cause, CauseError, Condition, When, parse

TERMS = ["idle-cut", "idle-cut:repeats", "mass-close", "abnormal-close:code-1006", "x"]
some = st.lists(st.sampled_from(TERMS), unique=True)


@given(some, some, some, st.sets(st.sampled_from(TERMS)))
def test_three_words(every: list[str], one: list[str], no: list[str], terms: set[str]) -> None:
    """`all` must hold, `any` needs one, `none` must not hold; nothing else counts."""
    condition = Condition(all=every, any=one, none=no)
    expected = (
        all(term in terms for term in every)
        and (not one or any(term in terms for term in one))
        and not any(term in terms for term in no)
    )
    assert condition.holds(frozenset(terms)) is expected


@given(st.sets(st.sampled_from(TERMS)))
def test_an_empty_condition_always_holds(terms: set[str]) -> None:
    assert Condition().holds(terms)


def test_a_mark_is_not_its_detector() -> None:
    assert not Condition(all=["idle-cut:repeats"]).holds({"idle-cut"})
    assert not Condition(all=["idle-cut"]).holds({"idle-cut:repeats"})


def test_the_terms_that_speak_for_it() -> None:
    assert Condition(all=["a"], any=["b"], none=["c"]).named() == {"a", "b"}


def test_the_surest_clause_that_holds() -> None:
    cause = Cause(
        id="x",
        title="X",
        when=[
            When(all=["a"], confidence=0.5, because="a"),
            When(all=["a", "b"], confidence=0.9, because="both"),
            When(all=["c"], confidence=0.95, because="c"),
        ],
    )
    assert cause.best(frozenset({"a"})).because == "a"  # type: ignore[union-attr]
    assert cause.best(frozenset({"a", "b"})).because == "both"  # type: ignore[union-attr]
    assert cause.best(frozenset({"b"})) is None


FRONT = """title = "A title"
sources = ["https://example.test/doc"]
outranks = ["other"]

[[when]]
all = ["idle-cut"]
none = ["mass-close"]
confidence = 0.8
decisive = true
because = "it says so"

[[against]]
any = ["missed-heartbeat"]
factor = 0.5
because = "it does not"
"""
BODY = """Preamble is ignored.

## Why
Because.

## Advice
Do it.

## Root cause
The root, with a `## ` inside a line.

## Fix
Fix it.

```nginx
# a comment
```

## Prevention
- Prevent it.
"""


def file(front: str = FRONT, body: str = BODY) -> str:
    return f"+++\n{front}+++\n{body}"


def test_a_file_is_read_whole() -> None:
    cause = parse("a-cause", file())
    assert (cause.id, cause.title, cause.outranks) == ("a-cause", "A title", ["other"])
    assert cause.sources == ["https://example.test/doc"]
    assert cause.when == [
        When(
            all=["idle-cut"],
            none=["mass-close"],
            confidence=0.8,
            decisive=True,
            because="it says so",
        )
    ]
    assert cause.against == [Against(any=["missed-heartbeat"], factor=0.5, because="it does not")]
    assert list(cause.sections) == ["Why", "Advice", "Root cause", "Fix", "Prevention"]
    assert cause.sections["Fix"] == "Fix it.\n\n```nginx\n# a comment\n```"


@pytest.mark.parametrize("head", SECTIONS)
def test_every_section_may_be_written(head: str) -> None:
    if head not in BODY:
        assert parse("x", file(body=f"{BODY}\n## {head}\ntext\n")).sections[head] == "text"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no front matter"),
        (BODY, "no front matter"),
        (f"+++\n{FRONT}\n{BODY}", "no front matter"),
        (f"\n+++\n{FRONT}+++\n{BODY}", "no front matter"),
        (file('title = "x'), "a-cause: "),
        (file("sources = []\n"), "title"),
        (file('title = "x"\ncolour = "red"\n'), "colour"),
        (file("title = 3\n"), "title"),
        (file('title = "x"\n[[when]]\nall = ["a"]\nbecause = "b"\n'), "confidence"),
        (file('title = "x"\n[[when]]\nconfidence = 0.5\n'), "because"),
        (file('title = "x"\n[[when]]\nconfidence = "high"\nbecause = "b"\n'), "confidence"),
        (file('title = "x"\n[[when]]\nsome = ["a"]\nconfidence = 1.0\nbecause = "b"\n'), "some"),
        (file('title = "x"\n[[when]]\nall = "a"\nconfidence = 1.0\nbecause = "b"\n'), "all"),
        (file('title = "x"\n[[against]]\nall = ["a"]\nbecause = "b"\n'), "factor"),
        (file(body=BODY + "\n## Fun\nno\n"), "unknown heading Fun"),
        (file(body=BODY.replace("## Fix", "## fix")), "unknown heading fix"),
        (file(body=BODY.replace("## Fix", "### Fix")), "missing heading Fix"),
        (file(body=""), "missing heading Advice, Fix, Prevention, Root cause, Why"),
    ],
)
def test_a_file_that_cannot_be_used(text: str, fault: str) -> None:
    with pytest.raises(CauseError) as said:
        parse("a-cause", text)
    assert str(said.value).startswith("a-cause: ")
    assert fault in str(said.value)


def test_a_heading_written_twice_is_an_error() -> None:
    """Otherwise the first text would vanish without a word."""
    with pytest.raises(CauseError, match="Fix"):
        parse("a-cause", file(body=BODY + "\n## Fix\nAnother.\n"))
