"""Names for connections, source by source, and the several lives of one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import polars as pl

BEGIN = ("attempt", "open", "rejected", "refused")
LIFECYCLE = (*BEGIN, "close", "end")
PERSONAL = (*LIFECYCLE, "heartbeat_timeout", "timeout", "auth", "token", "ping", "pong", "message")
"""Kinds that belong to one connection even when the line does not name it."""

SAME_TRY = timedelta(milliseconds=50)
"""Two sentences of one attempt stand this close together."""

SAME_OPEN = timedelta(seconds=1)
"""Two sentences of one acceptance stand this close together."""

NAMELESS = ("@", "~", "bare ", "line ")
"""How names begin that no program wrote."""


def name(events: pl.DataFrame) -> pl.DataFrame:
    """Fill `conn`: the best name of the row, its line's, or the only connection it can mean."""
    handshake = pl.col("kind").is_in([*LIFECYCLE, "timeout"])
    # A page knows its connections by what they carry.
    carried = pl.when(handshake & (pl.col("vantage") == "client")).then(pl.col("topic"))
    named = events.with_columns(
        conn=pl.coalesce("conn", "key", "peer", pl.when(handshake).then("trace"), carried)
    )
    if not named.select((pl.col("conn").is_null() & pl.col("kind").is_in(PERSONAL)).any()).item():
        return named
    lines = _whole_lines(named)
    named = named.with_columns(
        conn=pl.when(lines).then(pl.format("line {}", "pos")).otherwise("conn")
    )
    bare = named.with_row_index("_row").filter(
        pl.col("conn").is_null() & pl.col("kind").is_in(PERSONAL)
    )
    if bare.is_empty():
        return named
    paired: dict[int, str] = {}
    for rows in bare.sort("source", "pos", "_row").partition_by("source"):
        paired.update(_pair(rows.select("_row", "pos", "ts", "kind", "code").iter_rows()))
    names = pl.DataFrame(
        {"_row": list(paired), "_paired": list(paired.values())},
        schema={"_row": pl.get_index_type(), "_paired": pl.String},
    )
    return (
        named.with_row_index("_row")
        .join(names, on="_row", how="left", maintain_order="left")
        .with_columns(conn=pl.coalesce("conn", "_paired"))
        .drop("_row", "_paired")
    )


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


def _pair(
    rows: Iterable[tuple[int, int, datetime | None, str, int | None]],
) -> Iterator[tuple[int, str]]:
    """Pair one source's bare sentences: an end belongs to the only connection that is open.

    While several are open nobody can tell whose end it is: it stays a fragment of its own, named
    with a leading `~`.
    """
    live: list[str] = []
    pending = last = ""
    last_pos, last_ts, last_code = -10, None, None
    for row, pos, ts, kind, code in rows:
        near = pos - last_pos <= 4 and apart(ts, last_ts) <= SAME_OPEN
        if kind in ("attempt", "open"):
            if not (kind == "open" and pending):
                live.append(f"bare {pos}")
            name = live[-1]
            pending = name if kind == "attempt" else ""
        elif kind in ("rejected", "refused"):
            name = pending or f"bare {pos}"
            live = [open_ for open_ in live if open_ != name]
            pending = ""
        elif near and last and (code is None or last_code is None or code == last_code):
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
        elif kind in BEGIN:
            last, last_code = "", None
        yield row, name


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
            & kind.is_in(LIFECYCLE)
            & ~pl.col("conn").str.starts_with("line ")
        )
    )
    begins = kind.is_in(BEGIN)
    several = (
        lifecycle.group_by(over)
        .agg(begins.sum().alias("times"), begins.first().alias("at once"))
        .filter((pl.col("times") > 1) | ((pl.col("times") > 0) & ~pl.col("at once")))
    )
    return (
        lifecycle.join(several, on=over, how="semi", maintain_order="left")
        .with_columns(
            _last=kind.shift(1).over(over),
            _before=pl.col("ts").shift(1).over(over),
            _same_line=(pl.col("pos") == pl.col("pos").shift(1).over(over)).fill_null(False),
        )
        .with_columns(
            _new=pl.when(pl.col("_last").is_null() | pl.col("_same_line"))
            .then(False)
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
