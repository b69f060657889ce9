"""What connections in TLS show without keys, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from wsdiag.capture.tcp.streams import Connection
from wsdiag.capture.tls import APPLICATION, Tls
from wsdiag.event import Dir
from wsdiag.redact import Redactor
from wsdiag.sources.wire.fronts import MOST, Front

OPEN_IT = "--keylog FILE with a client's key log (SSLKEYLOGFILE) opens them"
_MOST_NAMED = 3


class Encrypted:
    """The connections of one capture that stay encrypted."""

    def __init__(self) -> None:
        self.count = 0
        self.paired = 0  # … whose other leg is in clear
        self.fronts: list[Front] = []
        self._handshakes: list[float] = []  # ms
        self._names: Counter[str] = Counter()
        self._protocols: Counter[str] = Counter()
        self._beats: Counter[str] = Counter()
        self._proofs: dict[str, int] = {}  # packet of the first beat
        self._ends: Counter[str] = Counter()
        self._silences: list[float] = []  # s

    def add(
        self,
        conn: Connection,
        tls: Tls | None,
        end: tuple[int, str, int, int] | None,
        names: tuple[str, str, str],
    ) -> None:
        """One more; `end` is the side, name, time and packet of the first FIN or RST, `names` those
        of the connection, its client and its server."""
        self.count += 1
        if tls is None:
            return
        self._may_be_front(conn, tls, end, names)
        client = 0 if tls.client is None and conn.handshake_seen else tls.client
        sides = ("one side", "one side") if client is None else ("the client", "the server")
        if tls.begun is not None and tls.ready is not None:
            self._handshakes.append((tls.ready - tls.begun) / 1000)
        if tls.begun is not None:
            self._names[tls.server_name or "none"] += 1
            self._protocols[tls.chosen or ", ".join(tls.offered) or "none"] += 1
        if beat := tls.beat():
            text = f"every {beat.every_us / 1e6:.3g} s by {sides[beat.side != client]}"
            self._beats[text] += 1
            self._proofs.setdefault(text, beat.pos)
        if tls.over is not None and (end is None or tls.over.ts <= end[2]):
            end = tls.over.side, "encrypted alert", tls.over.ts, tls.over.pos
        if end is not None:
            side, name, ts, _ = end
            self._ends[f"{sides[side != client]} ({name})"] += 1
            spoken = [it.ts for it in tls.records if it.kind == APPLICATION]
            if spoken and not tls.is_full:
                self._silences.append(max(0, ts - spoken[-1]) / 1e6)

    def _may_be_front(
        self,
        conn: Connection,
        tls: Tls,
        end: tuple[int, str, int, int] | None,
        names: tuple[str, str, str],
    ) -> None:
        """Keep what tells whether a proxy speaks in clear for it, of so many as are looked at."""
        if conn.syn is None or tls.ready is None or tls.client == 1 or end is None:
            return
        if len(self.fronts) > MOST:
            return
        side, name, ts, pos = end
        way = Dir.S2C if side else Dir.C2S
        told = [it for it in tls.records if it.side == 1 and it.kind == APPLICATION]
        answers = [(it.pos, it.ts) for it in told]
        self.fronts.append(
            Front(*names, conn.syn, tls.ready, answers, (way, name.lower(), pos, ts))
        )

    def remarks(self, place: Callable[[int], tuple[str, int]], redactor: Redactor) -> list[str]:
        """What there is to say; `place` tells in which file a packet stands, and where there."""
        if not self.count:
            return []
        rest = self.count - self.paired
        said = [f"{rest} connections are encrypted (TLS): what they carry is not read; {OPEN_IT}"]
        if self.paired:
            said = [
                *(said if rest else []),
                f"{self.paired} connections in TLS are in clear behind it",
            ]
        if self._handshakes:
            took = sorted(self._handshakes)
            said.append(
                f"TLS handshakes took {_at(took, 0.5):.3g} ms, p95 {_at(took, 0.95):.3g} ms "
                f"(ClientHello to the client's last word, n={len(took)})"
            )
        if self._names:
            named = redactor.mask(_listed(self._names))
            said.append(f"TLS names (SNI): {named}; protocols (ALPN): {_listed(self._protocols)}")
        if self._beats:
            shown = ", ".join(
                f"{text} ×{count} ({'#'.join(map(str, place(self._proofs[text])))})"
                for text, count in self._beats.most_common(_MOST_NAMED)
            )
            said.append(
                "small encrypted records of one size at a steady pace, probably heartbeats: "
                + shown
            )
        if self._ends:
            said.append(f"encrypted connections ended by: {_listed(self._ends)}")
        if self._silences:
            quiet = _at(sorted(self._silences), 0.5)
            said.append(f"silence of encrypted connections before their end: median {quiet:.1f} s")
        return said


def _listed(counted: Counter[str]) -> str:
    shown = ", ".join(f"{name} ×{count}" for name, count in counted.most_common(_MOST_NAMED))
    more = len(counted) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
