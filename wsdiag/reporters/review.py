"""Views of a Review: terminal, Markdown, HTML, JSON. All but JSON write the same blocks."""

from __future__ import annotations

import io
from collections.abc import Callable
from html import escape
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsdiag.advice import Review
from wsdiag.reporters import architecture, html, json_v1
from wsdiag.reporters.layout import indented, plain_console, section
from wsdiag.reporters.nodes import Block, Grid, Node, Span
from wsdiag.reporters.places import GITHUB, write

WIDTH = 100
_STYLES = {"text": "", "code": "cyan", "strong": "bold"}
_STYLE = (
    "td { white-space: normal; overflow-wrap: anywhere; }\n"
    "li.deep { margin-left: 1.5em; list-style: circle; }\n"
)
"""A review's tables hold sentences, and its lists go deeper."""
_TAGS = {"code": "code", "strong": "strong"}


def as_json(review: Review) -> str:
    """`wsdiag.review/1`, field for field."""
    return json_v1.encode(review)


def as_markdown(review: Review) -> str:
    """The architecture template as GitHub-flavoured Markdown."""
    return "\n\n".join(write(block, GITHUB) for block in architecture.blocks(review)) + "\n"


def as_text(review: Review, *, color: bool = False, width: int | None = None) -> str:
    """The same for a terminal."""
    target = io.StringIO()
    console = plain_console(target, max(60, min(width or WIDTH, 120)), color=color)
    for block in architecture.blocks(review):
        if block.level == 2:
            console.print(Text(block.heading, style="bold"))
        elif block.heading:
            section(console, block.heading)
        for node in block.nodes:
            _print(console, node)
    return "\n".join(line.rstrip() for line in target.getvalue().lstrip("\n").splitlines()) + "\n"


def _print(console: Console, node: Node | Grid) -> None:
    if isinstance(node, Grid):
        table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
        for name in node.head:
            table.add_column(name, overflow="fold")
        for row in node.rows:
            table.add_row(*(_text(cell) for cell in row))
        console.print(Padding(table, (0, 0, 0, 2)))
    elif node.kind == "code":
        for line in node.text.splitlines():
            shown = Text(f"      {line}", style="cyan")
            console.print(shown, no_wrap=True, overflow="ignore", crop=False)
    elif node.kind == "item":
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(node.mark), _text(node.line))
        console.print(Padding(grid, (0, 0, 0, 2 + 2 * node.depth)))
    else:
        indented(console, _text(node.line), 2 + 2 * node.depth)


def _text(line: tuple[Span, ...]) -> Text:
    shown = Text()
    for span in line:
        shown.append(span.text, _STYLES[span.kind])
    return shown


def as_html(review: Review) -> str:
    """One self-contained page; every text is escaped, and nothing is loaded or run."""
    title = escape(f"Real-Time Architecture: {review.feature or 'WebSocket traffic'}")
    body = "\n".join(_section(block) for block in architecture.blocks(review))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{html.style()}{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _section(block: Block) -> str:
    level = 1 if block.level == 2 else 2
    head = f"<h{level}>{escape(block.heading)}</h{level}>\n" if block.heading else ""
    parts = []
    for kind, nodes in groupby(block.nodes, key=_kind):
        shown = "\n".join(_markup(node) for node in nodes)
        parts.append(f"<ul>\n{shown}\n</ul>" if kind == "item" else shown)
    return head + "\n".join(parts)


def _kind(node: Node | Grid) -> str:
    return "grid" if isinstance(node, Grid) else node.kind


def _markup(node: Node | Grid) -> str:
    if isinstance(node, Grid):
        head = "".join(f"<th>{escape(name)}</th>" for name in node.head)
        rows = "\n".join(
            f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in node.rows
        )
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    if node.kind == "code":
        return f"<pre><code>{escape(node.text)}</code></pre>"
    if node.kind == "item":
        deep = ' class="deep"' if node.depth else ""
        return f"<li{deep}>{_inline(node.line)}</li>"
    return f"<p>{_inline(node.line)}</p>"


def _inline(line: tuple[Span, ...]) -> str:
    shown = []
    for span in line:
        text, tag = escape(span.text), _TAGS.get(span.kind)
        shown.append(f"<{tag}>{text}</{tag}>" if tag else text)
    return "".join(shown)


VIEWS: dict[str, Callable[[Review], str]] = {
    "terminal": as_text,
    "markdown": as_markdown,
    "html": as_html,
    "json": as_json,
}
"""By the name that `--format` takes."""
