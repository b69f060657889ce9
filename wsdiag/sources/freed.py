"""Memory that was freed goes back to the system.

The C library of most Linux systems keeps what many arrays leave behind, in case that more come.
Behind a large input none do.
"""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Return what is free, where the C library can (malloc_trim(3), glibc)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return
    trim(0)
