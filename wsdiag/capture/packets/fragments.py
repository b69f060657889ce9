"""IP fragments put together again (RFC 791 §3.2, RFC 8200 §4.5).

A datagram is whole at the fragment that completed it, as its receiver sees it. Fragments that
overlap make it void, as in RFC 5722 and in Linux for IPv4; an exact copy is passed over.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_DATAGRAMS = 256
"""So many wait for their rest, each of at most 64 KiB; then the oldest is given up."""

MAX_AGE_US = 30_000_000
"""A rest that comes later is of another datagram with the same number; as Linux, ipfrag_time."""

_COPY_US = 100_000  # a fragment of a whole datagram that comes so soon was captured twice

Key = tuple[bytes, bytes, int, int]
"""Source, target, protocol and number of a datagram."""


class Fragment(NamedTuple):
    """A part of a datagram. Of the `size` bytes that were sent, `payload` was captured."""

    offset: int
    more: bool
    payload: bytes
    size: int
    ts: int


class _Datagram:
    def __init__(self, ts: int) -> None:
        self.ts = ts  # of its first fragment, then of the one that completed it
        self.parts: dict[int, Fragment] = {}
        self.void = self.whole = False


class Fragments:
    """The fragments of a capture."""

    def __init__(self) -> None:
        self._datagrams: dict[Key, _Datagram] = {}  # the oldest first
        self._given_up = 0

    @property
    def left(self) -> int:
        """Fragments whose datagram did not become whole."""
        return self._given_up + sum(map(_parts_left, self._datagrams.values()))

    def add(self, key: Key, fragment: Fragment) -> tuple[bytes, int] | None:
        """What the datagram carries, as captured and in bytes, once it is whole."""
        datagram = self._datagrams.get(key)
        if datagram is not None:
            age = abs(fragment.ts - datagram.ts)
            if datagram.whole and age < _COPY_US:
                return None
            if datagram.whole or age > MAX_AGE_US:
                self._drop(key)
                datagram = None
        if datagram is None:
            datagram = self._datagrams[key] = _Datagram(fragment.ts)
            if len(self._datagrams) > MAX_DATAGRAMS:
                self._drop(next(iter(self._datagrams)))
        before = datagram.parts.setdefault(fragment.offset, fragment)
        if before is not fragment:
            datagram.void |= before.size != fragment.size
            return None
        together = None if datagram.void else _together(datagram)
        if together is not None:
            datagram.whole, datagram.ts, datagram.parts = True, fragment.ts, {}
        return together

    def _drop(self, key: Key) -> None:
        self._given_up += _parts_left(self._datagrams.pop(key))


def _parts_left(datagram: _Datagram) -> int:
    return len(datagram.parts)


def _together(datagram: _Datagram) -> tuple[bytes, int] | None:
    payload, at, captured = b"", 0, True
    parts = sorted(datagram.parts.values())
    for part in parts:
        if part.offset < at:
            datagram.void = True
        if part.offset != at:
            return None
        if captured:  # what stands behind bytes that were cut off cannot be placed
            payload += part.payload
            captured = len(part.payload) == part.size
        at += part.size
    ends = [part.offset for part in parts if not part.more]
    return (payload, at) if ends == [parts[-1].offset] else None
