"""One packet in one line, as a person would say it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from io import BufferedIOBase

import numpy as np

from wsdiag.capture.conversation import Conversation
from wsdiag.capture.http.http1 import Request, Response
from wsdiag.capture.http.http2 import Ended
from wsdiag.capture.multiplexed import Fact, OfStream, Said
from wsdiag.capture.packets.headers import decode
from wsdiag.capture.packets.index import Index, indexed
from wsdiag.capture.packets.records import Notes, Record
from wsdiag.capture.packets.segments import ACK, FIN, RST, SYN, Segment, segment_of
from wsdiag.capture.tcp.streams import Connection, TcpFact, What, follow
from wsdiag.capture.tls import ALERT, ALERTS, APPLICATION, CHANGE_CIPHER, HANDSHAKE, Tls
from wsdiag.capture.websocket.protocol import CLOSE, NAMES, Frame

BEYOND = 2_000
"""Packets read after the last one asked for: an answer may come late and settle what they were."""

_RECORDS = {
    CHANGE_CIPHER: "change of cipher",
    ALERT: "encrypted alert",
    HANDSHAKE: "handshake",
    APPLICATION: "encrypted data",
}
_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (ACK, "ACK"))


def packets(
    stream: BufferedIOBase, wanted: Collection[int], index: Index | None = None
) -> dict[int, str]:
    """The packets at the positions `wanted`, one line each, raw: redact them.

    `index` is of the capture, where it is at hand; it reaches as far as its reader came.
    """
    last = max(wanted, default=0) + BEYOND
    index = index or indexed(stream, last)
    heads, flags, said = dict[int, str](), dict[int, str](), defaultdict[int, list[str]](list)

    def segments() -> Iterator[Segment]:
        notes = Notes()
        for batch in index.read(stream, wanted, last):
            traffic = decode(batch, notes)
            for row in np.flatnonzero(np.isin(batch.pos, [*wanted])).tolist():
                record = batch.record(row)
                heads[record.pos], flags[record.pos] = _without_tcp(record), ""
            for number in np.argsort(traffic.pos).tolist():
                segment = traffic.segment(number, *traffic.ends(number))
                if segment.pos in heads:
                    heads[segment.pos] = f"{segment.src} → {segment.dst}"
                    flags[segment.pos] = _flags(segment)
                yield segment

    for pos, text in _happenings(follow(segments())):
        said[pos].append(text)
    told = {}
    for pos in sorted(heads):
        ends = [flags[pos]] if not said[pos] or "FIN" in flags[pos] or "SYN" in flags[pos] else []
        told[pos] = f"{heads[pos]}  {', '.join(said[pos] + ends)}".rstrip()
    return told


def _without_tcp(record: Record) -> str:
    notes = Notes()
    segment_of(record, notes)
    return f"{'a fragment of IP' if notes.fragments.left else 'not TCP'}, {record.size} bytes"


def _flags(segment: Segment) -> str:
    """The TCP header in words; a payload implies the ACK."""
    names = [name for bit, name in _FLAGS if segment.flags & bit]
    if segment.size:
        names = [*(name for name in names if name != "ACK"), f"{segment.size} bytes"]
    return " ".join(("TCP", *names))


def inside(opened: Sequence[TcpFact], wanted: Collection[int]) -> dict[int, str]:
    """What was in the TLS of the packets at the positions `wanted`, where keys `opened` it; raw:
    redact it."""
    concerned = {fact.conn for fact in opened if fact.pos in wanted}
    said = defaultdict[int, list[str]](list)
    for pos, text in _happenings(fact for fact in opened if fact.conn in concerned):
        if pos in wanted:
            said[pos].append(text)
    return {pos: ", ".join(texts) for pos, texts in said.items()}


def _happenings(facts: Iterable[TcpFact]) -> Iterator[tuple[int, str]]:
    talks: dict[Connection, Conversation] = {}
    encrypted: dict[Connection, Tls] = {}
    for fact in facts:
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
            told = one.fact if isinstance(one, OfStream) else one
            if text := _words(told, talk.client):
                where = f" (HTTP/2 stream {one.number})" if isinstance(one, OfStream) else ""
                yield told.pos, text + where
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


def _words(fact: Said | Ended, client: int | None) -> str:
    if isinstance(fact, Request):
        shown = ("Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol")
        named = ((name, fact.headers.get(name.lower())) for name in shown)
        headers = [f"{name}: {value}" for name, value in named if value is not None]
        return " ".join(("HTTP", fact.method, fact.target, *headers))
    if isinstance(fact, Response):
        told = fact.explanation()
        body = f" {told}" if told != fact.phrase else ""
        version = "HTTP/2" if fact.request.is_extended else "HTTP/1.1"
        return f"{version} {fact.status} {fact.phrase}{body}".rstrip()
    if isinstance(fact, Ended):
        by = "client" if fact.side == client else "server"
        return f"{'END_STREAM' if fact.code is None else f'RST_STREAM {fact.error}'} by the {by}"
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
