"""One packet in one line, as a person would say it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from io import BufferedIOBase

import numpy as np

from wsdiag.capture.batch import Ints
from wsdiag.capture.batches import FEW_BYTES, batches
from wsdiag.capture.conversation import Conversation, Fact
from wsdiag.capture.headers import between
from wsdiag.capture.http1 import Request, Response
from wsdiag.capture.packets import ACK, FIN, RST, SYN, Endpoint, Segment, segment_of
from wsdiag.capture.records import Notes, Record
from wsdiag.capture.streams import Connection, TcpFact, What, follow
from wsdiag.capture.tls import ALERT, ALERTS, APPLICATION, CHANGE_CIPHER, HANDSHAKE, Tls
from wsdiag.capture.websocket import CLOSE, NAMES, Frame

BEYOND = 2_000
"""Packets read after the last one asked for: an answer may come late and settle what they were."""

_RECORDS = {
    CHANGE_CIPHER: "change of cipher",
    ALERT: "encrypted alert",
    HANDSHAKE: "handshake",
    APPLICATION: "encrypted data",
}
_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (ACK, "ACK"))


def packets(stream: BufferedIOBase, wanted: Collection[int]) -> dict[int, str]:
    """The packets at the positions `wanted`, one line each, raw: redact them."""
    said = defaultdict[int, list[str]](list)
    heads, flags, pairs = dict[int, str](), dict[int, str](), set[frozenset[Endpoint]]()
    for record, segment, parts in some(stream, np.array(sorted(wanted), np.int64)):
        heads[record.pos] = _head(record, segment, parts)
        flags[record.pos] = "" if segment is None else _flags(segment)
        if segment is not None:
            pairs.add(frozenset((segment.src, segment.dst)))
    stream.seek(0)
    last = max(wanted, default=0) + BEYOND
    for pos, text in _happenings(between(stream, pairs, last)):
        if pos in heads:
            said[pos].append(text)
    told = {}
    for pos in sorted(heads):
        ends = [flags[pos]] if not said[pos] or "FIN" in flags[pos] or "SYN" in flags[pos] else []
        told[pos] = f"{heads[pos]}  {', '.join(said[pos] + ends)}".rstrip()
    return told


def some(
    stream: BufferedIOBase, wanted: Ints, told: Notes | None = None
) -> Iterator[tuple[Record, Segment | None, int]]:
    """The packets at the positions `wanted`, which are sorted; 1 where one is a fragment of IP.

    `told` takes what the capture says of itself up to there.
    """
    for batch in batches(stream, told or Notes(), FEW_BYTES):
        rows = np.flatnonzero(np.isin(batch.pos, wanted))
        for record in map(batch.record, rows.tolist()):
            notes = Notes()
            yield record, segment_of(record, notes), notes.fragments.left
        if not wanted.size or batch.pos[-1] >= wanted[-1]:
            return


def _head(record: Record, segment: Segment | None, parts: int) -> str:
    if segment is None:
        return f"{'a fragment of IP' if parts else 'not TCP'}, {record.size} bytes"
    return f"{segment.src} → {segment.dst}"


def _flags(segment: Segment) -> str:
    """The TCP header in words; a payload implies the ACK."""
    names = [name for bit, name in _FLAGS if segment.flags & bit]
    if segment.size:
        names = [*(name for name in names if name != "ACK"), f"{segment.size} bytes"]
    return " ".join(("TCP", *names))


def _happenings(segments: Iterable[Segment]) -> Iterator[tuple[int, str]]:
    talks: dict[Connection, Conversation] = {}
    encrypted: dict[Connection, Tls] = {}
    for fact in follow(segments):
        conn = fact.conn
        if conn not in talks:
            talks[conn] = Conversation(0 if conn.handshake_seen else None)
        talk = talks[conn]
        said: list[Fact] = []
        if fact.what is What.DATA:
            said = talk.feed(fact.side, fact.data, fact.pos, fact.ts)
        elif fact.what is What.LOST:
            said = talk.lose(fact.side, fact.size, fact.pos, fact.ts)
        elif fact.what is What.OVER:
            said = talk.finish()
            del talks[conn]
            encrypted.pop(conn, None)
        elif fact.what is What.RESENT:
            yield fact.pos, f"TCP retransmission of {fact.size} bytes"
        elif fact.what is What.ZERO_WINDOW:
            yield fact.pos, "TCP zero window"
        elif fact.what is What.REFUSED:
            yield fact.pos, "TCP RST: connection refused"
        for one in said:
            if text := _words(one, talk.client):
                yield one.pos, text
        if talk.is_tls and fact.what is What.DATA:
            yield from _encrypted(encrypted.setdefault(conn, Tls()), fact)
        elif talk.is_other:
            conn.ignore()


def _encrypted(tls: Tls, fact: TcpFact) -> Iterator[tuple[int, str]]:
    before, begun = len(tls.records), tls.begun
    alerts = {alert.pos: alert for alert in tls.feed(fact.side, fact.data, fact.pos, fact.ts)}
    for record in tls.records[before:]:
        words = [f"TLS {_RECORDS[record.kind]}, {record.size} bytes"]
        if tls.begun != begun and record.kind == HANDSHAKE:
            words = ["TLS ClientHello", tls.server_name, *tls.offered]
        if (alert := alerts.get(record.pos)) and record.kind == ALERT:
            words = ["TLS alert", ALERTS.get(alert.number, str(alert.number))]
        yield record.pos, " ".join(word for word in words if word)


def _words(fact: Fact, client: int | None) -> str:
    if isinstance(fact, Request):
        shown = ("Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol")
        named = ((name, fact.headers.get(name.lower())) for name in shown)
        headers = [f"{name}: {value}" for name, value in named if value is not None]
        return " ".join(("HTTP", fact.method, fact.target, *headers))
    if isinstance(fact, Response):
        told = fact.explanation()
        body = f" {told}" if told != fact.phrase else ""
        return f"HTTP/1.1 {fact.status} {fact.phrase}{body}"
    if not isinstance(fact, Frame):
        return ""
    words = ["WebSocket", NAMES.get(fact.opcode, f"opcode {fact.opcode}")]
    if fact.opcode == CLOSE:
        words.append("without a code" if fact.size == 0 else str(fact.code or "without a code"))
        words += [f'"{fact.reason}"'] if fact.reason else []
    else:
        words.append(f"{fact.size} bytes")
    words.append("(client→server)" if fact.side == client else "(server→client)")
    words += [f"[{rule}]" for rule in fact.violations]
    return " ".join(words)
