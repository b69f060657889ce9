"""Which connections of a log are open just now, and which one a line without an id is about.

A line that names no connection is given to one only while that is the only one it can be about;
once one of several has closed, nothing is given any more until a line tells which it was, or all
have closed. Where a program writes lines of its own beside its library's, with a name for the
connection, the two are one connection with that name.
"""

from __future__ import annotations

Row = dict[str, object]

MAX_OPEN = 100_000
"""Beyond this nothing is attributed any more, and nothing remembered."""

MAX_CANDIDATES = 64
"""Among more than this the only one is not looked for."""

MAX_GONE = 1_000
"""How many ended connections are remembered for what is still said about them."""

MAX_RENAMED = 50
"""A connection that so many rows have named keeps that name."""

LAST_WORDS = frozenset({"close", "end", "error"})
"""Kinds that are said of a connection that is closing rather than of one that goes on."""


class Connection:
    """One connection, named by the line where it first shows (`@120`) or as its program does."""

    def __init__(self, pos: int) -> None:
        self.known: Row = {"conn": f"@{pos}"}
        self.announced = False
        self.closing = False  # something said that it closes; the library's own line is to come
        self.named = False
        self.rows: list[Row] = []  # those that carry its name, until it has one of its own

    def claim(self, row: Row, times: int = 1) -> None:
        """This row is about this connection, or what so many rows share."""
        row["conn"] = self.known["conn"]
        if not self.named:
            self.rows += [row] * min(times, MAX_RENAMED + 1 - len(self.rows))

    def name(self, row: Row) -> None:
        """The program's own line on the opening: its name and what else it says join the first."""
        self.known["conn"], self.named = row["conn"], True
        for told in self.rows:
            told["conn"] = row["conn"]
        for column in ("ts", "peer", "user", "token", "expires", "trace", "name"):
            if row.get(column) is not None and self.rows[-1].get(column) is None:
                self.rows[-1][column] = row[column]


class OpenConnections:
    """The open connections of one input."""

    def __init__(self) -> None:
        self._open: dict[int, Connection] = {}
        self._peers: dict[object, Connection] = {}
        self._names: dict[object, Connection] = {}
        self._gone: dict[object, object] = {}  # peer → conn
        self._last: Connection | None = None  # the one that ended last, while none is open
        self._owed: list[Row] = []  # closings of which nothing has told yet whose they are
        self._full = False
        self._leaving = 0  # refused connections whose closing will still be noted

    def __bool__(self) -> bool:
        return bool(self._open)

    def is_new(self) -> bool:
        """True where no connection has shown yet."""
        return not (self._open or self._peers or self._names or self._gone or self._last)

    def reset(self) -> None:
        """A server started: whatever was open is not."""
        self.__init__()  # type: ignore[misc]

    def add(self, pos: int) -> Connection:
        """A connection begins at this line."""
        connection = Connection(pos)
        if len(self._open) < MAX_OPEN:
            self._open[id(connection)] = connection
        else:
            self._full = True
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
        connection.claim(row)

    def unannounced(self) -> list[Connection]:
        """Those whose handshake no log line has settled yet."""
        if len(self._open) > MAX_CANDIDATES:
            return []
        return [c for c in self._open.values() if not c.announced]

    def named(self, row: Row) -> bool:
        """True when a program's own line only names a connection that its library has announced."""
        connection = self._peers.get(row.get("peer"))
        if not connection and not self._owed and len(self._open) <= MAX_CANDIDATES:
            nameless = [c for c in self._open.values() if not c.named and "peer" not in c.known]
            connection = nameless[0] if len(nameless) == 1 else None
        if not connection or connection.named or not 0 < len(connection.rows) <= MAX_RENAMED:
            return False
        if "peer" in row:
            self._peers[row["peer"]] = connection
            connection.known["peer"] = row["peer"]
        connection.name(row)
        self._names[row["conn"]] = connection
        return True

    def named_closes(self, row: Row) -> None:
        """A program says by its own name that a connection closes."""
        connection = self._names.get(row["conn"])
        if connection:
            self._closes(connection, row["kind"])

    def by_peer(self, row: Row) -> None:
        """Name the connection of a row that has the client's address."""
        peer, kind = row["peer"], row["kind"]
        connection = self._peers.get(peer)
        if connection:
            connection.claim(row)
            if kind in ("close", "end"):
                self._closes(connection, kind)
        elif peer in self._gone and kind in LAST_WORDS:
            row["conn"] = self._gone[peer]

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

    def only(self, kind: object = "") -> Connection | None:
        """The one connection that a line of this kind without an id can be about."""
        if self._owed or self._full or len(self._open) > MAX_CANDIDATES:
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
            only.claim(row)
        return row

    def ended(self, row: Row) -> None:
        """One has ended, as this row says: the only one, or one of several."""
        only = self.only("end")
        self._last = only
        if only:
            self._drop(only)
        elif self._open:
            self._owed.append(row)
            if len(self._owed) >= len(self._open):
                self._open, self._peers, self._names, self._owed = {}, {}, {}, []

    def _closes(self, connection: Connection, kind: object) -> None:
        if self._owed and not connection.closing and id(connection) in self._open:
            connection.claim(self._owed.pop(0))
        elif kind != "end":
            connection.closing = True
            return
        self._drop(connection)
        self._last = connection

    def _drop(self, connection: Connection) -> None:
        self._open.pop(id(connection), None)
        if self._names.get(connection.known["conn"]) is connection:
            del self._names[connection.known["conn"]]
        peer = connection.known.get("peer")
        if self._peers.get(peer) is connection:
            del self._peers[peer]
            self._gone.pop(peer, None)
            self._gone[peer] = connection.known["conn"]
            if len(self._gone) > MAX_GONE:
                del self._gone[next(iter(self._gone))]
        if not self._open:
            self._owed, self._full = [], False
