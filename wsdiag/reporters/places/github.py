"""GitHub: comments and descriptions in GitHub-flavoured Markdown.

The API refuses a body of more than 65 536 characters ("body is too long", 422).
"""

from __future__ import annotations

import re

from wsdiag.reporters import prose

NAME = "GitHub"
LIMIT = 65_536

text = prose.inert
code = prose.code
_INDENT = 3
"""As deep as what stands under "1. " must stand."""


def strong(text: str) -> str:
    """Bold words."""
    return f"**{prose.inert(text)}**"


def heading(text: str, level: int) -> str:
    """A heading."""
    return f"{'#' * level} {prose.inert(text)}"


def item(mark: str, line: str, depth: int) -> str:
    """A list item."""
    return f"{' ' * _INDENT * depth}{'-' if mark == '•' else mark} {line}"


def paragraph(line: str, depth: int) -> str:
    """A paragraph, in a list where it stands deeper."""
    return f"{' ' * _INDENT * depth}{line}"


def fence(text: str, language: str, depth: int) -> str:
    """Fenced code that nothing inside can end."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    lines = [ticks + re.sub(r"[^\w+-]", "", language), *text.splitlines(), ticks]
    return "\n".join(f"{' ' * _INDENT * depth}{line}".rstrip() for line in lines)


def grid(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """A table."""
    lines = [[*map(prose.inert, head)], ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(prose.cell(cell) or ' ' for cell in line)} |" for line in lines
    )


def folded(title: str, body: str) -> str:
    """Details that open at a click; the empty lines make the inside Markdown again."""
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"
