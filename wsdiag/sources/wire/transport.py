"""What TCP itself tells of a connection, as rows: bytes sent again, full windows, and its ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wsdiag.capture.tcp.streams import TcpFact, What
from wsdiag.event import Kind
from wsdiag.sources.wire.page import Page

KINDS = {
    What.RESENT: Kind.RETRANSMIT,
    What.ZERO_WINDOW: Kind.ZERO_WINDOW,
    What.EOF: Kind.END,
    What.FIN: Kind.END,
    What.RST: Kind.END,
}


class Transport:
    """Holds what happens to a connection until that is of interest."""

    def __init__(self, page: Page) -> None:
        self.is_shown = False
        self._page = page
        self._held: list[TcpFact] = []
        self._ended: list[int] = []  # sides

    @property
    def held(self) -> Sequence[TcpFact]:
        """What happened while nobody asked for it."""
        return self._held

    @property
    def has_ended(self) -> bool:
        """Whether a row tells of an end."""
        return bool(self._ended)

    def take(self, fact: TcpFact) -> None:
        """One of `KINDS` happened."""
        if not self.is_shown:
            if self._page.conn.wanted or self._page.book.keyed is not None:
                self._held.append(fact)
            return
        what, columns = KINDS[fact.what], dict[str, Any]()
        if what is Kind.END:
            if fact.side in self._ended:
                return
            self._ended.append(fact.side)
            columns["reason"] = fact.what.name.lower()
        elif what is Kind.RETRANSMIT:
            columns["bytes"] = fact.size
        self._page.row(what, fact.side, fact.pos, fact.ts, **columns)

    def hold(self, facts: Iterable[TcpFact]) -> None:
        """These happened as well, while the others were held."""
        self._held = sorted([*facts, *self._held], key=lambda fact: fact.pos)

    def show(self) -> None:
        """The connection is of interest: tell what was held, and all that is to come."""
        if self.is_shown:
            return
        self.is_shown = True
        for fact in self._held:
            self.take(fact)
        self._held.clear()

    def forget(self) -> None:
        """Nobody will ask for what was held."""
        self._held.clear()
