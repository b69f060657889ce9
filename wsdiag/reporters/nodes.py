"""What a written report is made of: blocks of nodes of spans, before any place's syntax.

Text from evidence becomes a span and is never read as markup; only our own Markdown (the sections
of a cause) is parsed, with what it quotes from evidence taken out before.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wsdiag.redact import sanitise
from wsdiag.report import Report
from wsdiag.reporters import prose
from wsdiag.reporters.wording import flat

_QUOTE, _UNQUOTE = "\ue000", "\ue001"
"""Around the number of a quotation; private characters, which no sanitised text holds."""
_INLINE = re.compile(
    rf"(?<!`)(?P<tick>`+)(?!`)(?P<code>.+?)(?<!`)(?P=tick)(?!`)|{_QUOTE}(?P<quoted>\d+){_UNQUOTE}"
    r"|(?<![\w*])(?P<star>\*{1,2})(?=[^\s*])(?P<strong>[^*]+?)(?<=\S)(?P=star)(?![\w*])"
)


class Span(NamedTuple):
    """A piece of a line; `kind` is text, code or strong."""

    text: str
    kind: str = "text"


class Node(NamedTuple):
    """A paragraph, a list item (with its mark: • or 1.) or code, `depth` lists deep."""

    kind: str
    line: tuple[Span, ...] = ()
    mark: str = ""
    depth: int = 0
    text: str = ""
    language: str = ""


class Grid(NamedTuple):
    """A table; each row has as many cells as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[tuple[Span, ...], ...], ...]


class Block(NamedTuple):
    """A part of the report that is written whole, in its short form, or not at all.

    `importance` 0 comes first; where `growth` is given, the short form counts that much, and the
    whole form only `growth`. `heading` is empty where the block goes on under the one before;
    `name` is what it is called when it is left out. `folded` blocks may be closed at first.
    """

    name: str
    importance: int
    nodes: tuple[Node | Grid, ...]
    heading: str = ""
    level: int = 3
    short: tuple[Node | Grid, ...] = ()
    folded: bool = False
    growth: int | None = None


def words(text: str, kind: str = "text") -> tuple[Span, ...]:
    """Text from anywhere as one span on one line; nothing where there is none."""
    shown = flat(text)
    return (Span(shown, kind),) if shown else ()


def paragraph(*spans: Span, depth: int = 0) -> Node:
    """A paragraph of spans."""
    return Node("text", spans, depth=depth)


def item(*spans: Span, mark: str = "•", depth: int = 0) -> Node:
    """A list item of spans."""
    return Node("item", spans, mark, depth)


def more(number: int, depth: int = 0) -> list[Node]:
    """The item that says how many are not shown; none where all are."""
    return [item(Span(f"… and {number:,} more"), depth=depth)] if number > 0 else []


def own(text: str, report: Report, depth: int = 0) -> list[Node]:
    """Our own Markdown as nodes. The names and messages that it quotes come from evidence."""
    quoted: list[Span] = []

    def quote(text: str, raw: str, span: Span) -> str:
        if raw and raw in text:
            quoted.append(span)
            text = text.replace(raw, f"{_QUOTE}{len(quoted) - 1}{_UNQUOTE}")
        return text

    text = text.replace(_QUOTE, "").replace(_UNQUOTE, "")
    for message in sorted({finding.message for finding in report.findings}, key=len)[::-1]:
        text = quote(text, message, Span(flat(message)))
    for source in sorted({item.source for item in report.inputs}, key=len)[::-1]:
        text = quote(text, f"`{source}`", Span(flat(source), "code"))
    clean = "\n".join(sanitise(line) for line in text.splitlines())
    return [
        Node("code", depth=depth, text=piece.text, language=piece.language)
        if piece.kind == "code"
        else Node(piece.kind, _spans(piece.text, quoted), piece.mark, depth + piece.depth)
        for piece in prose.pieces(clean)
    ]


def sentence(text: str, report: Report) -> tuple[Span, ...]:
    """One line of our own Markdown."""
    return tuple(span for node in own(text, report)[:1] for span in node.line)


def _spans(text: str, quoted: list[Span]) -> tuple[Span, ...]:
    spans, end = [], 0
    for found in _INLINE.finditer(text):
        spans.append(Span(text[end : found.start()]))
        if found["quoted"]:
            spans.append(quoted[int(found["quoted"])])
        else:
            kind = "code" if found["code"] else "strong"
            inner = found["code"] or found["strong"]
            spans.append(Span(_restored(inner, quoted).strip(), kind))
        end = found.end()
    spans.append(Span(text[end:]))
    return tuple(span for span in spans if span.text)


def _restored(text: str, quoted: list[Span]) -> str:
    return re.sub(rf"{_QUOTE}(\d+){_UNQUOTE}", lambda found: quoted[int(found[1])].text, text)
