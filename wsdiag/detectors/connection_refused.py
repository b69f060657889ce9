"""Connections that nobody took.

What it finds: a SYN answered by RST, ECONNREFUSED at a client, a proxy that could not reach its
backend, or a name that has no address.
Why it matters: nothing listens there: the server is down, still starting, or the address is wrong.
How it decides: each source says so itself. A refusal by the backend, seen by a proxy, is told apart
from one that the client met; refusals that pass after a server said that it stops are its restart.
What it cannot see: a firewall that drops silently looks like a slow connect, not like a refusal.
"""

from __future__ import annotations

import polars as pl

from wsdiag import endings
from wsdiag.connections import Story, counted, number_of, was_tried
from wsdiag.event import SERVED
from wsdiag.finding import MOST, UNMEASURED, Severity, clause, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import marks, stated

ID = "connection-refused"
TITLE = "Connections are refused"
NEEDS = (
    "no connection attempt in the evidence: a capture, a proxy's error log or a client log shows "
    "them"
)

SURVIVORS = 3
"""So many that were open all the while show that only one of several servers was away."""


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many attempts were seen."""
    return number_of(story.connections.filter(was_tried()), "{} attempts seen, none refused")


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding over all refusals."""
    by_proxy = pl.col("vantages").list.contains("proxy").any()
    other_route = (~pl.col("of_one_route")).all() & ~_none_open()
    between = _opened_before() & _opened_after()
    undated = pl.col("undated").first()
    all_along = ~_opened_before() & ~_opened_after() & ~_none_open() & ~undated
    others_lived = pl.col("others_lived").first()
    served = (pl.col("served").first() > pl.col("ended").max()).fill_null(value=False)
    return flag(
        _refusals(story),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.95,
        message=pl.format(
            "{} {}{}{}",
            plural("attempt"),
            pl.when(pl.col("text").is_not_null().all())
            .then(pl.lit("without an address for the name"))
            .otherwise(pl.lit("refused")),
            clause(" by the backend, as the proxy saw it", where=by_proxy),
            pl.when(other_route)
            .then(pl.lit(" on a path on which none opened, while others did"))
            .when(between)
            .then(pl.lit(", between connections that opened"))
            .when(_none_open())
            .then(pl.lit("; nothing opened before or after"))
            .otherwise(clause(", while others opened", where=all_along)),
        ),
        traits=(
            *marks(ID, pl.col("text")),
            pl.when(by_proxy).then(pl.lit("backend")).otherwise(pl.lit("direct")),
            trait("passing", between & pl.col("of_one_route").any()),
            trait("other-route", other_route),
            trait("all-along", all_along),
            trait("others-lived", others_lived),
            trait("lasting", ~_opened_after() & ~others_lived & ~served),
            trait("served-later", served),
            trait("server-stopped", between & (pl.col("stopped").mean() >= MOST)),
            trait("back-again", between & (pl.col("back").mean() >= MOST)),
            trait("undated", undated),
            trait("never-open", _none_open() & ~_failures_alone()),
        ),
    )


def _opened_before() -> pl.Expr:
    return (pl.col("first_open").first() < pl.col("started").min()).fill_null(False)


def _opened_after() -> pl.Expr:
    return (pl.col("last_open").first() > pl.col("ended").max()).fill_null(False)


def _none_open() -> pl.Expr:
    return pl.col("first_open").first().is_null() & ~pl.col("undated").first()


def _failures_alone() -> pl.Expr:
    """Whether only a proxy's error log tells of them: it would not show those that opened."""
    of_proxies = pl.col("vantages").list.eval(pl.element() == "proxy").list.all().all()
    return of_proxies & (pl.col("tried").first() == 0)


def _refusals(story: Story) -> pl.LazyFrame:
    """What was refused, each with what opened before, after and all the while."""
    opens = story.connections.select(
        first_open=pl.col("opened").min(),
        last_open=pl.col("opened").max(),
        # Some opened, and no clock tells whether before or after.
        undated=pl.col("was_open").any() & pl.col("opened").is_null().all(),
        tried=(pl.col("attempted").is_not_null() | pl.col("status").is_not_null()).sum(),
    )
    refusals = story.connections.filter("refused")
    routes = story.connections.filter(pl.col("was_open") & pl.col("path").is_not_null())
    rows = (
        counted(refusals)
        .join(opens, how="cross")
        .join(routes.select("path", opens_too=True).unique(), on="path", how="left")
        .select(
            "session",
            "first_open",
            "last_open",
            "undated",
            "tried",
            "vantages",
            "status",
            # Others of this path opened, or nobody knows the path.
            of_one_route=pl.col("opens_too").fill_null(value=False) | pl.col("path").is_null(),
            started="first",
            ended="first",
            measured=UNMEASURED,
            pointers="opening",
        )
    )
    unnamed = stated(story.signs.filter(pl.col("kind") != "refused"), ID)
    rows = pl.concat(
        [
            rows,
            unnamed.join(opens, how="cross").with_columns(
                vantages=pl.lit([], pl.List(pl.String)), of_one_route=pl.lit(True)
            ),
        ],
        how="diagonal_relaxed",
    )
    page = (pl.col("kind") == "page") & (pl.col("reason") == SERVED)
    rows = endings.down_and_up(endings.stopped_before(rows, story.signs), story.signs).join(
        story.signs.filter(page).select(served=pl.col("ts").max()), how="cross"
    )
    return rows.join(_others_lived(rows, story), how="cross")


def _others_lived(rows: pl.LazyFrame, story: Story) -> pl.LazyFrame:
    """Whether enough connections were open from before the first refusal until after the last."""
    over = pl.coalesce("ended", "closed", "last_seen")
    lives = counted(story.connections.filter(pl.col("was_open"))).select("opened", over=over)
    away = rows.select(since=pl.col("started").min(), until=pl.col("ended").max())
    through = (pl.col("opened") < pl.col("since")) & (pl.col("over") > pl.col("until"))
    return lives.join(away, how="cross").select(others_lived=through.sum() >= SURVIVORS)
