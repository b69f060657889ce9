"""From findings to root causes: which causes hold, how sure that is, and the text that says so."""

from wsdiag.explain.case import Case
from wsdiag.explain.causes import load_causes
from wsdiag.explain.checklist import checklist
from wsdiag.explain.prose import at, environment, ms, pct, plural, seconds
from wsdiag.explain.ranking import explain

__all__ = [
    "Case",
    "at",
    "checklist",
    "environment",
    "explain",
    "load_causes",
    "ms",
    "pct",
    "plural",
    "seconds",
]
