"""A connection's page in the book of a capture: its name, who asks on it, and the rows about it."""

from __future__ import annotations

from ipaddress import ip_address

from wsdiag import redact
from wsdiag.capture.conversation import Conversation
from wsdiag.capture.packets.segments import Endpoint
from wsdiag.capture.tcp.streams import Connection
from wsdiag.event import Kind
from wsdiag.sources.wire.book import Book


class Page:
    """One connection in the book; of several over HTTP/2 the one on this `stream`."""

    def __init__(self, conn: Connection, book: Book, stream: int | None = None) -> None:
        self.conn, self.book, self.stream = conn, book, stream
        self.talk: Conversation | None = None  # what its bytes are read as
        self.began = (0, 0)  # pos, ts of the attempt
        self._name = ""

    @property
    def client(self) -> int:
        """The side that asks."""
        return 0 if self.talk is None or self.talk.client is None else self.talk.client

    @property
    def name(self) -> str:
        """The connection, as the rows name it."""
        if not self._name:
            ends, client = self.conn.ends, self.client
            self._name = f"{_address(ends[client])}-{_address(ends[1 - client])}"
            if self.conn.ordinal > 1:
                self._name += f"#{self.conn.ordinal}"
            if self.stream is not None:
                self._name += f"/{self.stream}"
        return self._name

    @property
    def names(self) -> tuple[str, str, str]:
        """The connection's name, its client's address and its server's."""
        return self.name, self.peer, _address(self.conn.ends[1 - self.client])

    @property
    def host(self) -> str:
        """The client's address without its port."""
        return _host(self.conn.ends[self.client].ip)

    @property
    def peer(self) -> str:
        """The client's address."""
        return _address(self.conn.ends[self.client])

    def row(self, what: Kind, side: int | None, pos: int, ts: int, **columns: object) -> None:
        """Note a row about the connection, or about what one side of it did."""
        direction = None if side is None else "c2s" if side == self.client else "s2c"
        if what in (Kind.CLOSE, Kind.END) and self.began == (0, 0):
            columns["peer"] = self.peer  # no attempt tells it
        self.book.add(what, pos, ts, conn=self.name, dir=direction, **columns)


def took(begin: int, end: int) -> float | None:
    """How long (ms) it is from one moment (µs) to another; None where the capture has no time."""
    return (end - begin) / 1000 if 0 <= begin <= end else None


@redact.remembered(4096)
def _host(ip: bytes) -> str:
    return redact.address(str(ip_address(ip)))


def _address(end: Endpoint) -> str:
    return f"{_host(end.ip)}:{end.port}"
