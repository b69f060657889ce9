"""PagerDuty: the note of an incident, plain text.

No length is documented; a note of 2 000 characters is taken, and is as much as anyone reads there.
"""

from __future__ import annotations

from wsdiag.reporters.places import slack
from wsdiag.reporters.wording import flat

NAME = "PagerDuty"
LIMIT = 2_000

text = code = strong = flat
item, paragraph, grid = slack.item, slack.paragraph, slack.grid


def heading(text: str, level: int) -> str:
    """A line in capitals."""
    return flat(text).upper() if level > 2 else flat(text)


def fence(text: str, language: str, depth: int) -> str:
    """Code, set off by spaces."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def folded(title: str, body: str) -> str:
    """Details; nothing folds."""
    return f"{heading(title, 3)}\n\n{body}"
