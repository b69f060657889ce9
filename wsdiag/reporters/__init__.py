"""Views of the Report: one module per output, each `render(report) -> str`.

A reporter says nothing that is not in the Report and computes nothing beyond layout.
"""

from __future__ import annotations

from typing import Protocol

from wsdiag.report import Report
from wsdiag.reporters import github, html, json_v1, junit, markdown, terminal
from wsdiag.reporters.fit import fit as fit


class Reporter(Protocol):
    """What every output offers."""

    def render(self, report: Report) -> str:
        """The whole report as text that ends with a newline."""


TERMINAL: Reporter = terminal
MARKDOWN: Reporter = markdown
HTML: Reporter = html
JSON: Reporter = json_v1
JUNIT: Reporter = junit
GITHUB: Reporter = github

REPORTERS: dict[str, Reporter] = {
    "terminal": TERMINAL,
    "markdown": MARKDOWN,
    "html": HTML,
    "json": JSON,
    "junit": JUNIT,
    "github": GITHUB,
}
"""By the name that `--format` takes."""

SUFFIXES = {
    ".txt": "terminal",
    ".md": "markdown",
    ".html": "html",
    ".json": "json",
    ".xml": "junit",
}
"""What `-o FILE` writes, by the file's suffix."""
