"""A text log read as a whole: the events of its lines, who wrote it, and which of its close codes
are not to be believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import polars as pl

from wsdiag import evidence
from wsdiag.config import Config
from wsdiag.event import EVENTS, Vantage
from wsdiag.evidence import InputFile, Reading
from wsdiag.report import Lines
from wsdiag.sources.blocks.block_reader import BlockReader
from wsdiag.sources.blocks.line_blocks import MAX_LINE_BYTES, blocks
from wsdiag.sources.context import speakers
from wsdiag.sources.context.only_if import ONLY_IF, WHILE_READ, borne_out
from wsdiag.sources.context.speakers import SPEAKER
from wsdiag.sources.formats.line_format import Format, formats_with
from wsdiag.sources.line import stamps
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.wrapper import strip_colours
from wsdiag.sources.line_by_line.log_reader import GENERAL, GENERAL_JSON, LogReader

HEAD_LINES = 200

ROWS_KEPT = 500_000
"""So many events are put aside together."""

_CLIENT_NAME = re.compile(
    r"client|browser|console|frontend|mobile|phone|handset|tablet|kiosk|laptop|webview|android",
    re.IGNORECASE,
)
_ALWAYS = {name: EVENTS[name] for name in ("ts", "vantage", "pos", "kind")}


def read(item: InputFile, config: Config) -> Reading:
    """The events of every line."""
    notes: Counter[str] = Counter()
    reader = _reader(item, config)
    return _reading(item, config, reader, reader.read(blocks(item.path, notes)), notes)


def read_lines(item: InputFile, config: Config, lines: Iterable[tuple[int, str]]) -> Reading:
    """The events of lines with their places."""
    reader = _reader(item, config)
    return _reading(item, config, reader, reader.read_singly(lines), Counter())


def names_a_client(name: str) -> bool:
    """Whether an input's name says that a client wrote it."""
    return bool(_CLIENT_NAME.search(name))


def _reader(item: InputFile, config: Config) -> BlockReader:
    formats = formats_with(tuple(config.formats))
    return BlockReader(clock_of(item, config), formats, names_a_client(item.name))


def _reading(
    item: InputFile,
    config: Config,
    reader: BlockReader,
    frames: Iterable[pl.DataFrame],
    notes: Counter[str],
) -> Reading:
    read = pl.concat([pl.LazyFrame(schema=_ALWAYS), *_together(frames)], how="diagonal")
    general = _general_vantage(item.name, reader)
    columns = read.collect_schema()
    missing = {name: pl.lit(None, EVENTS[name]) for name in EVENTS.keys() - columns.keys()}
    frame = read.with_columns(
        pl.col("vantage").fill_null(pl.lit(general, dtype=EVENTS["vantage"])),
        **missing | {"source": pl.lit(item.name)},
    ).select(one for one in WHILE_READ if one in EVENTS or one in columns)
    few = reader.lines["parsed"] < ROWS_KEPT
    if few:  # made once, for all that is asked of it
        frame = frame.collect(engine="in-memory").lazy()
    if SPEAKER in columns:
        frame = speakers.named(frame)
    if ONLY_IF in columns:
        frame = borne_out(frame)
    formats = formats_with(tuple(config.formats))
    doubtful = _doubtful(frame, formats, reader.stacks)
    return Reading(
        format="+".join(_commonest(reader.seen)[:3]) or "text",
        vantage=_vantage(frame, reader, formats),
        events=frame.collect(engine="in-memory") if few else frame,
        unread_lines=reader.lines["unread"],
        lines=Lines(read=reader.lines.total(), **reader.lines),
        resolution_ms=reader.clock.resolution_ms or 1.0,
        remarks=(*_remarks(notes), *reader.clock.remarks(), *doubtful.values()),
        redactions=reader.redactions,
        stacks=reader.stacks,
        doubtful=frozenset(doubtful),
        zoneless=reader.clock.zoneless,
    )


def _together(frames: Iterable[pl.DataFrame]) -> Iterator[pl.LazyFrame]:
    """The events, of which a large log's wait on the disk."""
    some, rows = list[pl.DataFrame](), 0
    for frame in frames:
        some.append(frame)
        rows += len(frame)
        if rows >= ROWS_KEPT:
            yield evidence.keep(pl.concat(some, how="diagonal"))
            some, rows = [], 0
    yield from (frame.lazy() for frame in some)


def clock_of(item: InputFile, config: Config) -> Clock:
    """The clock of a log, not yet read."""
    changed = datetime.fromtimestamp(item.path.stat().st_mtime, UTC)
    known = None
    for line in item.head().decode("utf-8", "replace").splitlines()[:HEAD_LINES]:
        known = stamps.full_date(strip_colours(line))
        if known:
            break
    return Clock(config.tz, changed, known)


def _remarks(notes: Counter[str]) -> list[str]:
    told = []
    if notes["not UTF-8"]:
        told.append(f"{notes['not UTF-8']} lines are not UTF-8; what is not was replaced")
    if notes["cut"]:
        told.append(f"{notes['cut']} lines are longer than {MAX_LINE_BYTES} bytes and were cut")
    if notes["binary"]:
        told.append(f"{notes['binary']} lines hold NUL bytes and were left out")
    return told


def _doubtful(
    frame: pl.LazyFrame, formats: Sequence[Format], stacks: frozenset[str]
) -> dict[int, str]:
    """The close codes that the programs of this log are known to misreport: code → a remark."""
    told: dict[int, str] = {}
    known = [f for f in formats if f.document.misreports and f.document.stack in stacks]
    if not known:
        return told
    closes = (pl.col("kind") == "close") & pl.col("dir").is_null()
    said = frame.filter(closes).select("code").collect(engine="in-memory")["code"]
    for made in known:
        for code, when in made.document.misreports.items():
            times = (said == int(code)).sum()
            if times:
                told[int(code)] = (
                    f"{made.document.stack} writes {code} {when}: not believed ({times} times)"
                )
    return told


def _general_vantage(name: str, reader: LogReader) -> str:
    """Who wrote the sentences of no known format: a client by its file's name or by its words."""
    general = reader.seen[GENERAL] + reader.seen[GENERAL_JSON]
    client = _CLIENT_NAME.search(name) or reader.client_sentences * 5 > general > 0
    return "client" if client else "server"


def _vantage(frame: pl.LazyFrame, reader: LogReader, formats: Sequence[Format]) -> str | None:
    told = frame.group_by("vantage").len().collect(engine="in-memory")
    if len(told):
        counts = dict(told.iter_rows())
        return max((str(one) for one in Vantage if one in counts), key=counts.__getitem__)
    known = {f.id: f.vantage for f in formats if f.vantage != "either"}
    return next((known[name] for name in _commonest(reader.seen) if name in known), None)


def _commonest(seen: Counter[str]) -> list[str]:
    """The names by how often they were seen; of two as frequent, the first by name."""
    return sorted(seen, key=lambda name: (-seen[name], name))
