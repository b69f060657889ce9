"""Find the evidence: files, folders, globs and `-`; packed files are spooled; excerpts by position.

After this package everything is a plain file with a name, a digest and its remarks.
"""

from wsdiag.evidence.collect import Paths, collect
from wsdiag.evidence.inputs import HEAD_BYTES, Found, InputFile, Reading, lines
from wsdiag.evidence.names import shown
from wsdiag.evidence.spool import keep

__all__ = [
    "HEAD_BYTES",
    "Found",
    "InputFile",
    "Paths",
    "Reading",
    "collect",
    "keep",
    "lines",
    "shown",
]
