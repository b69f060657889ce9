"""Slack: a message in mrkdwn, which has no tables, headings or nested lists.

A message is best kept below 4 000 characters (docs.slack.dev, "Truncating content"). `&`, `<` and
`>` are all that can be escaped; other words that Slack would act upon stand in code.
"""

from __future__ import annotations

import re

from wsdiag.reporters.wording import flat

NAME = "Slack"
LIMIT = 4_000

_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ACTIVE = re.compile(
    r"[@#`]|://|\bwww\.|^>"
    r"|:(?=[\w+-]*[a-z])[\w+-]+:|(?<!\w)[*_~]|[*_~](?!\w)",
    re.IGNORECASE,
)
_MARK = re.compile(r"(?:[-•]|\d+\.)$")  # of a list, where it is the first word


def text(text: str) -> str:
    """Words in which nothing is a mention, a link, an emoji or bold."""
    words = flat(text).split()
    return " ".join(
        code(word) if _ACTIVE.search(word) or (not at and _MARK.match(word)) else _referred(word)
        for at, word in enumerate(words)
    )


def _referred(text: str) -> str:
    return "".join(_REFERENCES.get(sign, sign) for sign in text)


def code(shown: str) -> str:
    """A code span; a backtick would end it."""
    return f"`{_referred(flat(shown).replace('`', chr(0x2CB)))}`" if flat(shown) else ""


def strong(shown: str) -> str:
    """Bold words."""
    return f"*{text(shown)}*"


def heading(shown: str, level: int) -> str:
    """A line in bold."""
    return strong(shown)


def item(mark: str, line: str, depth: int) -> str:
    """A list item."""
    return f"{'    ' * depth}{mark} {line}"


def paragraph(line: str, depth: int) -> str:
    """A paragraph."""
    return f"{'    ' * depth}{line}"


def fence(text: str, language: str, depth: int) -> str:
    """Code, in which references are still read."""
    return f"```\n{_referred(text.replace('```', chr(0x2CB) * 3))}\n```"


def grid(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Rows as items."""
    return "\n".join(f"• {' – '.join(cell for cell in row if cell)}" for row in rows)


def folded(title: str, body: str) -> str:
    """Details; nothing folds."""
    return f"{heading(title, 4)}\n\n{body}"
