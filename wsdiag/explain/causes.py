"""The cause files of the package, parsed once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from wsdiag.cause import Cause, parse

HEALTHY, UNKNOWN, THIN_EVIDENCE = "healthy", "unknown", "thin-evidence"
"""The three answers that name no fault; they have text but no `when`."""


@cache
def load_causes() -> dict[str, Cause]:
    """Every cause by its id, in the order of the ids. Raises `CauseError` on a broken file."""
    folder = files("wsdiag").joinpath("causes")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".md"))
    return {
        name.removesuffix(".md"): parse(
            name.removesuffix(".md"), folder.joinpath(name).read_text(encoding="utf-8")
        )
        for name in names
    }
