"""Where the IP header of each packet starts, for many packets at once, by their link layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsdiag.capture.packets.batch import Ints, different
from wsdiag.capture.packets.numbers import (
    ETHERNET,
    IP_TYPES,
    LOOPBACK,
    RAW,
    SLL,
    SLL2,
    TUNNEL_TYPES,
    VLAN_TYPES,
)

Heads = NDArray[np.uint8]
"""The first bytes of packets, one packet a row. Behind a short packet stands what follows."""

HEAD_BYTES = 96
"""So much of each packet is looked at: two VLAN tags, IPv6 and TCP need 78."""

NOT_IP, UNDECIDED = -1, -2

_TYPE_AT = {ETHERNET: 12, SLL: 14, SLL2: 0}
_IP_AT = {ETHERNET: 14, SLL: 16, SLL2: 20}
_IP4, _IP6 = IP_TYPES
_TAGS = 2  # so many VLAN tags are looked through


def network(heads: Heads, link: Ints, captured: Ints) -> Ints:
    """Where the IP headers start in `heads`; `NOT_IP`, or `UNDECIDED` where that is not seen."""
    found = np.full(link.size, UNDECIDED)
    for kind in different(link):
        rows = np.flatnonzero(link == kind)
        if rows.size == link.size:
            return _of_kind(kind, heads, captured)
        found[rows] = _of_kind(kind, heads[rows], captured[rows])
    return found


def _of_kind(kind: int, heads: Heads, captured: Ints) -> Ints:
    if kind in RAW:
        return np.zeros(len(heads), np.int64)
    if kind in LOOPBACK:
        at = np.where(np.isin(heads[:, 4] >> 4, (4, 6)), 4, NOT_IP)
        at[captured < 5] = UNDECIDED
        return at
    if kind not in _TYPE_AT:
        return np.full(len(heads), UNDECIDED)
    at = np.full(len(heads), _IP_AT[kind])
    protocol = _words(heads, _TYPE_AT[kind])
    if np.logical_or(protocol == _IP4, protocol == _IP6).all() and captured.min() >= _IP_AT[kind]:
        return at  # as nearly always: nothing is to be looked for
    for _ in range(_TAGS):
        tagged = np.flatnonzero(np.isin(protocol, VLAN_TYPES))
        protocol[tagged] = _words(heads[tagged], at[tagged] + 2)
        at[tagged] += 4
    short = captured < at
    at[~np.isin(protocol, IP_TYPES)] = NOT_IP
    at[short | np.isin(protocol, (*VLAN_TYPES, *TUNNEL_TYPES))] = UNDECIDED
    return at


def _words(heads: Heads, at: Ints | int) -> Ints:
    rows = slice(None) if isinstance(at, int) else np.arange(len(heads))
    words: Ints = heads[rows, at].astype(np.int64) << 8 | heads[rows, np.add(at, 1)]
    return words
