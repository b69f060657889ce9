"""The traffic of a review, gathered from what was noted: each connection once, on one clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from wsdiag.clocks.fit import Clock
from wsdiag.connections import Story, memory
from wsdiag.contents import Notebook
from wsdiag.review.traffic import Traffic

WHOSE = pl.concat_str(pl.col("source"), pl.col("client").fill_null(""), separator=" ")
"""Who spoke or asked, in the words of the input that saw it."""

CHOSEN = (301, 302, 307, 308, 400, 401, 403, 404, 429, 500, 503)
"""Answers of a server that it would give to polling as well: no fallback helps."""


def gathered(
    story: Story,
    notebook: Notebook,
    clocks: Mapping[str, Clock],
    formats: Mapping[str, str],
    stacks: frozenset[str],
    window: tuple[datetime | None, datetime | None] = (None, None),
) -> Traffic:
    """All that was noted, of each connection as one place saw it best."""
    events = story.events.with_columns(pl.col("source").cast(pl.String))
    noted = notebook.messages()
    hands = notebook.handshakes()
    legs = _legs(events, noted)
    messages = _timed(noted, clocks, window).join(legs, on=["source", "conn"], how="inner")
    messages = messages.join(
        hands.select("source", "conn", "client").unique(["source", "conn"]),
        on=["source", "conn"],
        how="left",
    ).sort("at", "source", "pos", nulls_last=True, maintain_order=True)
    messages = messages.with_columns(whose=WHOSE)
    table = story.connections.collect()
    pages = events.filter((pl.col("kind") == "page") & pl.col("ts").is_not_null()).collect()
    used = set(legs["source"].unique())
    fetches = _fetches(_timed(notebook.fetches(), clocks, window), hands, legs, used)
    fetches = _attributed(fetches, messages)
    sessions = _sessions(table, messages, hands, legs)
    spoken = messages["envelope"].replace("json", None).unique()
    if notebook.cut:
        end = messages.filter(pl.col("source").is_in(notebook.cut))["at"].max()
        if isinstance(end, datetime):
            sessions = _until(sessions, end)
            fetches = fetches.filter((pl.col("at") <= end).fill_null(value=True))
    return Traffic(
        messages=messages,
        fetches=fetches,
        sessions=sessions,
        tries=table.filter(pl.col("was_open") | pl.col("rejected") | pl.col("refused")).select(
            "path", failed=_failed_on_the_way() & ~pl.col("was_open")
        ),
        stacks=stacks.union(hands["stack"].drop_nulls(), spoken.drop_nulls()),
        cut=notebook.cut,
        vantages=frozenset(table["vantages"].explode().drop_nulls()),
        formats=formats,
        memory=memory.cost(story.events, story.connections).collect().row(0, named=True),
        went_offline=int((pages["reason"] == "page offline").sum()),
        hidden_s=_hidden_s(pages, sessions),
        samples=events.filter((pl.col("kind") == "memory") & pl.col("bytes").is_not_null())
        .select("source", "pos")
        .collect(),
    )


def _until(sessions: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """The connections as far as their messages were looked into: rates are of that time."""
    over = pl.min_horizontal("over", pl.lit(end, sessions.schema["over"]))
    took = (over - pl.col("opened")).dt.total_microseconds() / 1e6
    return sessions.filter(pl.col("opened") <= end).with_columns(
        over=over, seconds=took.clip(0).fill_null(0.0)
    )


def _hidden_s(pages: pl.DataFrame, sessions: pl.DataFrame) -> float:
    """For how long of the connections' time their page was hidden or frozen; each source with
    states of a page tells of one page."""
    opened, over = sessions["opened"].min(), sessions["over"].max()
    if pages.is_empty() or opened is None or over is None:
        return 0.0
    until = pl.col("ts").shift(-1).over("source").fill_null(pl.lit(over))
    away = (
        pages.filter(pl.col("reason").is_in(["page hidden", "page frozen", "page visible"]))
        .sort("ts")
        .select("reason", since=pl.max_horizontal("ts", pl.lit(opened)), until=until)
        .filter(pl.col("reason") != "page visible")
    )
    took = (away["until"] - away["since"]).dt.total_microseconds() / 1e6
    return float(took.clip(0).sum())


def _failed_on_the_way() -> pl.Expr:
    """An upgrade that something in the path did not let through; a refusal of the user is none."""
    refused_by_choice = pl.col("status").is_in(CHOSEN)
    return pl.col("rejected") & ~refused_by_choice.fill_null(value=False)


def _legs(events: pl.LazyFrame, noted: pl.DataFrame) -> pl.DataFrame:
    """The sighting of each session that saw most: session, source, conn."""
    counted = noted.group_by("source", "conn").agg(noted=pl.len())
    said = pl.col("kind").is_in(["message", "subscribe", "unsubscribe"])
    return (
        events.filter(pl.col("session").is_not_null() & pl.col("conn").is_not_null())
        .group_by("session", "source", "conn")
        .agg(
            first=pl.col("ts").min(),
            said=said.sum(),
            wire=(pl.col("vantage") == "network").any(),
        )
        .collect()
        .join(counted, on=["source", "conn"], how="left")
        .with_columns(pl.col("noted").fill_null(0))
        .sort(
            ["noted", "said", "wire", "first", "source", "conn"],
            descending=[True, True, True, False, False, False],
            nulls_last=True,
        )
        .unique("session", keep="first", maintain_order=True)
        .select("session", "source", "conn")
    )


def _timed(
    rows: pl.DataFrame,
    clocks: Mapping[str, Clock],
    window: tuple[datetime | None, datetime | None],
) -> pl.DataFrame:
    """The rows with `at`, the time on the reference's clock, within the window asked for."""
    at = pl.col("ts").cast(pl.Datetime("us", "UTC"))
    moving = {name: clock for name, clock in clocks.items() if clock.moves}
    if moving:
        ahead = pl.coalesce(
            pl.when(pl.col("source") == name).then(clock.ahead_ms(at))
            for name, clock in moving.items()
        ).fill_null(0.0)
        at = at - pl.duration(microseconds=(ahead * 1000).round().cast(pl.Int64))
    rows = rows.with_columns(at=at)
    since, until = window
    if since is not None:
        rows = rows.filter((pl.col("at") >= since).fill_null(value=True))
    if until is not None:
        rows = rows.filter((pl.col("at") <= until).fill_null(value=True))
    return rows


def _fetches(
    rows: pl.DataFrame, hands: pl.DataFrame, legs: pl.DataFrame, used: set[str]
) -> pl.DataFrame:
    """Each plain exchange once: of the inputs that saw the sockets, and of the hosts that did."""
    seen = rows.filter(pl.col("source").is_in(sorted(used)))
    rows = seen if len(seen) else rows
    at = hands.join(legs, on=["source", "conn"], how="semi").select("source", "client").unique()
    of_clients = rows.join(at, on=["source", "client"], how="semi")
    rows = of_clients if len(of_clients) else rows
    if rows["source"].n_unique() > 1:
        most = rows.group_by("source").len().sort("len", "source", descending=[True, False])
        rows = rows.filter(pl.col("source") == most["source"][0])
    return rows.sort("at", "pos", nulls_last=True, maintain_order=True)


def _attributed(fetches: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """The exchanges with `whose`; those that only a log without messages tells of belong to the
    client of the same address, else to the only one that there is, and are left out else."""
    fetches = fetches.with_columns(whose=WHOSE)
    heard = messages.select("source", "client", "whose").unique()
    foreign = ~pl.col("source").is_in(heard["source"].to_list())
    if fetches.filter(foreign).is_empty() or heard.is_empty():
        return fetches
    own = heard.drop_nulls("client").unique("client", keep="none").select("client", its="whose")
    only = heard["whose"][0] if len(heard) == 1 else None
    named = fetches.join(own, on="client", how="left", maintain_order="left")
    whose = pl.when(foreign).then(pl.coalesce("its", pl.lit(only, pl.String))).otherwise("whose")
    return named.with_columns(whose=whose).drop("its").filter(pl.col("whose").is_not_null())


def _sessions(
    table: pl.DataFrame, messages: pl.DataFrame, hands: pl.DataFrame, legs: pl.DataFrame
) -> pl.DataFrame:
    over = pl.coalesce("ended", "closed", "last_seen")
    client = pl.coalesce("user", "client", "session")
    opened = pl.coalesce("opened", "first")
    lived = table.filter(pl.col("was_open") | (pl.col("messages_c2s") + pl.col("messages_s2c") > 0))
    rows = lived.select(
        "session",
        "user",
        "path",
        client=client,
        opened=opened,
        over=over,
        seconds=((over - opened).dt.total_microseconds() / 1e6).clip(0).fill_null(0.0),
        c2s="messages_c2s",
        s2c="messages_s2c",
        beats=pl.col("pings") + pl.col("pongs"),
        clean=pl.col("code").is_not_null() & (pl.col("code") != 1006) | ~pl.col("gone"),
        vantages="vantages",
    ).sort("opened", "session", nulls_last=True)
    known = legs.join(hands, on=["source", "conn"], how="left")
    about = known.select("session", "deflate", "mobile", hand_path="path").unique("session")
    beats = (
        messages.filter(pl.col("role") == "heartbeat").group_by("session").agg(more_beats=pl.len())
    )
    next_opened = pl.col("opened").shift(-1).over("client")
    return (
        rows.join(about, on="session", how="left", maintain_order="left")
        .join(beats, on="session", how="left", maintain_order="left")
        .with_columns(
            path=pl.coalesce("path", "hand_path"),
            beats=pl.col("beats") + pl.col("more_beats").fill_null(0),
            back=(next_opened - pl.col("over")).dt.total_microseconds() / 1e6,
        )
        .drop("hand_path", "more_beats")
    )
