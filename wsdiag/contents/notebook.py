"""The notebook of a review: what sources note of messages, handshakes and plain HTTP exchanges."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import polars as pl

from wsdiag.contents import answers, envelope, reference, shape
from wsdiag.contents.tables import FETCHES, HANDSHAKES, MESSAGES
from wsdiag.contents.unwrapped import ANSWER, APP, MAX_CHARACTERS, SUBSCRIBE, UNSUBSCRIBE, Unwrapped
from wsdiag.redact import Redactor

MAX_MESSAGES = 100_000
"""So many messages of one input are looked into; the rest is only counted."""

MAX_COMPARED = 50_000
"""So many messages of one input keep the digests of their fields."""

MAX_SIZED, SIZED_FROM, SIZED_EACH = 500, 1024, 10
"""Messages of an input that are packed to see how small they get; every tenth above 1 KiB."""

MAX_FETCHES = 100_000
"""So many plain HTTP exchanges are noted."""

MAX_TEXTS = 20_000
"""Names that are masked once and remembered."""

_ID_PARTS = re.compile(r"[^/?&=#]+")
_STAMPS = ("timestamp", "ts", "time", "created_at", "createdAt", "sent_at", "at")

Check = Callable[[object], list[str]]
"""A schema's verdict on one message: what deviates, in words that hold nothing of it."""


class Notebook:
    """Facts about contents. Texts go in raw; only digests, sizes and masked names are kept."""

    def __init__(self, check: Check | None = None) -> None:
        self._check = check
        self._redactor = Redactor()
        self._shown: dict[str, str] = {}
        self._rows: dict[str, list[tuple[Any, ...]]] = {"messages": [], "fetches": [], "hands": []}
        self._packed: list[pl.DataFrame] = []
        self._counts: dict[str, int] = {}
        self._sized: dict[str, int] = {}
        self._long: dict[str, int] = {}
        self._before: dict[tuple[Any, ...], frozenset[int]] = {}

    def wants(self, source: str) -> bool:
        """Whether messages of this input are still looked into."""
        return self._counts.get(source, 0) < MAX_MESSAGES

    @property
    def cut(self) -> list[str]:
        """The inputs that hold more messages than were looked into."""
        return sorted(name for name, count in self._counts.items() if count >= MAX_MESSAGES)

    @property
    def redactions(self) -> Mapping[str, int]:
        """How often each rule hid something in a name."""
        return self._redactor.counts

    def message(
        self,
        source: str,
        pos: int,
        ts: int | None,
        conn: str | None,
        direction: str | None,
        bytes_: int,
        data: bytes | None,
        *,
        engine_io: bool = False,
    ) -> None:
        """Note a message; `data` is its text, None where it is binary or not known."""
        number = self._counts.get(source, 0)
        if number >= MAX_MESSAGES:
            return
        self._counts[source] = number + 1
        told = envelope.unwrap(data, engine_io=engine_io) if data else None
        head = (source, pos, ts, conn, direction, bytes_, len(data) if data else bytes_)
        if told is None or data is None:
            self._add_message((*head, *[None] * (len(MESSAGES) - len(head))))
            return
        if told.role not in (APP, ANSWER, SUBSCRIBE, UNSUBSCRIBE):
            blank = [None] * (len(MESSAGES) - len(head) - 2)
            self._add_message((*head, told.envelope, told.role, *blank))
            return
        payload = told.payload
        fields = shape.fields_of(payload) if told.role in (APP, ANSWER) else []
        entity = shape.entity_of(payload)
        topic = told.topic
        like = (source, conn, direction, told.event, topic, entity)
        self._add_message(
            (
                *head,
                told.envelope,
                told.role,
                self._mask(told.event),
                self._mask(topic),
                reference.topic_fault(topic) if topic else None,
                shape.digest(topic.rpartition(":")[2]) if topic else None,
                shape.digest(entity) if entity else None,
                told.role == APP and shape.is_signal(payload),
                shape.shape_of(payload, self._name) if told.role in (APP, ANSWER) else None,
                self._same(like, fields) if told.role == APP else None,
                zlib.crc32(data),
                shape.digest(told.trace) if told.trace else None,
                _stamp(payload),
                self._deviations(told) if told.role == APP else None,
                self._shrinks(source, data),
                fields if number < MAX_COMPARED and told.role in (APP, ANSWER) else None,
            )
        )

    def handshake(
        self,
        source: str,
        conn: str,
        client: str | None,
        path: str,
        asked: Mapping[str, str],
        answered: Mapping[str, str],
    ) -> None:
        """Note an upgrade that was answered with 101; header names are in lower case."""
        self._rows["hands"].append(
            (
                source,
                conn,
                client,
                self._mask(path),
                "permessage-deflate" in answered.get("sec-websocket-extensions", "").lower(),
                re.search(r"\bMobi", asked.get("user-agent", "")) is not None,
                _stack(path, asked, answered),
            )
        )

    def fetch(
        self,
        source: str,
        pos: int,
        ts: int | None,
        client: str | None,
        method: str,
        target: str,
        status: int | None,
        ms: float | None,
        body: bytes | None,
        *,
        media: str = "",
        encoding: str = "",
        size: int | None = None,
        late_ms: float = 0.0,
    ) -> None:
        """Note a plain HTTP exchange; `body` is as much of the answer as is known."""
        if len(self._rows["fetches"]) >= MAX_FETCHES:
            return
        told = answers.decoded(body, encoding) if "json" in media or not media else None
        fields = shape.fields_of(told) if isinstance(told, dict | list) else None
        parts = [shape.digest(part) for part in _ID_PARTS.findall(target)[:32]]
        self._rows["fetches"].append(
            (
                source,
                pos,
                ts,
                client,
                late_ms,
                method,
                self._mask(target.partition("?")[0]),
                shape.digest(target),
                status,
                ms,
                len(body) if size is None and body else size,
                "json" in media or not media,
                parts,
                [shape.digest(found) for found in shape.ids_of(told)],
                fields,
            )
        )

    def forget(self, source: str) -> None:
        """Drop what was noted of an input: it is read anew."""
        if source not in self._counts and not self._rows["fetches"]:
            return
        self._pack()
        self._packed = [part.filter(pl.col("source") != source) for part in self._packed]
        for rows in (self._rows["fetches"], self._rows["hands"]):
            rows[:] = [row for row in rows if row[0] != source]
        self._counts.pop(source, None)

    def messages(self) -> pl.DataFrame:
        """All messages as MESSAGES."""
        self._pack()
        return pl.concat([pl.DataFrame(schema=MESSAGES), *self._packed])

    def fetches(self) -> pl.DataFrame:
        """All plain HTTP exchanges as FETCHES."""
        return pl.DataFrame(self._rows["fetches"], FETCHES, orient="row")

    def handshakes(self) -> pl.DataFrame:
        """All upgrades as HANDSHAKES."""
        return pl.DataFrame(self._rows["hands"], HANDSHAKES, orient="row")

    def _add_message(self, row: tuple[Any, ...]) -> None:
        self._rows["messages"].append(row)
        if len(self._rows["messages"]) >= 20_000:
            self._pack()

    def _pack(self) -> None:
        rows = self._rows["messages"]
        if rows:
            self._packed.append(pl.DataFrame(rows, MESSAGES, orient="row"))
            rows.clear()

    def _mask(self, text: str | None) -> str | None:
        if not text:
            return None
        shown = self._shown.get(text)
        if shown is None:
            shown = self._redactor.mask(text)
            if len(self._shown) < MAX_TEXTS:
                self._shown[text] = shown
        return shown or None

    def _name(self, text: str) -> str:
        """A member's name; what is no name, such as a whole sentence, is cut."""
        return self._mask(text[:MAX_CHARACTERS]) or ""

    def _same(self, like: tuple[Any, ...], fields: list[int]) -> float | None:
        now = frozenset(fields)
        before = self._before.get(like)
        if before is not None or len(self._before) < MAX_TEXTS:
            self._before[like] = now
        if before is None or not now:
            return None
        return len(now & before) / len(now)

    def _deviations(self, told: Unwrapped) -> list[str]:
        if self._check is not None:
            return [self._mask(text) or "" for text in self._check(told.whole)]
        return reference.deviations(told.topic, told.event, told.payload)

    def _shrinks(self, source: str, data: bytes) -> float | None:
        """How much of it deflate leaves, for a sample of the long ones."""
        if len(data) < SIZED_FROM:
            return None
        seen = self._long[source] = self._long.get(source, -1) + 1
        done = self._sized.get(source, 0)
        if seen % SIZED_EACH or done >= MAX_SIZED:
            return None
        self._sized[source] = done + 1
        return len(zlib.compress(data, 1)) / len(data)


def _stamp(payload: object) -> str | None:
    """What is wrong with the timestamp of a payload."""
    if isinstance(payload, dict):
        for key in _STAMPS:
            if key in payload:
                return reference.time_fault(payload[key])
    return None


def _stack(path: str, asked: Mapping[str, str], answered: Mapping[str, str]) -> str | None:
    """The program that serves, where the handshake tells."""
    spoken = answered.get("sec-websocket-protocol", "") or asked.get("sec-websocket-protocol", "")
    server = answered.get("server", "").lower()
    marks = (
        ("socket.io" in path, "socket.io"),
        ("actioncable" in spoken, "action-cable"),
        ("graphql" in spoken, "graphql-ws"),
        ("stomp" in spoken, "stomp"),
        ("vsn=" in path or path.rstrip("/").endswith("/socket/websocket"), "phoenix"),
        ("uvicorn" in server, "uvicorn"),
        ("daphne" in server, "daphne"),
        ("websockets" in server, "websockets"),
    )
    return next((name for holds, name in marks if holds), None)


_current: ContextVar[Notebook | None] = ContextVar("notebook", default=None)


def current() -> Notebook | None:
    """The notebook of this run; None where no review asked for one."""
    return _current.get()


@contextmanager
def noted(check: Check | None = None) -> Iterator[Notebook]:
    """What is read in here is noted; `check` holds each message to a schema of the user's."""
    notebook = Notebook(check)
    token = _current.set(notebook)
    try:
        yield notebook
    finally:
        _current.reset(token)
