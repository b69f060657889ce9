"""How clients keep their state: by invalidation, by direct updates, or both; and what fits.

A signal such as `{type, id}` that is followed by a GET is invalidation; a message that brings the
thing itself is a direct update. Few users and few messages: invalidation will do. Many users and
many messages: direct updates, for each signal costs a GET of everybody. In between: both. Clients
that were away and then send what they had kept need eventual consistency.
"""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Judgement, Strategy, Sync
from wsdiag.limits import Limits
from wsdiag.review.proofs import proofs
from wsdiag.review.rates import per_s, rounded
from wsdiag.review.traffic import Traffic

SURE, GUESS = 0.7, 0.4
"""Without plain HTTP beside the socket it is not seen whether a page asks again."""
ONE_CLIENT = (
    "how many users share a topic is not seen, for there is one client: capture at the server to "
    "know whether that fits"
)
A_PART = 0.2
"""A way that a fifth of the messages go is in use."""
AWAY_S, REPLAY_S, REPLAYED = 5.0, 2, 5
"""So long away, and in the first two seconds so many messages: what was kept is sent."""


def sync(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Sync:
    """The strategy in use and the one that fits."""
    about = of.down.filter(
        (pl.col("role") == "app") & (pl.col("entity").is_not_null() | pl.col("topic").is_not_null())
    )
    in_use, why = _in_use(of, about, refetched)
    users = _users(about, of)
    often = per_s(len(about), of.span_s) / max(about["topic"].n_unique(), 1)
    fan = _copies(about)
    often = often / fan if fan else often
    measured = {
        "users_per_topic": round(users, 2),
        "updates_per_s_per_topic": round(often, 3),
        "signals": float(about["signal"].sum()),
        "refetches": float(len(refetched)),
        "refetch_ratio": rounded(per_s(len(refetched), len(of.down))) or 0.0,
    }
    replays = _replays(of)
    advised, because = _advised(in_use, users, often, len(replays), limits)
    verdict: Judgement = "not-needed" if advised == in_use else "needed"
    alone = of.sessions["client"].n_unique() < 2 and not len(replays)
    if alone and advised is not None:
        advised, because = in_use, ONE_CLIENT
    if alone or advised is None:
        verdict = "not-decidable"
    return Sync(
        in_use=in_use,
        advised=advised,
        verdict=verdict,
        why=f"{why}; {because}" if because else why,
        confidence=(SURE if len(of.fetches) and not alone else GUESS) if advised else 0.0,
        measured=measured,
        evidence=proofs(refetched if len(refetched) else about, of.formats),
    )


def _in_use(of: Traffic, about: pl.DataFrame, refetched: pl.DataFrame) -> tuple[Strategy, str]:
    if about.is_empty():
        return "none", "no message from the server names a topic or a thing"
    signals = about.filter("signal")
    bare, whole = len(signals), len(about) - len(signals)
    caused = refetched["message"].n_unique()
    if of.fetches.is_empty() and bare:
        why = (
            f"{bare} of {len(about)} messages are bare signals, but no plain HTTP is seen beside "
            "the socket: record a HAR, or capture the API's port as well"
        )
        return ("invalidation" if bare > whole else "hybrid"), why
    by_signal = max(bare, caused) / len(about)
    if by_signal >= 1 - A_PART:
        return "invalidation", f"{len(refetched)} GETs follow {len(about)} messages within 1 s"
    if by_signal >= A_PART:
        why = f"{caused} of {len(about)} messages lead to a GET, the others bring the thing itself"
        return "hybrid", why
    return "direct", f"{whole} of {len(about)} messages bring the thing itself, and no GET follows"


def _users(about: pl.DataFrame, of: Traffic) -> float:
    """Users on one topic, on the average over topics."""
    names = of.sessions.select("session", who="client")
    joined = of.messages.filter(pl.col("role").is_in(["app", "subscribe"])).join(
        names, on="session", how="left"
    )
    rows = joined.filter(pl.col("topic").is_not_null()) if about["topic"].count() else joined
    counted = rows.group_by("topic").agg(users=pl.col("who").n_unique())
    return float(counted["users"].mean() or 0)  # type: ignore[arg-type]


def _copies(about: pl.DataFrame) -> float:
    """To how many sessions one message goes."""
    if about.is_empty():
        return 0.0
    counted = about.group_by("text").agg(n=pl.col("session").n_unique())
    return float(counted["n"].mean() or 0)  # type: ignore[arg-type]


def _replays(of: Traffic) -> pl.DataFrame:
    """Clients that came back after a while and at once sent several messages."""
    back = of.sessions.select("client", "session", "opened", "over").sort("opened")
    away = pl.col("opened") - pl.col("over").shift(1).over("client")
    returned = back.filter(away.dt.total_microseconds() / 1e6 >= AWAY_S)
    early = of.up.drop("client").join(returned, on="session")
    early = early.filter(pl.col("at") - pl.col("opened") <= pl.duration(seconds=REPLAY_S))
    return early.group_by("session").agg(n=pl.len()).filter(pl.col("n") >= REPLAYED)


def _advised(
    in_use: Strategy, users: float, often: float, replays: int, limits: Limits
) -> tuple[Strategy | None, str]:
    if in_use == "none":
        return None, ""
    if replays:
        return "eventual", (
            f"{replays} clients came back after {AWAY_S:.0f} s or more and sent what they had kept"
        )
    numbers = f"{users:.3g} users on a topic, {often:.3g} updates a second on each"
    many, busy = users >= limits.many_users, often >= limits.often_per_s
    if many and busy:
        return "direct", f"{numbers}: each signal would cost a GET of everybody"
    if in_use in ("direct", "hybrid"):
        return in_use, f"{numbers}: what is in use fits"
    if not many and not busy:
        return "invalidation", f"{numbers}: a GET after each message costs little"
    return "hybrid", f"{numbers}: bring what changes often, and signal the rest"
