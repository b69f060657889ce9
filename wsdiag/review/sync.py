"""How clients keep their state: by invalidation, by direct updates, or both; and what fits.

A signal such as `{type, id}` that is followed by a GET is invalidation; a message that brings the
thing itself is a direct update. Few users and few messages: invalidation will do. Many users and
many messages: direct updates, for each signal costs a GET of everybody. Anything else, or topics of
either sort: both. Clients that were away and then send what they had kept, or whose writes are then
refused as conflicts, need eventual consistency.

A change is asked for only where what is in use costs more than what fits: GETs that a direct update
would save, or writes that get lost. Who sends more than is needed is told so, and left in peace.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from wsdiag.advice import Judgement, Strategy, Sync
from wsdiag.limits import Limits
from wsdiag.review.proofs import proofs
from wsdiag.review.rates import per_s, rounded
from wsdiag.review.traffic import ONE, Traffic

SURE, GUESS = 0.7, 0.4
"""Without plain HTTP beside the socket it is not seen whether a page asks again."""
ONE_CLIENT = (
    "how many users share a topic is not seen, for there is one client: capture at the server to "
    "know whether that fits"
)
A_PART = 0.2
"""A way that a fifth of the messages go is in use; topics of a sort that are a fifth count."""
AWAY_S, REPLAY_S, REPLAYED = 5.0, 2, 5
"""So long away, and in the first two seconds so many messages: what was kept is sent."""
CONFLICT_S, CONFLICTS = 30, (409, 412)
"""So soon after a return, answers that refuse a write because the thing has changed meanwhile
(RFC 9110 sections 15.5.10 and 15.5.13)."""
WRITES = ("POST", "PUT", "PATCH", "DELETE")
COSTLY = (("invalidation", "direct"), ("invalidation", "hybrid"), ("hybrid", "direct"))
"""In use and fitting, where the difference is GETs of everybody."""


class _Topics(NamedTuple):
    """Users and updates a second of topics on the average, and the strategies that fit them."""

    users: float
    often: float
    fit: list[Strategy]


def sync(of: Traffic, refetched: pl.DataFrame, limits: Limits) -> Sync:
    """The strategy in use and the one that fits."""
    about = of.down.filter(
        (pl.col("role") == "app") & (pl.col("entity").is_not_null() | pl.col("topic").is_not_null())
    )
    in_use, why = _in_use(of, about, refetched)
    topics = _topics(of, about, limits)
    back = _returned(of)
    replays, conflicts = _replays(of, back), _conflicts(of, back)
    measured = {
        "users_per_topic": round(topics.users, 2),
        "updates_per_s_per_topic": round(topics.often, 3),
        "signals": float(about["signal"].sum()),
        "refetches": float(len(refetched)),
        "refetch_ratio": rounded(per_s(len(refetched), len(of.down))) or 0.0,
        "returns": float(len(back)),
        "replays": float(len(replays)),
        "conflicts": float(len(conflicts)),
    }
    advised, because = _advised(in_use, topics, len(replays), len(conflicts))
    alone = of.sessions["client"].n_unique() < 2 and advised not in (None, "eventual")
    if alone:
        advised, because = in_use, ONE_CLIENT
    costly = (in_use, advised) in COSTLY
    verdict: Judgement = "needed" if costly or advised == "eventual" else "not-needed"
    if alone or advised is None:
        verdict = "not-decidable"
    elif verdict == "not-needed" and advised != in_use:
        because += ", but what is in use brings more than that, and nothing here asks for a change"
    proving = next((rows for rows in (conflicts, replays, refetched) if len(rows)), about)
    return Sync(
        in_use=in_use,
        advised=advised,
        verdict=verdict,
        why=f"{why}; {because}" if because else why,
        confidence=(SURE if len(of.fetches) and not alone else GUESS) if advised else 0.0,
        measured=measured,
        against=_against(advised, seen=len(of.fetches) > 0),
        evidence=proofs(proving, of.formats),
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


def _topics(of: Traffic, about: pl.DataFrame, limits: Limits) -> _Topics:
    """Each topic by its users and updates; where no topic is named, all messages are one."""
    names = of.sessions.select("session", who="client")
    heard = of.messages.filter(pl.col("role").is_in(["app", "subscribe"]))
    if about["topic"].count():
        heard = heard.filter(pl.col("topic").is_not_null())
        about = about.filter(pl.col("topic").is_not_null())
    else:
        heard = heard.with_columns(topic=pl.lit(""))
        about = about.with_columns(topic=pl.lit(""))
    users = (
        heard.join(names, on="session", how="left")
        .group_by("topic")
        .agg(users=pl.col("who").n_unique())
    )
    # A message that goes to several is one update.
    copies = about.group_by("topic", ONE.alias("one")).agg(
        n=pl.len(), to=pl.col("session").n_unique()
    )
    updates = copies.group_by("topic").agg(updates=(pl.col("n") / pl.col("to")).sum())
    each = updates.join(users, on="topic", how="left").with_columns(
        pl.col("users").fill_null(0), often=pl.col("updates") / max(of.span_s, 1e-9)
    )
    if each.is_empty():
        return _Topics(0.0, 0.0, [])
    many = pl.col("users") >= limits.many_users
    busy = pl.col("often") >= limits.often_per_s
    sorts = (
        each.with_columns(
            fits=pl.when(many & busy)
            .then(pl.lit("direct"))
            .when(~many & ~busy)
            .then(pl.lit("invalidation"))
            .otherwise(pl.lit("hybrid"))
        )
        .group_by("fits")
        .agg(topics=pl.len(), updates=pl.col("updates").sum())
        .sort("fits")
    )
    part = (pl.col("topics") >= A_PART * len(each)) | (
        pl.col("updates") >= A_PART * float(each["updates"].sum())
    )
    return _Topics(
        float(each["users"].mean() or 0),  # type: ignore[arg-type]
        float(each["often"].mean() or 0),  # type: ignore[arg-type]
        sorts.filter(part)["fits"].to_list(),
    )


def _returned(of: Traffic) -> pl.DataFrame:
    """Connections of clients that had been away for a while."""
    back = of.sessions.select("client", "session", "opened", "over").sort("opened")
    away = pl.col("opened") - pl.col("over").shift(1).over("client")
    return back.filter(away.dt.total_microseconds() / 1e6 >= AWAY_S)


def _replays(of: Traffic, back: pl.DataFrame) -> pl.DataFrame:
    """Clients that came back and at once sent several messages: one row each, the first of them."""
    early = of.up.drop("client").join(back, on="session")
    early = early.filter(pl.col("at") - pl.col("opened") <= pl.duration(seconds=REPLAY_S))
    counted = early.group_by("session", maintain_order=True).agg(
        pl.len().alias("n"), pl.col("source", "pos").first()
    )
    return counted.filter(pl.col("n") >= REPLAYED)


def _conflicts(of: Traffic, back: pl.DataFrame) -> pl.DataFrame:
    """What was refused to clients that came back, because the thing had changed meanwhile."""
    if back.is_empty():
        return of.messages.select("source", "pos").clear()
    told = of.down.filter(pl.col("event").str.contains("(?i)conflict")).drop("client")
    told = told.join(back, on="session").filter(_soon()).select("source", "pos")
    refused = of.fetches.filter(
        pl.col("method").is_in(WRITES) & pl.col("status").is_in(CONFLICTS)
    ).drop("client")
    refused = refused.join(back, how="cross").filter(_soon()).select("source", "pos").unique()
    return pl.concat([told, refused]).sort("source", "pos")


def _soon() -> pl.Expr:
    return (pl.col("at") - pl.col("opened")).is_between(
        pl.duration(seconds=0), pl.duration(seconds=CONFLICT_S)
    )


def _advised(
    in_use: Strategy, topics: _Topics, replays: int, conflicts: int
) -> tuple[Strategy | None, str]:
    if in_use == "none":
        return None, ""
    told = []
    if replays:
        told.append(
            f"{replays} clients came back after {AWAY_S:.0f} s or more and sent what they had kept"
        )
    if conflicts:
        told.append(f"{conflicts} writes were refused as conflicts after a return")
    if told:
        return "eventual", " and ".join(told)
    numbers = f"{topics.users:.3g} users on a topic, {topics.often:.3g} updates a second on each"
    if topics.fit == ["direct"]:
        return "direct", f"{numbers}: each signal would cost a GET of everybody"
    if topics.fit == ["invalidation"]:
        return "invalidation", f"{numbers}: a signal and a GET after each will do"
    return "hybrid", f"{numbers}: bring what changes often, and signal the rest"


def _against(advised: Strategy | None, *, seen: bool) -> list[str]:
    """What speaks against the answer."""
    told = {
        "invalidation": ["each signal costs a round trip before the change is shown"],
        "direct": ["what is missed while away stays missed: fetch anew after a reconnect"],
        "hybrid": ["two ways to the same cache may overtake each other: compare versions"],
        "eventual": ["where nobody writes what others write, the last write may as well win"],
    }
    unseen = ["whether the page asks again is not seen: there is no plain HTTP in this evidence"]
    return (told.get(advised, []) + ([] if seen else unseen)) if advised else []
