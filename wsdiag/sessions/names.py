"""Names for connections, source by source, and the several lives of one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from wsdiag.event import BEGIN
from wsdiag.sessions.endings import ENDINGS, Ending, beside

_ENDS, _GIVEN_UP = ("close", "end"), ("heartbeat_timeout", "timeout")
LIFECYCLE = (*BEGIN, *_ENDS)
PERSONAL = (*LIFECYCLE, *_GIVEN_UP, "auth", "token", "ping", "pong", "message")
"""Kinds that belong to one connection even when the line does not name it."""

SAME_TRY = timedelta(milliseconds=50)
"""Two sentences of one attempt stand this close together."""

SAME_OPEN = timedelta(seconds=1)
"""Two sentences of one acceptance stand this close together."""

NEAR, NEAR_UNTIMED = 4, 2
"""Two sentences of one ending are at most so many lines apart; so many where they have no times."""

LONELY, MANY_LONELY = 0.5, 4
"""A log of which more than this share of the closings, and so many, have no other beside them
writes one sentence about each."""

LASTING_END, OFTEN = timedelta(seconds=5), 2
"""Two sentences of one end stand this close together; a name of which nothing but ends is told,
again and so often after longer, is a client's that comes back."""


_REFUSED = pl.col("kind") == "rejected"
_REFUSAL = pl.col("kind").is_in(["auth", "token"]) & pl.col("reason").is_not_null()
_USER, _NAMED = pl.col("user").is_not_null(), pl.col("conn").is_not_null()

_TOLD_TWICE = (
    (pl.col("kind").is_in(ENDINGS), pl.col("code")),
    (_REFUSED, pl.col("code")),
    # Who checks credentials says why; the server that answers for it says whom it refused.
    ((_REFUSED & _NAMED) | (_REFUSAL & _USER), pl.col("user")),
    ((_REFUSED & _NAMED) | (_REFUSAL & ~_USER), pl.lit(None, dtype=pl.String)),
)
"""What an application and its server both tell of one connection, and what must not differ then."""


def name(events: pl.DataFrame) -> pl.DataFrame:
    """Fill `conn`: the best name of the row, its line's, or the only connection it can mean."""
    handshake = pl.col("kind").is_in([*LIFECYCLE, "timeout"])
    # A page knows its connections by what they carry.
    carried = pl.when(handshake & (pl.col("vantage") == "client")).then(pl.col("topic"))
    named = events.with_columns(
        conn=pl.coalesce("conn", "key", "peer", pl.when(handshake).then("trace"), carried)
    )
    lines = _overlapping_lines(events, named["conn"])
    if lines.any():
        named = _by_line(named, lines)
    if not named.select((pl.col("conn").is_null() & pl.col("kind").is_in(PERSONAL)).any()).item():
        return named
    named = _by_line(named, _whole_lines(named))
    numbered = named.with_row_index("_row")
    bare = numbered.filter(pl.col("conn").is_null() & pl.col("kind").is_in(PERSONAL))
    if bare.is_empty():
        return named
    paired = {
        row: given for told, alike in _TOLD_TWICE for row, given in _beside(numbered, told, alike)
    }
    rest = bare.filter(~pl.col("_row").is_in(list(paired)))
    for rows in rest.sort("source", "pos", "_row").partition_by("source"):
        told = rows.select("_row", "pos", "ts", "kind", "code", "dir").rows()
        paired.update(_pair(told, one_by_one=_are_told_once(told)))
    names = pl.DataFrame(
        {"_row": list(paired), "_paired": list(paired.values())},
        schema={"_row": pl.get_index_type(), "_paired": pl.String},
    )
    return (
        numbered.join(names, on="_row", how="left", maintain_order="left")
        .with_columns(conn=pl.coalesce("conn", "_paired"))
        .drop("_row", "_paired")
    )


def _by_line(events: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """The events, of which the chosen are named by their lines."""
    return events.with_columns(
        conn=pl.when(chosen).then(pl.format("line {}", "pos")).otherwise("conn")
    )


def _overlapping_lines(events: pl.DataFrame, conn: pl.Series) -> pl.Series:
    """Which rows have no better name than an address, of which several lines tell each of a whole
    request at one time: HTTP/2 carries them on one connection of TCP (RFC 9113 section 5)."""
    line, over, kind = ("source", "pos"), ("source", "conn"), pl.col("kind")
    rows = (
        events.select(*line, "ts", "kind", "peer", unnamed=pl.col("conn").is_null())
        .with_columns(conn)
        .with_row_index("row")
        .filter(pl.col("unnamed") & (pl.col("conn") == pl.col("peer")))
    )
    begun = rows.filter(kind.is_in(BEGIN)).unique(line)
    again = begun.filter(pl.struct(over).is_duplicated()).select(over).unique()
    lines = (
        rows.join(again, on=over, how="semi")
        .group_by(*line, "conn")
        .agg(
            kind.is_in(BEGIN).any().alias("begins"),
            kind.is_in(_ENDS).any().alias("ends"),
            pl.col("ts").min().alias("begin"),
            pl.col("ts").max().alias("end"),
        )
        .filter("begins")
        .sort("begin", "pos")
    )
    whole = lines.filter("ends").with_columns(before=pl.col("end").cum_max().shift(1).over(over))
    several = whole.filter(pl.col("begin") < pl.col("before"))
    chosen = lines.join(several, on=over, how="semi")
    return _marked(rows.join(chosen, on=line, how="semi")["row"], len(events))


def _whole_lines(events: pl.DataFrame) -> pl.Series:
    """Which nameless rows are one connection because they are one line's: an access line gives its
    start and its end."""
    kind, before = pl.col("kind"), (pl.col("source").shift(1), pl.col("pos").shift(1))
    rows = events.select("source", "pos", "kind", nameless=pl.col("conn").is_null())
    lines = (
        rows.with_row_index("row")
        .sort("source", "pos")
        .with_columns(
            line=(pl.col("source").ne_missing(before[0]) | pl.col("pos").ne_missing(before[1]))
            .cum_sum()
            .set_sorted()
        )
    )
    several = kind.to_physical().min() < kind.to_physical().max()
    whole = lines.group_by("line", maintain_order=True).agg(
        (several & kind.is_in(BEGIN).any()).alias("whole")
    )["whole"]
    chosen = lines.filter(
        whole.gather(lines["line"] - 1) & pl.col("nameless") & kind.is_in(LIFECYCLE)
    )["row"]
    return _marked(chosen, len(events))


def _beside(rows: pl.DataFrame, over: pl.Expr, alike: pl.Expr) -> Iterator[tuple[int, str]]:
    """`_row` and name of nameless endings that stand beside an ending whose line has a name."""
    told = rows.filter(over).select("_row", "source", "pos", "ts", "conn", code=alike)
    nameless = told.filter(pl.col("conn").is_null())
    told = told.join(nameless.select("source").unique(), on="source", how="semi")
    code = pl.col("code").drop_nulls().first().over("source", "conn")
    told = told.with_columns(code=pl.when(pl.col("conn").is_null()).then("code").otherwise(code))
    for source in told.sort("source", "pos", "_row").partition_by("source"):
        endings = [
            Ending((row,), pos, ts, conn or "", code)
            for row, pos, ts, conn, code in source.select(
                "_row", "pos", "ts", "conn", "code"
            ).iter_rows()
        ]
        if any(ending.conn for ending in endings):
            yield from beside(endings)


_Bare = tuple[int, int, datetime | None, str, int | None, str | None]
"""A nameless row: its number, pos, ts, kind, code and dir."""


def _are_told_once(rows: Sequence[_Bare]) -> bool:
    """Whether each closing is one sentence here: most of them have no other beside them."""
    closes = [(pos, ts) for _, pos, ts, kind, _, _ in rows if kind == "close"]
    near = [_is_near(one, other) for one, other in pairwise(closes)]
    lonely = sum(not (a or b) for a, b in pairwise([False, *near, False]))
    return lonely >= MANY_LONELY and lonely > len(closes) * LONELY


def _is_near(one: tuple[int, datetime | None], other: tuple[int, datetime | None]) -> bool:
    lines = NEAR_UNTIMED if one[1] is None and other[1] is None else NEAR
    return other[0] - one[0] <= lines and apart(other[1], one[1]) <= SAME_OPEN


def _pair(rows: Iterable[_Bare], *, one_by_one: bool = False) -> Iterator[tuple[int, str]]:
    """Pair one source's bare sentences: an end belongs to the only connection that is open.

    While several are open nobody can tell whose end it is: it stays a fragment of its own, named
    with a leading `~`. `one_by_one`: a closing is told by one sentence alone.
    """
    live: list[str] = []
    pending = last = last_kind = ""
    last_pos, last_ts, last_code = -10, None, None
    frames: list[_Frames] = []
    for row, pos, ts, kind, code, way in rows:
        near = _is_near((last_pos, last_ts), (pos, ts))
        frames = frames if near else []
        first = next((one for one in frames if one.lacks(kind, way, code)), None)
        if kind in ("attempt", "open"):
            if not (kind == "open" and pending):
                live.append(f"bare {pos}")
            name = live[-1]
            pending = name if kind == "attempt" else ""
        elif kind in ("rejected", "refused"):
            name = pending or f"bare {pos}"
            live = [open_ for open_ in live if open_ != name]
            pending = ""
        elif first:
            name = first.name
        elif (
            near
            and last
            and not (way and frames)
            and not (one_by_one and kind == last_kind == "close")
            and (code is None or last_code is None or code == last_code)
        ):
            name = last  # a second sentence about the same ending
        elif len(live) == 1:
            name = live[0]
        elif live:
            name = f"~{pos}"
        else:
            name = f"bare {pos}"
        if kind in ("close", "end", "heartbeat_timeout", "timeout"):
            live = [open_ for open_ in live if open_ != name]
            last, last_pos, last_ts, last_code = name, pos, ts, code or last_code
            last_kind = kind
            if first:
                first.told.add((kind, way))
            elif kind == "close" and way:
                frames.append(_Frames(name, code, {(kind, way)}))
        elif kind in BEGIN:
            last, last_code = "", None
        yield row, name


class _Frames(NamedTuple):
    """A close handshake of which single frames are told: each side sends one, then it ends."""

    name: str
    code: int | None
    told: set[tuple[str, str | None]]

    def lacks(self, kind: str, way: str | None, code: int | None) -> bool:
        """Whether this sentence is still to come: several at once go on in their order."""
        if (kind, way) in self.told or not (way or kind == "end"):
            return False
        return code is None or self.code is None or code == self.code


def split(events: pl.DataFrame) -> pl.DataFrame:
    """Number the lives of each (source, conn): `_node` is `conn`, then `conn #2` and so on."""
    again = _begun_again(events)
    if again.is_empty():
        return events.with_columns(_node="conn")
    over = ("source", "conn")
    later = (
        events.select(*over, _new=_marked(again, len(events)))
        .with_row_index("_row")
        .join(events[again], on=over, how="semi", maintain_order="left")
        .select("_row", "conn", _life=pl.col("_new").cum_sum().over(over) + 1)
        .filter(pl.col("_life") > 1)
        .select("_row", _later=pl.format("{} #{}", "conn", "_life"))
    )
    rows = events.select(pl.int_range(pl.len(), dtype=pl.get_index_type()).alias("_row"))
    nodes = rows.join(later, on="_row", how="left", maintain_order="left")["_later"]
    return events.with_columns(_node=nodes.fill_null(events["conn"]))


def _marked(rows: pl.Series, length: int) -> pl.Series:
    """True at these rows of a frame of this length."""
    return pl.repeat(value=False, n=length, eager=True).scatter(rows, values=True)


def _begun_again(events: pl.DataFrame) -> pl.Series:
    """The numbers of the rows with which a name begins another life."""
    kind, gap = pl.col("kind"), pl.col("ts") - pl.col("_before")
    over = ("source", "conn")
    lifecycle = (
        events.select("source", "conn", "ts", "pos", "kind")
        .with_row_index("_row")
        .filter(
            pl.col("conn").is_not_null()
            & kind.is_in([*LIFECYCLE, *_GIVEN_UP])
            & ~pl.col("conn").str.starts_with("line ")
        )
    )
    begins = kind.is_in(BEGIN)
    several = (
        lifecycle.group_by(over)
        .agg(
            begins.sum().alias("times"),
            begins.first().alias("at once"),
            ((pl.col("ts").filter(kind.is_in(_ENDS)).diff() > LASTING_END).sum() >= OFTEN).alias(
                "ends often"
            ),
        )
        .filter(
            (pl.col("times") > 1)
            | ((pl.col("times") > 0) & ~pl.col("at once"))
            | ((pl.col("times") == 0) & pl.col("ends often"))
        )
    )
    return (
        lifecycle.join(several.select(*over, "times"), on=over, maintain_order="left")
        .filter((pl.col("times") == 0) | ~kind.is_in(_GIVEN_UP))
        .with_columns(
            _last=kind.shift(1).over(over),
            _before=pl.col("ts").shift(1).over(over),
            _same_line=(pl.col("pos") == pl.col("pos").shift(1).over(over)).fill_null(False),
        )
        .with_columns(
            _new=pl.when(pl.col("_last").is_null() | pl.col("_same_line"))
            .then(False)
            .when(pl.col("times") == 0)
            .then(pl.col("_last").is_in(_ENDS) & (gap > LASTING_END))
            .when(kind == "attempt")
            .then(~((pl.col("_last") == "attempt") & (gap < SAME_TRY)).fill_null(False))
            .when(kind == "open")
            .then(
                (pl.col("_last") != "attempt")
                & ~((pl.col("_last") == "open") & (gap < SAME_OPEN)).fill_null(False)
            )
            .when(kind.is_in(["rejected", "refused"]))
            .then(pl.col("_last").is_in(["close", "end", "rejected", "refused"]) & (gap > SAME_TRY))
            .otherwise(False)
        )
        .filter("_new")["_row"]
    )


def apart(one: datetime | None, other: datetime | None) -> timedelta:
    """The time between two moments; none where one of them is unknown."""
    return abs(one - other) if one and other else timedelta()
