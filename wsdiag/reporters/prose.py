"""Markdown out of two kinds of text: our own Markdown, and evidence, which must stay inert.

Evidence is hostile: a Close reason may hold markup, links, mentions or terminal escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsdiag.redact import sanitise
from wsdiag.reporters.wording import flat

_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
# Words that a renderer would turn into a link, a mention, an issue, an image, HTML or maths.
_ACTIVE = re.compile(r"[@`\\\[\]$|]|://|\bwww\.|<[a-z/!?]|&#?\w|#\w", re.IGNORECASE)
_LEADING = re.compile(r"^(?:>|[-+=#]+$|\d+[.)]$)")
_MARKUP = re.compile(r"\*|(?<=\S)~|(?<![^\W_])_|_(?![^\W_])")
_VERBATIM = re.compile(
    r"^ *(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^ *(?P=fence)[`~]* *$|\Z)"
    r"|(?<!`)(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_ITEM = re.compile(r"^(?P<indent> *)(?P<mark>[-*+]|\d+[.)]) +(?P<text>.*)$")
_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_STANDS_ALONE = re.compile(r"^ *(?:\||#{1,6} |>|-{3,}$)")


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


def own(text: str) -> str:
    """Our own Markdown: lines unwrapped; no raw HTML, image or control character outside code."""
    clean = _unwrapped([sanitise(line).rstrip() for line in text.strip().splitlines()])
    pieces: list[str] = []
    end = 0
    for found in _VERBATIM.finditer(clean):
        pieces += [_tame(clean[end : found.start()]), found[0]]
        end = found.end()
    pieces.append(_tame(clean[end:]))
    return "".join(pieces)


def opens_block(line: str) -> bool:
    """Whether a line of Markdown starts a list, a fence, a table, a quotation or a heading."""
    return bool(_ITEM.match(line) or _FENCE.match(line) or _STANDS_ALONE.match(line))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Cut Markdown into ("text", …), ("item", …) and ("code", …), with wrapped lines joined."""
    kind, held = "text", ""
    fenced = False
    for line in text.strip().splitlines():
        fence, item = _FENCE.match(line), _ITEM.match(line)
        if fence or fenced or not line.strip() or item or line.lstrip().startswith("|"):
            if held:
                yield kind, held
            kind, held = "text", ""
        if fence:
            fenced = not fenced
        elif fenced or line.lstrip().startswith("|"):
            yield "code", line.rstrip()
        elif item:
            mark = "•" if item["mark"] in "-*+" else item["mark"]
            kind, held = "item", f"{item['indent']}{mark} {item['text']}"
        elif line.strip():
            held = f"{held} {line.strip()}" if held else line.strip().lstrip("#").lstrip()
    if held:
        yield kind, held


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


def _unwrapped(lines: list[str]) -> str:
    """Join wrapped lines: an issue comment shows every line break."""
    joined: list[str] = []
    fenced = open_text = False
    for line in lines:
        if open_text and not fenced and line.strip() and not opens_block(line):
            joined[-1] += " " + line.strip()
            continue
        fenced ^= bool(_FENCE.match(line))
        joined.append(line)
        open_text = bool(line.strip()) and not _FENCE.match(line) and not _STANDS_ALONE.match(line)
    return "\n".join(joined)


def _tame(text: str) -> str:
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", text).replace("![", "!\\[")
