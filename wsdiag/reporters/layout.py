"""Pieces of the terminal report: headings, indented text, and our own Markdown for the eye."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsdiag.report import Report
from wsdiag.reporters import nodes
from wsdiag.reporters.wording import flat

_SPANS = {"text": "", "code": "cyan", "strong": "bold"}


def plain_console(target: TextIO, width: int, *, color: bool) -> Console:
    """A console that writes into `target`, with escape sequences only if `color`, and reads no
    markup in what it is given."""
    return Console(
        file=target,
        height=100,  # rich ignores the width alone where TERM=dumb
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        no_color=not color,
        legacy_windows=False,
        emoji=False,
        markup=False,
        highlight=False,
    )


def section(console: Console, name: str, note: str = "") -> None:
    """A heading, and a word on it."""
    console.print()
    console.print(Text(name.upper(), style="bold").append(f"  {note}" if note else "", style="dim"))


def more(console: Console, number: int, by: int = 2, note: str = "") -> None:
    """How many are not shown, where some are not."""
    if number > 0:
        indented(console, Text(f"… and {number:,} more{note}", style="dim"), by)


def indented(console: Console, text: Text, by: int = 2) -> None:
    """Text that wraps `by` columns from the edge."""
    console.print(Padding(text, (0, 0, 0, by)))


def markdown(console: Console, text: str, report: Report) -> None:
    """Our own Markdown for the eye: wrapped text, hanging list items, code as it is to be typed."""
    for node in nodes.own(text, report):
        shown = Text()
        for span in node.line:
            shown.append(flat(span.text) if span.kind == "code" else span.text, _SPANS[span.kind])
        indent = 2 + 2 * node.depth
        if node.kind == "code":
            # Never wrapped: a directive that is copied must be whole.
            for line in node.text.splitlines():
                code = Text(f"      {line}", style="cyan")
                console.print(code, no_wrap=True, overflow="ignore", crop=False)
        elif node.kind == "item":
            grid = Table.grid(padding=(0, 1))
            grid.add_row(Text(node.mark), shown)
            console.print(Padding(grid, (0, 0, 0, indent)))
        else:
            indented(console, shown, indent)
