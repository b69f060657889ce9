"""GitLab: the same Markdown as GitHub, and room for a million characters.

A note may hold 1 000 000 characters (docs.gitlab.com, "Application limits").
"""

from __future__ import annotations

from wsdiag.reporters.places import github

NAME = "GitLab"
LIMIT = 1_000_000

text, code, strong, heading = github.text, github.code, github.strong, github.heading
item, paragraph, fence = github.item, github.paragraph, github.fence
grid, folded = github.grid, github.folded
