"""Names for connections, source by source."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from wsdiag.sessions.endings import ENDINGS, Ending, beside
from wsdiag.sessions.lifecycle import LIFECYCLE, PERSONAL
from wsdiag.sessions.lines import overlapping_lines, whole_lines
from wsdiag.sessions.sentences import paired

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
    lines = overlapping_lines(events, named["conn"])
    if lines.any():
        named = _by_line(named, lines)
    if not named.select((pl.col("conn").is_null() & pl.col("kind").is_in(PERSONAL)).any()).item():
        return named
    named = _by_line(named, whole_lines(named))
    numbered = named.with_row_index("_row")
    bare = numbered.filter(pl.col("conn").is_null() & pl.col("kind").is_in(PERSONAL))
    if bare.is_empty():
        return named
    given = {
        row: conn for told, alike in _TOLD_TWICE for row, conn in _beside(numbered, told, alike)
    }
    rest = bare.filter(~pl.col("_row").is_in(list(given)))
    for rows in rest.sort("source", "pos", "_row").partition_by("source"):
        given.update(paired(rows))
    names = pl.DataFrame(
        {"_row": list(given), "_paired": list(given.values())},
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
