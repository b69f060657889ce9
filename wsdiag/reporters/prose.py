"""Markdown out of two kinds of text: our own Markdown, and evidence, which must stay inert.

Evidence is hostile: a Close reason may hold markup, links, mentions or terminal escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wsdiag.reporters.wording import flat

_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
# Words that a renderer would turn into a link, a mention, an issue, an image, HTML or maths.
_ACTIVE = re.compile(r"[@`\\\[\]$|]|://|\bwww\.|<[a-z/!?]|&#?\w|#\w", re.IGNORECASE)
_LEADING = re.compile(r"^(?:>|[-+=#]+$|\d+[.)]$)")
_MARKUP = re.compile(r"\*|(?<=\S)~|(?<![^\W_])_|_(?![^\W_])")
_ITEM = re.compile(r"^(?P<indent> *)(?P<mark>[-*+]|\d+[.)]) +(?P<text>.*)$")
_FENCE = re.compile(r"^ *(`{3,}|~{3,})")


def code(text: str) -> str:
    """A code span that nothing inside `text` can end."""
    shown = flat(text)
    if not shown:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def inert(text: str) -> str:
    """One line of Markdown that reads as `text` does: code spans stay, all else is only words."""
    result = ""
    end = 0
    shown = flat(text)
    for found in _SPAN.finditer(shown):
        for piece in (_words(shown[end : found.start()], first=not end), code(found[2])):
            result = _beside(result, piece)
        end = found.end()
    return _beside(result, _words(shown[end:], first=not end))


def cell(markdown: str) -> str:
    """Markdown of one line as a table cell."""
    return re.sub(r"\\*\|", lambda found: "\\ " * (len(found[0]) - 1) + "\\|", markdown)


class Piece(NamedTuple):
    """A paragraph ("text"), a list item or a fenced block of code; `depth` lists deep."""

    kind: str
    text: str
    mark: str = ""
    depth: int = 0
    language: str = ""


def pieces(text: str) -> Iterator[Piece]:
    """Cut our own Markdown into paragraphs, list items and code, with wrapped lines joined."""
    for kind, lines in _runs(text.strip().splitlines()):
        first = lines[0]
        if kind == "code":
            body = [line.rstrip() for line in lines[1:] if not _FENCE.match(line)]
            edge = len(first) - len(first.lstrip())
            shown = "\n".join(line[edge:] if not line[:edge].strip() else line for line in body)
            yield Piece("code", shown, language=first.strip(" `~"))
        elif found := _ITEM.match(first):
            mark = "•" if found["mark"] in "-*+" else found["mark"]
            told = " ".join([found["text"], *(line.strip() for line in lines[1:])])
            yield Piece("item", told, mark, min(len(found["indent"]) // 2, 3))
        else:
            yield Piece("text", " ".join(line.strip() for line in lines).lstrip("# "))


def _runs(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The lines of each paragraph, list item or fence."""
    held: list[str] = []
    fenced = False
    for line in lines:
        fence = bool(_FENCE.match(line))
        if fenced:
            held.append(line)
            if fence:
                yield "code", held
                held, fenced = [], False
            continue
        if held and (fence or not line.strip() or _ITEM.match(line)):
            yield "text", held
            held = []
        if line.strip():
            held.append(line)
        fenced = fence
    if held:
        yield "code" if fenced else "text", held


def _beside(left: str, right: str) -> str:
    """Two pieces in one line; code spans that touch would merge into one."""
    touch = left.endswith("`") and right.startswith("`")
    return f"{left} {right}" if touch else left + right


def _words(text: str, *, first: bool) -> str:
    shown: list[str] = []
    for place, word in enumerate(text.split(" ")):
        if _ACTIVE.search(word):
            shown.append(code(word))
        elif first and place == 0 and _LEADING.match(word):
            shown.append("\\" + word if word[0] not in "0123456789" else f"{word[:-1]}\\{word[-1]}")
        else:
            shown.append(_MARKUP.sub(lambda found: "\\" + found[0], word))
    return " ".join(shown)
