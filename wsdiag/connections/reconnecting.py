"""How long clients took to come back."""

from __future__ import annotations

import polars as pl

from wsdiag.connections.codes import POLITE_CODES
from wsdiag.connections.counting import may_have_lived

ANOTHER_VISIT_S = 600.0
"""No library waits so long between two tries: see the caps in `causes/backoffs.toml`."""

OF_ITSELF_S = 30.0
"""The longest step of a library's own schedule that is commonly left as it is: SignalR's."""

EVERYBODY = 3
"""So many clients that are told 1000 or 1001 within a second have not all left by plan."""


def reconnects(connections: pl.LazyFrame) -> pl.LazyFrame:
    """A client's connection and the next one of it that opened.

    Columns: session, client, ended, reopened, reconnect_s, and both ends' proof pointers.

    Only where the client is known and did not itself leave by plan. Who comes back after ten
    minutes without a try in between is on another visit; so is who comes back later than a library
    would, after a polite close of which nobody knows whose it was.
    """
    left = (pl.col("closed_by") == "client").fill_null(False) & pl.col("code").is_in(POLITE_CODES)
    tries = (
        connections.filter(pl.col("client").is_not_null())
        .sort("first")
        .with_columns(_tried=pl.coalesce("attempted", "opened", "first"))
        .with_columns(
            visit=_visit().over("client"), _before=pl.col("session").shift(1).over("client")
        )
    )
    ends = tries.filter(pl.col("ended").is_not_null() & may_have_lived() & ~left)
    opened = tries.filter(pl.col("opened").is_not_null() & ~pl.col("rejected") & ~pl.col("refused"))
    # Of a client that comes often there are many pairs: no more is joined than tells them apart.
    next_one = (
        ends.select("session", "client", "visit", "ended", "code", "closed_by")
        .join(
            opened.select("client", "visit", "_before", reopened="opened", next_session="session"),
            on=["client", "visit"],
        )
        .filter(
            (pl.col("reopened") >= pl.col("ended")) & (pl.col("session") != pl.col("next_session"))
        )
        .sort("reopened")
        .group_by("session", maintain_order=True)
        .agg(pl.all().first())
        .with_columns(
            reconnect_s=(pl.col("reopened") - pl.col("ended")).dt.total_microseconds() / 1e6
        )
    )
    return (
        next_one.join(_other_visits(next_one), on="session", how="anti")
        .drop("closed_by", "_before")
        .join(
            ends.select("session", "closing"),
            on="session",
            how="left",
            maintain_order="left",
        )
        .join(
            opened.select(next_session="session", reopening="opening"),
            on="next_session",
            how="left",
            maintain_order="left",
        )
    )


def _other_visits(gaps: pl.LazyFrame) -> pl.LazyFrame:
    """Those who may as well have left by plan, and came again later than of itself."""
    perhaps = (
        (pl.col("closed_by") == "unknown")
        & pl.col("code").is_in(POLITE_CODES)
        & (pl.col("_before") == pl.col("session"))
        & (pl.col("reconnect_s") > OF_ITSELF_S)
    )
    at_once = pl.col("client").n_unique().rolling("ended", period="2s", offset="-1s")
    about_then = pl.len().rolling("ended", period="2m", offset="-1m")
    everybody = (at_once >= EVERYBODY) & (2 * at_once >= about_then)
    return gaps.filter(perhaps).sort("ended").filter(~everybody).select("session")


def _visit() -> pl.Expr:
    """Numbers a client's visits: a new one begins where nothing was seen of it for too long."""
    before = pl.max_horizontal("_tried", "ended").cum_max().shift(1)
    apart = pl.col("_tried") - before > pl.duration(seconds=ANOTHER_VISIT_S)
    return apart.fill_null(value=False).cum_sum()
