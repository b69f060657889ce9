"""wsdiag: from a folder of WebSocket evidence to the named cause, with proof.

`diagnose(paths)` gives a `Report`, `read_events(paths)` the normalised EVENT frame.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsdiag.finding import Finding
    from wsdiag.pipeline import diagnose, read_events
    from wsdiag.report import Report

__all__ = ["Finding", "Report", "diagnose", "read_events"]
__version__ = "0.1.0"

_HOME = {
    "diagnose": "wsdiag.pipeline",
    "read_events": "wsdiag.pipeline",
    "Finding": "wsdiag.finding",
    "Report": "wsdiag.report",
}


def __getattr__(name: str) -> Any:
    # `wsdiag --help` must not pay for polars, so the API is imported when first used.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'wsdiag' has no attribute {name!r}")
