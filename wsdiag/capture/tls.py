"""What TLS shows without keys: its hellos, the sizes and times of its records, alerts in clear.

RFC 8446 (records §5.1, hellos §4.1, alerts §6), RFC 5246, RFC 6066 §3 (SNI), RFC 7301 (ALPN).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
FATAL = 2

MAX_RECORDS = 2_000
"""So many records of one connection are looked at: a busy one shows no heartbeat anyway."""

SMALL_BYTES = 160
"""A ping with its longest payload, in TLS, is not larger (RFC 6455 §5.5: 125 bytes)."""

_HEAD = struct.Struct(">BHH").unpack_from
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_SNI, _ALPN, _VERSIONS = 0, 16, 43
_MAX_HELLO = 64 * 1024
_MAX_LENGTH = (1 << 14) + 2048
_LEAST_GAPS, _LEAST_GAP_US = 4, 1_000_000
_STEADY, _STEADY_SHARE = 0.1, 0.8

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
"""Alerts by number (RFC 8446 §6)."""

VERSIONS = {0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}


class TlsRecord(NamedTuple):
    """One record: `size` without its head, `pos` and `ts` (µs) of the packet where it ends."""

    side: int
    kind: int
    size: int
    pos: int
    ts: int


class Alert(NamedTuple):
    """An alert in clear."""

    side: int
    level: int
    number: int
    pos: int
    ts: int


class Beat(NamedTuple):
    """Small records of one size that a side sends at a steady pace: probably a heartbeat."""

    side: int
    every_us: float
    times: int
    pos: int  # of the first


def starts(data: bytes | bytearray) -> bool:
    """Whether a record may start here."""
    if len(data) < 5:
        return False
    kind, version, size = _HEAD(data)
    return kind in range(20, 24) and 0x0300 <= version <= 0x0304 and 0 < size <= _MAX_LENGTH


class Tls:
    """One connection in TLS."""

    def __init__(self) -> None:
        self.client: int | None = None  # the side of the ClientHello
        self.server_name = self.version = ""
        self.offered: tuple[str, ...] = ()  # protocols above, by ALPN
        self.chosen = ""  # hidden in TLS 1.3
        self.begun: int | None = None  # µs: the ClientHello
        self.ready: int | None = None  # µs: the handshake is over
        self.records: list[TlsRecord] = []
        self.over: TlsRecord | None = None  # the first encrypted alert; TLS 1.3 hides it
        self.is_full = False
        self._buffers = [bytearray(), bytearray()]
        self._hellos: list[bytearray | None] = [bytearray(), bytearray()]
        self._ciphered: set[int] = set()

    def feed(self, side: int, data: bytes, pos: int, ts: int) -> list[Alert]:
        """Take bytes that `side` sent, in order; the alerts in clear that they complete."""
        alerts, buffer = list[Alert](), self._buffers[side]
        buffer += data
        while not self.is_full and len(buffer) >= 5:
            if not starts(buffer):
                buffer.clear()
                break
            kind, _, size = _HEAD(buffer)
            if len(buffer) < 5 + size:
                break
            body = bytes(buffer[5 : 5 + size])
            del buffer[: 5 + size]
            self._record(TlsRecord(side, kind, size, pos, ts), body, alerts)
        return alerts

    def lose(self, side: int) -> None:
        """Bytes of `side` are not in the capture: look for a record at the start of a segment."""
        self._buffers[side].clear()
        self._hellos[side] = None

    def beat(self) -> Beat | None:
        """The steadiest heartbeat that the records may be."""
        sent = defaultdict[tuple[int, int], list[TlsRecord]](list)
        for record in self.records:
            if record.kind == APPLICATION and record.size <= SMALL_BYTES:
                sent[record.side, record.size].append(record)
        found = [beat for records in sent.values() if (beat := _beat(records))]
        return max(found, key=lambda beat: (beat.times, -beat.pos), default=None)

    def _record(self, record: TlsRecord, body: bytes, alerts: list[Alert]) -> None:
        self.records.append(record)
        self.is_full = len(self.records) >= MAX_RECORDS
        side = record.side
        hello = self._hellos[side]
        if record.kind == HANDSHAKE and hello is not None:
            hello += body
            self._hello(side, bytes(hello), record.ts)
        elif record.kind == ALERT and record.size == 2:  # longer ones are encrypted
            alerts.append(Alert(side, body[0], body[1], record.pos, record.ts))
        elif record.kind == ALERT and side in self._ciphered and self.over is None:
            self.over = record  # what it says is hidden, but it is the last word of this side
        elif record.kind == CHANGE_CIPHER:
            self._ciphered.add(side)
            if len(self._ciphered) == 2 and self.version != VERSIONS[0x0304]:
                self.ready = self.ready or record.ts
        elif record.kind == APPLICATION and side == self.client and self.begun is not None:
            self.ready = self.ready or record.ts

    def _hello(self, side: int, data: bytes, ts: int) -> None:
        """Read the first message of a side, once it is whole."""
        whole = len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4])
        if not whole and len(data) < _MAX_HELLO:
            return
        self._hellos[side] = None
        try:
            if data[0] == _CLIENT_HELLO:
                self.client, self.begun = side, ts
                extensions = _extensions(data, is_client=True)
                self.server_name = _server_name(extensions.get(_SNI, b""))
                self.offered = _protocols(extensions.get(_ALPN, b""))
            elif data[0] == _SERVER_HELLO:
                extensions = _extensions(data, is_client=False)
                version = int.from_bytes(extensions.get(_VERSIONS, data[4:6]))
                self.version = VERSIONS.get(version, "")
                self.chosen = ", ".join(_protocols(extensions.get(_ALPN, b"")))
        except (IndexError, struct.error):
            pass


def _extensions(data: bytes, *, is_client: bool) -> dict[int, bytes]:
    at = 38
    at += 1 + data[at]  # session
    if is_client:
        at += 2 + int.from_bytes(data[at : at + 2])  # cipher suites
        at += 1 + data[at]  # compression
    else:
        at += 3
    end = at + 2 + int.from_bytes(data[at : at + 2])
    at, found = at + 2, dict[int, bytes]()
    while at + 4 <= end:
        kind, size = struct.unpack_from(">HH", data, at)
        found.setdefault(kind, data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _server_name(data: bytes) -> str:
    size = int.from_bytes(data[3:5])
    return data[5 : 5 + size].decode("ascii", "replace")[:253]


def _protocols(data: bytes) -> tuple[str, ...]:
    at, found = 2, list[str]()
    while at < len(data) and len(found) < 16:
        size = data[at]
        found.append(data[at + 1 : at + 1 + size].decode("ascii", "replace"))
        at += 1 + size
    return tuple(found)


def _beat(records: list[TlsRecord]) -> Beat | None:
    gaps = [later.ts - before.ts for before, later in pairwise(records)]
    if len(gaps) < _LEAST_GAPS:
        return None
    from statistics import median  # takes its time: only where it is needed

    usual = median(gaps)
    steady = sum(abs(gap - usual) <= usual * _STEADY for gap in gaps)
    if usual < _LEAST_GAP_US or steady < _STEADY_SHARE * len(gaps):
        return None
    return Beat(records[0].side, usual, len(records), records[0].pos)
