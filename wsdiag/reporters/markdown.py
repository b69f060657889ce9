"""Markdown: the debug template, ready to paste into an issue or an incident."""

from __future__ import annotations

from wsdiag.report import Report
from wsdiag.reporters import outline
from wsdiag.reporters.places import GITHUB, write


def render(report: Report) -> str:
    """The whole report as GitHub-flavoured Markdown."""
    return "\n\n".join(write(block, GITHUB) for block in outline.blocks(report)) + "\n"
