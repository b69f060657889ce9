"""Which sightings anything could tie to another: most of a large log's are told apart at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from wsdiag.connections.left_apart import SAME_MOMENT
from wsdiag.event import NAMELESS
from wsdiag.sessions.lifecycle import SAME_OPEN
from wsdiag.sessions.same_requests import ANSWERED, NUMBERED, WRONG


def tied(nodes: pl.DataFrame) -> list[int]:
    """The rows of `nodes` that could be one connection with another row, in order.

    They share a key or a request id, or another name with another source; or their log has
    nameless sentences beside named ones; or another source tells of a beginning or an end at that
    time.
    """
    return sorted({row for rows in _ties(nodes.with_row_index("row")) for row in rows})


def _ties(nodes: pl.DataFrame) -> Iterator[pl.Series]:
    for name in ("key", "trace"):
        named = nodes.filter(pl.col(name).is_not_null())
        yield named.filter(pl.col(name).is_duplicated())["row"]
    mixed = nodes.group_by("source").agg(
        _nameless().any().alias("nameless"), (~_nameless()).any().alias("named")
    )
    speaking = mixed.filter(pl.col("nameless") & pl.col("named"))["source"]
    yield nodes.filter(pl.col("source").is_in(speaking.implode()))["row"]
    if len(mixed) == 1:
        return
    for name in ("peer", "conn", "user", "token"):
        named = nodes.filter(pl.col(name).is_not_null())
        yield named.filter(pl.col("source").n_unique().over(name) > 1)["row"]
    yield from _of_one_proxy(nodes)
    began = nodes.filter(pl.col("opened").is_not_null() & pl.col("outcome").is_not_null())
    yield _beside(began, "opened", SAME_MOMENT)
    yield _beside(nodes.filter(pl.col("ended").is_not_null()), "ended", SAME_OPEN)


def _of_one_proxy(nodes: pl.DataFrame) -> Iterator[pl.Series]:
    """What `same_requests` compares: what one log says went wrong, all of it, with what another
    says ended then; and how far each log reaches."""
    done = pl.col("done")
    asked = nodes.filter((pl.col("vantage") == "proxy") & pl.col("path").is_not_null())
    asked = asked.with_columns(done=pl.coalesce("ended", "last")).drop_nulls("done")
    numbered, outcome = pl.col("conn").str.starts_with(NUMBERED), pl.col("outcome")
    trouble = asked.filter(numbered & outcome.is_in(WRONG, nulls_equal=True))
    if len(trouble):
        answers = asked.filter(~numbered & outcome.is_in(ANSWERED))
        first, last = done.min().over("source"), done.max().over("source")
        yield trouble["row"]
        yield answers.filter((done == first) | (done == last))["row"]
        yield _beside(pl.concat([trouble, answers]), "done", SAME_OPEN)


def _nameless() -> pl.Expr:
    """As `Sighting.nameless`."""
    conn = pl.col("conn")
    given = pl.any_horizontal(conn.str.starts_with(start) for start in NAMELESS)
    carried = pl.any_horizontal(conn == pl.col(name) for name in ("key", "peer", "trace"))
    return given | carried.fill_null(False)


def _beside(nodes: pl.DataFrame, column: str, reach: timedelta) -> pl.Series:
    """The rows whose moment is that of a row of another source, within reach."""
    moment, source = pl.col(column), pl.col("source")
    # In order of time, the nearest of other sources stand before and after a run of one's own.
    before = pl.when(source != source.shift(1)).then(moment.shift(1)).forward_fill()
    after = pl.when(source != source.shift(-1)).then(moment.shift(-1)).backward_fill()
    near = (moment - before <= reach).fill_null(False) | (after - moment <= reach).fill_null(False)
    return nodes.sort(column).filter(near)["row"]
