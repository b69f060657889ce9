"""The places where a report is pasted: how much each takes, and its syntax.

A place is a module; `write` puts a block into its syntax, and whatever text it is given stays text.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol

from wsdiag.reporters.nodes import Block, Grid, Node, Span
from wsdiag.reporters.places import github, gitlab, jira, pagerduty, slack


class Place(Protocol):
    """What a place offers; whatever words it is given come out inert."""

    NAME: str
    LIMIT: int
    """The most characters that it takes."""

    def text(self, words: str, /) -> str:
        """Words, in which nothing is markup."""

    def code(self, words: str, /) -> str:
        """Words of a program."""

    def strong(self, words: str, /) -> str:
        """Words that stand out."""

    def heading(self, words: str, level: int, /) -> str:
        """A heading; level 2 is the report's own."""

    def item(self, mark: str, line: str, depth: int, /) -> str:
        """A list item; `line` is written already."""

    def paragraph(self, line: str, depth: int, /) -> str:
        """A paragraph; `line` is written already."""

    def fence(self, code: str, language: str, depth: int, /) -> str:
        """Lines of code."""

    def grid(self, head: tuple[str, ...], rows: list[list[str]], /) -> str:
        """A table; its cells are written already."""

    def folded(self, title: str, body: str, /) -> str:
        """A part that may be closed at first; `body` is written already."""


GITHUB: Place = github
GITLAB: Place = gitlab
JIRA: Place = jira
SLACK: Place = slack
PAGERDUTY: Place = pagerduty

PLACES: dict[str, Place] = {
    "github": GITHUB,
    "gitlab": GITLAB,
    "jira": JIRA,
    "slack": SLACK,
    "pagerduty": PAGERDUTY,
}
"""By the name that `--fit` takes."""


def write(block: Block, place: Place, *, short: bool = False) -> str:
    """The block in the syntax of the place; nothing where it lacks the short form asked for."""
    nodes = block.short if short else block.nodes
    if short and not nodes:
        return ""
    parts = [_node(node, place) for node in nodes]
    body = parts[0] if parts else ""
    for (before, after), part in zip(pairwise(nodes), parts[1:], strict=True):
        body += ("\n" if _items(before, after) else "\n\n") + part
    if block.folded:
        return place.folded(block.heading or block.name, body)
    head = place.heading(block.heading, block.level) if block.heading else ""
    return "\n\n".join(part for part in (head, body) if part)


def _items(*nodes: Node | Grid) -> bool:
    return all(isinstance(node, Node) and node.kind == "item" for node in nodes)


def _node(node: Node | Grid, place: Place) -> str:
    if isinstance(node, Grid):
        return place.grid(node.head, [[line(cell, place) for cell in row] for row in node.rows])
    if node.kind == "code":
        return place.fence(node.text, node.language, node.depth)
    if node.kind == "item":
        return place.item(node.mark, line(node.line, place), node.depth)
    return place.paragraph(line(node.line, place), node.depth)


def line(spans: Iterable[Span], place: Place) -> str:
    """A line of spans; the spaces between them stay."""
    writers = {"text": place.text, "code": place.code, "strong": place.strong}
    shown = ""
    for span in spans:
        bare = span.text.strip()
        before = " " if span.text[:1] == " " else ""
        after = " " if span.text[-1:] == " " and bare else ""
        piece = writers[span.kind](bare) if bare else ""
        if shown.endswith("`") and piece.startswith("`") and not before:
            before = " "  # code spans that touch would merge into one
        shown += before + piece + after
    return shown.strip()
