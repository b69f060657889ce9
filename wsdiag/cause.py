"""A root cause as a Markdown file: front matter says when it holds, the body is what it says.

The `when` language has three words over a set of terms. A term is the id of a detector that found
something (`idle-cut`), that id with a mark its findings carry (`idle-cut:proxy-timer-logged`), a
program that the evidence shows in use (`stack:nginx`), a place that it was seen from
(`seen:network`), or what two sources contradict each other in (`disagreement:code-lost`). `all`
must hold, `any` needs one, `none` must not hold. Nothing else: what needs arithmetic is decided by
a detector and leaves a mark.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Set as AbstractSet

import msgspec

IN_SHORT = ("Why", "Advice")
"""The headings of the answer in short: a sentence each, which fits a line of a terminal."""

SECTIONS = (
    *IN_SHORT,
    "Symptoms",
    "Server logs",
    "Network",
    "Client",
    "Root cause",
    "Fix",
    "Prevention",
)
"""Headings a body may have."""

REQUIRED = frozenset({*IN_SHORT, "Root cause", "Fix", "Prevention"})


class CauseError(ValueError):
    """A cause file that cannot be used; the text names file and fault."""


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Three words over terms; an empty condition always holds."""

    all: list[str] = []
    any: list[str] = []
    none: list[str] = []

    def holds(self, terms: AbstractSet[str]) -> bool:
        """Whether the terms satisfy all three words."""
        return (
            terms >= set(self.all)
            and (not self.any or not terms.isdisjoint(self.any))
            and terms.isdisjoint(self.none)
        )

    def named(self) -> set[str]:
        """The terms that speak for it."""
        return {*self.all, *self.any}


class When(Condition, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to recognise the cause.

    `decisive` marks evidence that no look-alike can produce: only it may lift the confidence above
    what the number of independent sources allows.
    """

    confidence: float
    because: str
    decisive: bool = False


class Against(Condition, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Counter-evidence: it multiplies the confidence by `factor` and is printed."""

    factor: float
    because: str


class Support(Condition, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What makes the cause surer without recognising it: it multiplies by `factor`, is printed."""

    factor: float
    because: str


class FrontMatter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands above the sections of a cause.

    `outranks` names causes that it stands before when both hold; `amplifies` names those that it
    makes worse once they have begun. `brings` are terms of findings that follow from it, where they
    begin no earlier. `decides` says what evidence would settle whether it is this.
    """

    title: str
    sources: list[str] = []
    outranks: list[str] = []
    amplifies: list[str] = []
    brings: list[str] = []
    decides: str = ""
    when: list[When] = []
    against: list[Against] = []
    support: list[Support] = []


class Cause(FrontMatter, frozen=True, kw_only=True):
    """One root cause."""

    id: str
    sections: dict[str, str] = {}

    def best(self, terms: AbstractSet[str]) -> When | None:
        """The surest clause that holds."""
        holding = [clause for clause in self.when if clause.holds(terms)]
        return max(holding, key=lambda clause: clause.confidence, default=None)


_FILE = re.compile(r"\A\+\+\+\n(?P<front>.*?)\n\+\+\+\n(?P<body>.*)\Z", re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def parse(name: str, text: str) -> Cause:
    """Read one cause file. Raises `CauseError` on bad front matter or wrong headings."""
    found = _FILE.match(text)
    if not found:
        raise CauseError(f"{name}: no front matter between +++ lines")
    try:
        front = msgspec.convert(tomllib.loads(found["front"]), FrontMatter)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise CauseError(f"{name}: {problem}") from None
    _, *parts = _HEADING.split(found["body"])
    heads = parts[::2]
    if twice := {head for head in heads if heads.count(head) > 1}:
        raise CauseError(f"{name}: heading twice: {', '.join(sorted(twice))}")
    sections = {head: body.strip() for head, body in zip(heads, parts[1::2], strict=True)}
    if unknown := sections.keys() - set(SECTIONS):
        raise CauseError(f"{name}: unknown heading {', '.join(sorted(unknown))}")
    if missing := REQUIRED - sections.keys():
        raise CauseError(f"{name}: missing heading {', '.join(sorted(missing))}")
    return Cause(id=name, sections=sections, **msgspec.structs.asdict(front))
