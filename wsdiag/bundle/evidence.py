"""The part of one input that a report rests on, copied without secrets and read again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import polars as pl
from msgspec.structs import replace

from wsdiag import sources
from wsdiag.bundle import browser, devtools, lines, wire
from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import pcap

_HEAD_LINES = 20
"""By these lines a log's format is known."""

_CONTEXT = (2, 50)
"""Neighbours that are copied with a line; more where it is not read as before without them."""

NOT_COPIED = frozenset({"unknown", "report", "settings"})
"""Formats of inputs that nothing was read of."""

_CAPTURES = frozenset({"pcap", "pcapng"})


def copy(item: InputFile, needed: Collection[int] | None, config: Config, target: Path) -> str:
    """Copy an input: what stands at the places `needed`, and what that is understood by.

    None: all that gave events. Returns, in words, what the copy is not read as; empty where it is
    read as the input was.
    """
    before = sources.read(item, config)
    if before.format in NOT_COPIED and item.path.stat().st_size:
        return ""
    told = before.events.lazy().collect()
    if needed is not None:
        told = told.filter(pl.col("pos").is_in(list(needed)))
    lost = ""
    for write in _ways(item, before, told, config):
        write(target)
        copied = InputFile(name=item.name, path=target, sha256="", bytes=0)
        lost = _lost(before, told, sources.read(copied, replace(config, keylog=None)))
        if not lost:
            break
    return lost


def _ways(
    item: InputFile, before: Reading, told: pl.DataFrame, config: Config
) -> Iterator[Callable[[Path], None]]:
    """How to copy it, the least first."""
    places = set(told["pos"].to_list())
    if before.format in _CAPTURES:
        names = set(told["conn"].drop_nulls())
        yield lambda target: wire.write(item.path, target, names)
        yield lambda target: wire.write(item.path, target, names, pcap.opened(item, config))
    elif before.format == "har":
        yield lambda target: browser.write_har(item.path, target, places)
    elif before.format == "netlog":
        yield lambda target: browser.write_netlog(item.path, target, places)
    elif before.format == "cdp":
        yield lambda target: devtools.write(item.path, target, places)
    elif sources.choose(item) is sources.JOURNAL_EXPORT:
        yield lambda target: lines.write_journal(item.path, target)
    else:
        every = set(before.events.lazy().select("pos").collect()["pos"].to_list())
        for context in (*_CONTEXT, None):
            needed = _Needed(places, every - places, context)
            yield partial(lines.write, item.path, needed=needed)


class _Needed:
    """Which lines of a log to copy: those at `places` and around; none that says something else."""

    def __init__(self, places: set[int], others: set[int], context: int | None) -> None:
        around = range(-context, context + 1) if context is not None else ()
        self._near = {place + step for place in places for step in around}
        self._others, self._all = others, context is None

    def __call__(self, number: int) -> bool:
        near = self._all or number <= _HEAD_LINES or number in self._near
        return near and number not in self._others


def _lost(before: Reading, told: pl.DataFrame, again: Reading) -> str:
    """What the copy is not read as."""
    told, read = (_compared(events) for events in (told, again.events.lazy().collect()))
    if read.height != told.height:
        extra = read.filter(~pl.col("pos").is_in(told["pos"].unique().to_list())).height
        return f"{told.height} events were read, of its copy {read.height} ({extra} elsewhere)"
    differing = [
        name for name in told.columns if not told[name].equals(read[name], null_equal=True)
    ]
    if differing:
        return f"not all events have the same {', '.join(differing)}"
    if (before.format, before.stacks) != (again.format, again.stacks):
        return "what wrote it is not known again"
    return ""


def _compared(events: pl.DataFrame) -> pl.DataFrame:
    """Events as they must be read again; a heartbeat's payload may be another.

    A side that is done says so in TLS (eof), and without it with a FIN.
    """
    beat = pl.col("kind").cast(pl.String).is_in(["ping", "pong"])
    return events.with_columns(
        trace=pl.when(~beat).then("trace"), reason=pl.col("reason").replace("eof", "fin")
    )
