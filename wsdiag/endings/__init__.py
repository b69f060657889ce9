"""Ends by the clocks that tell their cause: silence, age, the proxy's reloads, the last message.

For each end: how long nothing had crossed the connection (either way, from the client, from the
server), how old it was, which heartbeat was not answered, what happened at the proxy before it,
what the client said last, and how many ended with it.
"""

from wsdiag.endings.ends import TICK_S, ends
from wsdiag.endings.fleet import AT_ONE_MOMENT, NEARLY_ALL, of_fleet
from wsdiag.endings.heartbeats import (
    own_pings,
    pace,
    sent_again,
    spoke_again,
    throttled,
    unanswered_pings,
    usual_pace,
)
from wsdiag.endings.one_clock import MANY, REPEATED, SURVIVED
from wsdiag.endings.shutdowns import by_order
from wsdiag.endings.spikes import by_clock, out_of
from wsdiag.endings.surroundings import down_and_up, killed, stopped_before
from wsdiag.endings.triggers import triggers

__all__ = [
    "AT_ONE_MOMENT",
    "MANY",
    "NEARLY_ALL",
    "REPEATED",
    "SURVIVED",
    "TICK_S",
    "by_clock",
    "by_order",
    "down_and_up",
    "ends",
    "killed",
    "of_fleet",
    "out_of",
    "own_pings",
    "pace",
    "sent_again",
    "spoke_again",
    "stopped_before",
    "throttled",
    "triggers",
    "unanswered_pings",
    "usual_pace",
]
