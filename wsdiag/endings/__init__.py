"""Ends by the clocks that tell their cause: silence, age, and the proxy's reloads before them.

For each end: how long nothing had crossed the connection (either way, from the client, from the
server), how old it was, and what happened at the proxy before it.
"""

from wsdiag.endings.ends import TICK_S, ends
from wsdiag.endings.reloads import after_reload
from wsdiag.endings.spikes import MANY, REPEATED, SURVIVED, by_clock, find_spikes, out_of

__all__ = [
    "MANY",
    "REPEATED",
    "SURVIVED",
    "TICK_S",
    "after_reload",
    "by_clock",
    "ends",
    "find_spikes",
    "out_of",
]
