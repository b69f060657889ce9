"""Rows that count only where others of the same log show what they are of, told apart while the
log is read.

The mark has a column of its own, which no event has: when all lines are read the rows that
nothing bears out are left out, and the column with them.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

import polars as pl

from wsdiag.event import EVENTS
from wsdiag.sources.context.speakers import SPEAKER

ONLY_IF = "only_if"
"""The column of the mark."""


class OnlyIf(StrEnum):
    """Under what condition a row counts."""

    IT_ENDS = "it ends"
    IT_LIVES = "it lives"
    IT_FAILED = "it is closed for a failure"
    IT_FAILED_ABOVE = "it is closed for a failure, below the calls that led there"
    ITS_LIKE_LIVES = "its like lives"
    EACH_WAS_TRIED = "each of them was tried just before"
    UNTOLD = "nothing else tells it"
    NOTHING_ELSE_OPENS = "nothing else opens"
    ITS_PATH_OPENS = "its path opens"
    ITS_PATH_OPENS_UNTOLD = "its path opens, nothing else tells it"


WHILE_READ = pl.Schema(
    {**EVENTS, ONLY_IF: pl.Enum([mark.value for mark in OnlyIf]), SPEAKER: pl.String()}
)
"""The columns of rows until the whole log is read."""

_UNTOLD = (OnlyIf.UNTOLD, OnlyIf.ITS_PATH_OPENS_UNTOLD)

FAILED = 1011
"""What a server sends when its handler fails (RFC 6455 section 7.4.1)."""

LINES_APART, TIME_APART = 20, timedelta(seconds=1)
"""So far from its close a failure may stand: others write between the two."""

_CALLS = 200
"""So many calls may stand between a failure and what comes next."""

_FAILURES = (OnlyIf.IT_FAILED, OnlyIf.IT_FAILED_ABOVE)

_RATHER: Final = ("forward", "backward")

_KIND, _TOLD = pl.col("kind"), pl.format("{} {}", "kind", pl.col("code").fill_null(0))

_ANYWHERE = pl.col("pos") * 0
"""The same in all rows."""

_OF_SOCKETIO = ("transport close", "transport error", "ping timeout")
_TELLS = (pl.col("code").is_not_null() | pl.col("reason").is_in(_OF_SOCKETIO)).fill_null(False)
"""A close code, or a reason that only socket.io gives."""

_FAMILY = (
    pl.when(pl.col("conn").str.contains("[A-Za-z]"))
    .then(pl.col("conn").str.replace_all(r"\d+", "0"))
    .otherwise("conn")
)
"""What names have in common that differ in their numbers; numbers alone have nothing."""

_LIFE = (
    *("message", "ping", "pong", "close", "end", "heartbeat_timeout", "subscribe", "unsubscribe"),
    *("backpressure", "auth", "token"),
)
"""What happens to connections that opened."""


_COURSE = ("attempt", "open", "rejected", "refused", "close", "end")
"""What a connection comes to, in turn."""


class _Condition(NamedTuple):
    """Rows with these marks count where other rows show `what` they tell; unless it is `wanted`,
    where none does."""

    marks: tuple[OnlyIf, ...]
    what: pl.Expr
    shown: pl.Expr
    wanted: bool = True


_CONDITIONS = (
    # "visitor 17 came in" is said of shops as well; nobody leaves one with a close code.
    _Condition((OnlyIf.IT_ENDS,), _FAMILY, (_KIND == "close") & _TELLS),
    # "bot-3 connected" is said of databases as well; "bot-4 connecting to wss://" is not.
    _Condition(
        (OnlyIf.ITS_LIKE_LIVES,),
        _FAMILY,
        pl.col(ONLY_IF).is_null()
        & (((_KIND == "close") & _TELLS) | _KIND.is_in(["attempt", "open", "heartbeat_timeout"])),
    ),
    # A framework writes a line for each request, beside what its application says of it.
    _Condition(_UNTOLD, _TOLD, ~pl.col(ONLY_IF).is_in(_UNTOLD).fill_null(False), wanted=False),
    # A proxy of TCP logs whatever it balances.
    _Condition(
        (OnlyIf.NOTHING_ELSE_OPENS,),
        _ANYWHERE,
        pl.col(ONLY_IF).is_null() & (_KIND == "open"),
        wanted=False,
    ),
    # Scanners ask for "/", and so do browsers.
    _Condition(
        (OnlyIf.ITS_PATH_OPENS, OnlyIf.ITS_PATH_OPENS_UNTOLD),
        pl.col("name"),
        (_KIND == "open") & (pl.col("name") != "/"),
    ),
)


def borne_out(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows that count, without their marks."""
    met = frame.select(pl.col(ONLY_IF).drop_nulls().unique()).collect(engine="in-memory")[ONLY_IF]
    for marks, what, shown, wanted in _CONDITIONS:
        if met.is_in(marks).any():
            seen = frame.filter(shown).select(what.drop_nulls().unique().alias("seen"))
            known = seen.collect(engine="in-memory")["seen"].implode()
            counts = what.is_in(known).fill_null(False) == wanted
            frame = frame.filter(~pl.col(ONLY_IF).is_in(marks).fill_null(False) | counts)
    if OnlyIf.EACH_WAS_TRIED in met:
        frame = _awaited(frame)
    if OnlyIf.IT_LIVES in met:
        frame = _tried(frame)
    if met.is_in(_FAILURES).any():
        frame = _failed(frame)
    return frame.drop(ONLY_IF)


def _awaited(frame: pl.LazyFrame) -> pl.LazyFrame:
    """ "The gateway connected" is said of printers as well: it counts where nothing else opens, and
    each time the log has just told that its writer connects."""
    mark = (pl.col(ONLY_IF) == OnlyIf.EACH_WAS_TRIED).fill_null(value=False)
    life = frame.filter(_KIND.is_in(_COURSE)).sort("pos").select(_KIND, mark=mark)
    before = pl.col("kind").shift(1) == "attempt"
    counts = life.select(
        (before | ~pl.col("mark")).fill_null(value=False).all()
        & (pl.col("mark") | (_KIND != "open")).all()
    ).collect(engine="in-memory")
    return frame if counts.item() else frame.filter(~mark)


def _tried(frame: pl.LazyFrame) -> pl.LazyFrame:
    """A connection of which the log tells no more than that somebody connects was only tried; and
    so was one before the log tells next that it opened."""
    mark = (pl.col(ONLY_IF) == OnlyIf.IT_LIVES).fill_null(value=False)
    lives = _KIND.is_in(_LIFE)
    opens = (_KIND == "open") & ~mark
    rows = frame.filter(pl.col("conn").is_not_null() & (mark | lives | opens))
    columns = rows.select("pos", "conn", mark=mark, lives=lives, opens=opens)
    told = columns.sort("pos").collect(engine="in-memory")
    before = told.filter(pl.col("mark") & pl.col("opens").shift(-1).over("conn"))["pos"]
    lived = pl.col("conn").is_in(told.filter("lives")["conn"].unique().implode())
    tried = mark & (pl.col("pos").is_in(before.implode()) | ~lived.fill_null(value=False))
    return frame.with_columns(
        kind=pl.when(tried).then(pl.lit("attempt", EVENTS["kind"])).otherwise("kind")
    )


def _failed(frame: pl.LazyFrame) -> pl.LazyFrame:
    """A failure of anything at all counts where a server closes a connection for one just then, and
    is that connection's; rather of one that is closed behind it than before."""
    failure = pl.col(ONLY_IF).is_in(_FAILURES).fill_null(value=False)
    above = pl.col(ONLY_IF) == OnlyIf.IT_FAILED_ABOVE
    closed = (_KIND == "close") & (pl.col("code") == FAILED) & (pl.col("vantage") == "server")
    failures = (
        frame.filter(failure)
        .select("pos", "ts", above=above)
        .sort("pos")
        .collect(engine="in-memory")
    )
    closes = frame.filter(closed).select("pos", "conn", closed="ts", closed_at="pos").sort("pos")
    behind = pl.col("closed_at") - pl.col("pos")
    far = pl.col("above") & behind.is_between(0, _CALLS) & pl.col("ts").is_not_null()
    apart = (pl.col("closed") - pl.col("ts")).abs()
    told = pl.concat(
        failures.lazy()
        .join_asof(closes, on="pos", strategy=way, tolerance=_CALLS)
        .filter(
            ((behind.abs() <= LINES_APART) & (apart <= TIME_APART).fill_null(value=True))
            | (far & (apart <= TIME_APART).fill_null(value=False))
        )
        for way in _RATHER
    )
    whose = told.unique("pos", keep="first", maintain_order=True).collect(engine="in-memory")
    conn = pl.col("pos").replace_strict(whose["pos"], whose["conn"], default=None)
    return frame.filter(~failure | pl.col("pos").is_in(whose["pos"].implode())).with_columns(
        conn=pl.when(failure & pl.col("conn").is_null()).then(conn).otherwise("conn")
    )
