"""The cause files of the package, parsed once, with the fixes that several of them share."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from wsdiag.cause import Cause, CauseError, parse

HEALTHY, UNKNOWN, THIN_EVIDENCE = "healthy", "unknown", "thin-evidence"
"""The three answers that name no fault; they have text but no `when`."""

_INCLUDE = re.compile(r"^\{% include '(?P<name>[\w-]+\.md)' %\}$", re.MULTILINE)


@cache
def load_causes() -> dict[str, Cause]:
    """Every cause by its id, in the order of the ids. Raises `CauseError` on a broken file."""
    folder = files("wsdiag").joinpath("causes")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".md"))
    return {
        name.removesuffix(".md"): parse(
            name.removesuffix(".md"),
            _whole(name, folder.joinpath(name).read_text(encoding="utf-8")),
        )
        for name in names
    }


def _whole(name: str, text: str) -> str:
    """The text with its includes in place, so that the manual shows what a report shows."""

    def included(found: re.Match[str]) -> str:
        shared = files("wsdiag").joinpath("causes", "fixes", found["name"])
        if not shared.is_file():
            raise CauseError(f"{name}: no fixes/{found['name']}")
        return _whole(name, shared.read_text(encoding="utf-8").strip())

    return _INCLUDE.sub(included, text)
