"""Ends by the clocks that tell their cause: silence, age, the proxy's reloads, the last message.

For each end: how long nothing had crossed the connection (either way, from the client, from the
server), how old it was, which heartbeat was not answered, what happened at the proxy before it,
what the client said last, and how many ended with it.
"""

from wsdiag.endings.ends import TICK_S, ends
from wsdiag.endings.heartbeats import (
    own_pings,
    pace,
    sent_again,
    throttled,
    unanswered_pings,
    usual_pace,
)
from wsdiag.endings.one_clock import MANY, REPEATED, SURVIVED
from wsdiag.endings.reloads import after_reload
from wsdiag.endings.shutdowns import after_stop, by_order
from wsdiag.endings.spikes import by_clock, find_spikes, out_of
from wsdiag.endings.surroundings import around, gone_and_back, killed, stopped_before
from wsdiag.endings.triggers import triggers
from wsdiag.endings.waves import together

__all__ = [
    "MANY",
    "REPEATED",
    "SURVIVED",
    "TICK_S",
    "after_reload",
    "after_stop",
    "around",
    "by_clock",
    "by_order",
    "ends",
    "find_spikes",
    "gone_and_back",
    "killed",
    "out_of",
    "own_pings",
    "pace",
    "sent_again",
    "stopped_before",
    "throttled",
    "together",
    "triggers",
    "unanswered_pings",
    "usual_pace",
]
