"""Which connections of a log are open just now, and which one a line without an id is about.

A line that names no connection is given to one only while that is the only one it can be about;
once one of several has closed and nothing told which, nothing is given any more until all have.
"""

from __future__ import annotations

Row = dict[str, object]

MAX_OPEN = 100_000
"""Beyond this nothing is attributed any more, and nothing remembered."""

MAX_CANDIDATES = 64
"""Among more than this the only one is not looked for."""

MAX_GONE = 1_000
"""How many ended connections are remembered for what is still said about them."""

LAST_WORDS = frozenset({"close", "end", "error"})
"""Kinds that are said of a connection that is closing rather than of one that goes on."""


class Connection:
    """One connection, named by the line where it first shows (`@120`), and what is known of it."""

    def __init__(self, pos: int) -> None:
        self.known: Row = {"conn": f"@{pos}"}
        self.announced = False
        self.closing = False  # something said that it closes; the library's own line is to come


class OpenConnections:
    """The open connections of one input."""

    def __init__(self) -> None:
        self._open: dict[int, Connection] = {}
        self._peers: dict[object, Connection] = {}
        self._gone: dict[object, object] = {}  # peer → conn
        self._last: Connection | None = None  # the one that ended last, while none is open
        self._blurred = False
        self._leaving = 0  # refused connections whose closing will still be noted

    def __bool__(self) -> bool:
        return bool(self._open)

    def reset(self) -> None:
        """A server started: whatever was open is not."""
        self.__init__()  # type: ignore[misc]

    def add(self, pos: int) -> Connection:
        """A connection begins at this line."""
        connection = Connection(pos)
        if len(self._open) < MAX_OPEN:
            self._open[id(connection)] = connection
        else:
            self._blurred = True
        return connection

    def none_left(self) -> bool:
        """True when all that ever opened here have ended."""
        return self._last is not None and not self._open

    def knows(self, conn: object) -> bool:
        """True when a connection of this name is open (among few)."""
        few = len(self._open) <= MAX_CANDIDATES
        return few and any(c.known["conn"] == conn for c in self._open.values())

    def learn(self, connection: Connection, row: Row) -> None:
        """What a row says of it: the row gets what was known before."""
        connection.announced = True
        names = ("peer", "user", "token")
        connection.known |= {name: row[name] for name in names if name in row}
        if "peer" in row and id(connection) in self._open:
            self._peers[row["peer"]] = connection
        for name, value in connection.known.items():
            row.setdefault(name, value)

    def unannounced(self) -> list[Connection]:
        """Those whose handshake no log line has settled yet."""
        if len(self._open) > MAX_CANDIDATES:
            return []
        return [c for c in self._open.values() if not c.announced]

    def reject(self, connection: Connection | None) -> None:
        """Its handshake was refused."""
        self._leaving += 1
        if connection:
            self._drop(connection)

    def never_opened(self) -> None:
        """One that did not even ask properly will be noted as closed."""
        self._leaving += 1

    def was_refused(self) -> bool:
        """True when the closing now noted belongs to a connection that never was open."""
        if not self._leaving:
            return False
        self._leaving -= 1
        return True

    def by_peer(self, row: Row) -> None:
        """Name the connection of a row that has the client's address."""
        peer, kind = row["peer"], row["kind"]
        connection = self._peers.get(peer)
        if connection:
            row["conn"] = connection.known["conn"]
            connection.closing = connection.closing or kind in ("close", "end")
            if kind == "end":
                self._drop(connection)
                self._last = connection
        elif peer in self._gone and kind in LAST_WORDS:
            row["conn"] = self._gone[peer]

    def only(self, kind: object = "") -> Connection | None:
        """The one connection that a line of this kind without an id can be about."""
        if self._blurred or len(self._open) > MAX_CANDIDATES:
            return None
        closing = [c for c in self._open.values() if c.closing]
        going = [c for c in self._open.values() if not c.closing]
        candidates = (closing or going) if kind in LAST_WORDS else (going or closing)
        if len(candidates) == 1:
            return candidates[0]
        return None if self._open else self._last

    def attribute(self, row: Row) -> Row:
        """Name the connection of a row, where only one can be meant."""
        only = self.only(row["kind"])
        if only:
            row["conn"] = only.known["conn"]
        return row

    def ended(self) -> None:
        """One has ended: the only one, or one of several."""
        only = self.only("end")
        self._last = only
        if only:
            self._drop(only)
        elif self._open:
            self._blurred = len(self._open) > 1
            self._drop(next(iter(self._open.values())))

    def _drop(self, connection: Connection) -> None:
        self._open.pop(id(connection), None)
        peer = connection.known.get("peer")
        if self._peers.get(peer) is connection:
            del self._peers[peer]
            self._gone.pop(peer, None)
            self._gone[peer] = connection.known["conn"]
            if len(self._gone) > MAX_GONE:
                del self._gone[next(iter(self._gone))]
        self._blurred = self._blurred and bool(self._open)
