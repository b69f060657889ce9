"""Jira: wiki markup, as text fields of Jira Server and of the version 2 API take it.

A text field holds 32 767 characters. A backslash escapes what is markup; `\\\\` would be a line
break, so a backslash itself is written as a character reference.
"""

from __future__ import annotations

import re

from wsdiag.reporters.wording import flat

NAME = "Jira"
LIMIT = 32_767

_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;", "//": "&#47;&#47;"}
_MARKUP = re.compile(
    r"[&<>\\{}\[\]*_+^~?!|#]"
    r"|(?<!\w)-|-(?!\w)"
    r"|^(?:h[1-6]|bq)(?=\.)|(?<=:)//"
    r"|[:;](?=[-)(DP|])|\((?=(?:[-/xyni]|on|off|flag(?:off)?)\))"  # smileys
)


def text(text: str) -> str:
    """Words in which nothing is markup, a macro, a mention, a link or a smiley."""
    return _MARKUP.sub(_escaped, flat(text))


def _escaped(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in _REFERENCES:
        return _REFERENCES[sign]
    return f"{sign}\\" if sign[0].isalpha() else f"\\{sign}"


def code(shown: str) -> str:
    """Monospace, in which markup would still be read."""
    return f"{{{{{text(shown)}}}}}" if flat(shown) else ""


def strong(shown: str) -> str:
    """Bold words."""
    return f"*{text(shown)}*"


def heading(shown: str, level: int) -> str:
    """A heading."""
    return f"h{level}. {text(shown)}"


def item(mark: str, line: str, depth: int) -> str:
    """A list item; a number stays as it is, for code between two items would end the list."""
    return f"{'*' * (depth + 1)} {line}" if mark == "•" else f"{mark} {line}"


def paragraph(line: str, depth: int) -> str:
    """A paragraph; lists hold none."""
    return line


def fence(text: str, language: str, depth: int) -> str:
    """Code as it is; a formatter that a Jira does not know would be an error."""
    return f"{{noformat}}\n{re.sub(r'{(?=noformat)', '{ ', text)}\n{{noformat}}"


def grid(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """A table."""
    lines = [f"||{'||'.join(map(text, head))}||"]
    lines += [f"|{'|'.join(cell or ' ' for cell in row)}|" for row in rows]
    return "\n".join(lines)


def folded(title: str, body: str) -> str:
    """Details; nothing folds without a macro that a Jira may lack."""
    return f"{heading(title, 4)}\n\n{body}"
