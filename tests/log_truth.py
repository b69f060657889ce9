"""Hold the logs of real servers to what their clients saw on the raw socket.

Beside each log lies the client's own record (`*.client.jsonl`): every response, frame and end of
every connection. `python tests/log_truth.py` measures all logs again and renews the figures in
docs/formats/measured.toml; what is missing there is explained by hand, a sentence each.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from wsdiag import connections, evidence, facts
from wsdiag.config import Config
from wsdiag.event import Kind
from wsdiag.gather import gather

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "real-logs"
MEASURED = ROOT / "docs" / "formats" / "measured.toml"
MEASURES = ("opens", "closes", "codes", "rejections", "ping_timeouts")
BY_CLIENT = {
    **dict.fromkeys(("normal", "quiet_close", "pingok"), 1000),
    "client1001": 1001,
    "close_nocode": 1005,
}
"""What the client itself put into its Close frame, by scenario."""

ENDS = ("close_frame_received", "eof", "oserror", "socket_reset", "socket_closed")


class Seen(NamedTuple):
    """What the client saw of all its connections, each thing counted by its value."""

    opens: Counter[object]
    closes: Counter[object]
    codes: Counter[object]
    rejections: Counter[object]
    ping_timeouts: Counter[object]


def client_of(log: Path) -> Path:
    """The client's record of a log."""
    beside = log.with_name(log.name.replace(".log", ".client.jsonl"))
    return beside if beside.exists() else log.with_name("client.jsonl")


def seen(record: Path) -> Seen:
    """What the record tells. A code is the initiator's; a ping timeout is an end that the server
    made while its ping stood unanswered."""
    found = Seen(*(Counter[object]() for _ in MEASURES))
    for said in connections_of(record):
        events = [line["ev"] for line in said]
        status = next((line["status"] for line in said if line["ev"] == "response"), " ")
        status = status.partition(" ")[2].partition(" ")[0]
        if status != "101":
            found.rejections[status] += bool(status)
            continue
        found.opens["open"] += 1
        found.closes["end"] += any(event in ENDS for event in events)
        got = next((line["code"] for line in said if line["ev"] == "close_frame_received"), None)
        code = BY_CLIENT.get(said[0]["sc"], got)
        if code:
            found.codes[str(code)] += 1
        unanswered = any(line.get("answered") is False for line in said)
        found.ping_timeouts["given up"] += unanswered and events[-2] in ENDS
    return found


def connections_of(record: Path) -> Iterator[list[dict[str, Any]]]:
    """The lines of the record, connection by connection."""
    open_: dict[str, list[dict[str, Any]]] = {}
    for line in record.read_text().splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # two writers at once
            continue
        if said.get("ev") in ("connect", "connect_failed"):
            yield from filter(None, [open_.pop(said["sc"], None)])
        if said.get("ev") == "connect":
            open_[said["sc"]] = [said]
        elif said.get("sc") in open_:
            open_[said["sc"]].append(said)
    yield from open_.values()


def told(log: Path) -> Seen:
    """What wsdiag reads in the log."""
    with evidence.collect([str(log)]) as found:
        story = gather(found, Config()).story()
        events, counted = story.events.collect(), facts.measure(story)[0]
        table = connections.with_room(story.connections).collect()
    never_open = ~pl.col("was_open") & (pl.col("rejected") | pl.col("attempted").is_not_null())
    gone = table.filter(pl.col("gone") & ~never_open)
    codes = {code: n for code, n in counted.close_codes.items() if code != "none"}
    return Seen(
        Counter({"open": events.filter(kind=Kind.OPEN.value).height}),
        Counter({"end": gone.height}),
        Counter(codes),
        Counter(counted.rejections),
        Counter({"given up": _heartbeats(events)}),
    )


def _heartbeats(events: pl.DataFrame) -> int:
    """Connections that the server gave up because of their heartbeat."""
    return events.filter(kind=Kind.HEARTBEAT_TIMEOUT.value)["session"].n_unique()


def figures(log: str) -> dict[str, list[int]]:
    """For each measure: how many are right, how many there were, how many the log tells."""
    truth, read = seen(client_of(REAL / log)), told(REAL / log)
    return {
        measure: [(were & said).total(), were.total(), said.total()]
        for measure, were, said in zip(MEASURES, truth, read, strict=True)
    }


def measured() -> dict[str, Any]:
    """The committed table: log → its system, figures and sentences."""
    table: dict[str, Any] = tomllib.loads(MEASURED.read_text("utf-8"))
    return table


def renewed(text: str) -> str:
    """The text of the table with every figure measured again."""

    def again(found: re.Match[str]) -> str:
        got = figures(found["log"])
        return re.sub(
            r"^(\w+) = \[\d+, \d+, \d+\]",
            lambda line: f"{line[1]} = {got[line[1]]}",
            found[0],
            flags=re.MULTILINE,
        )

    return re.sub(r'^\["(?P<log>[^"]+)"\]\n(?:(?!\[").*\n)+', again, text, flags=re.MULTILINE)


if __name__ == "__main__":
    MEASURED.write_text(renewed(MEASURED.read_text("utf-8")), encoding="utf-8")
