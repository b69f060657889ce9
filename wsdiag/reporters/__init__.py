"""Views of the Report: one module per output, each `render(report) -> str`.

A reporter says nothing that is not in the Report and computes nothing beyond layout.
"""

from __future__ import annotations

from typing import Protocol

from wsdiag.report import Report
from wsdiag.reporters import json_v1, markdown, terminal


class Reporter(Protocol):
    """What every output offers."""

    def render(self, report: Report) -> str:
        """The whole report as text that ends with a newline."""


TERMINAL: Reporter = terminal
MARKDOWN: Reporter = markdown
JSON: Reporter = json_v1

REPORTERS: dict[str, Reporter] = {"terminal": TERMINAL, "markdown": MARKDOWN, "json": JSON}
"""By the name that `--format` takes."""

SUFFIXES = {".txt": "terminal", ".md": "markdown", ".json": "json"}
"""What `-o FILE` writes, by the file's suffix."""
