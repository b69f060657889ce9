"""Which protocol fits: WebSocket, server-sent events, polling, or WebSocket with a fallback.

Both ways and at once needs a WebSocket. Where clients only listen, server-sent events do the same
with less; where less than one update a minute comes, asking does. Traffic shows what is used, not
what is needed, so no answer is surer than 0.7.
"""

from __future__ import annotations

import polars as pl

from wsdiag.advice import Choice, Cost, Judgement, Protocol
from wsdiag.limits import Limits
from wsdiag.review.proofs import proofs
from wsdiag.review.rates import gaps_ms, median, per_s
from wsdiag.review.traffic import Traffic

SURE, LIKELY, GUESS = 0.7, 0.6, 0.4
POLL_BYTES, POLL_EVERY_S = 800, 30.0
"""An HTTP request and its answer without a body, headers of a browser's size; and how often."""
SSE_FRAME_BYTES = 8
"""`data: ` and the empty line that ends an event (WHATWG HTML, server-sent events)."""
FEW_UPDATES = 2
"""Where not even so many updates are seen, it is not known whether any come."""
A_MINUTE_S = 57.0
"""A minute, as timers keep it."""
FIRST_S = 10
"""A client's only message, so soon after the opening, is taken for a subscription."""
FEW_UNSTABLE = 3
"""So many failures at least, before a share of them says anything."""


def paths(whole: Traffic, limits: Limits) -> list[Protocol]:
    """The answer for each path, the busiest first."""
    found = whole.sessions.group_by("path").agg(
        n=pl.len(), said=(pl.col("c2s") + pl.col("s2c")).sum(), lived=pl.col("seconds").sum()
    )
    ranked = found.sort("said", "lived", "path", descending=[True, True, False], nulls_last=True)
    return [protocol(whole.of(path), path, limits) for path in ranked["path"]]


def protocol(of: Traffic, path: str | None, limits: Limits) -> Protocol:
    """The answer for one path."""
    up, down, minutes = len(of.up), len(of.down), of.seconds / 60
    said = int(of.sessions.select(pl.col("c2s") + pl.col("s2c")).to_series().sum())
    rate = per_s(down, minutes)
    measured = {
        "connections": float(len(of.sessions)),
        "connection_minutes": round(minutes, 2),
        "c2s_app_messages": float(up),
        "s2c_app_messages": float(down),
        "updates_per_min_per_client": round(rate, 3),
        "heartbeats": float(of.sessions["beats"].sum()),
    }
    choice, why, sure, against, proving = _choice(of, said, limits)
    unstable = _unstable(of, limits)
    if choice == "websocket" and unstable:
        choice, why = "websocket+fallback", f"{why}; {unstable}"
    verdict: Judgement = (
        "not-decidable" if choice is None else "not-needed" if choice == "websocket" else "needed"
    )
    return Protocol(
        path=path,
        choice=choice,
        verdict=verdict,
        why=why,
        confidence=sure,
        measured=measured,
        costs=_costs(of) if choice else [],
        against=against,
        evidence=proofs(proving, of.formats),
    )


def _choice(
    of: Traffic, said: int, limits: Limits
) -> tuple[Choice | None, str, float, list[str], pl.DataFrame]:
    up, down, minutes = _beyond_the_first(of), of.down, of.seconds / 60
    if said and of.messages.is_empty():
        why = (
            "messages are counted but not readable in this evidence: collect a capture "
            "(with --keylog where it is TLS) or a HAR of the browser"
        )
        return None, why, 0.0, [], of.messages
    if of.messages["envelope"].null_count() * 2 > max(len(of.messages), 1):
        why = (
            "most messages are binary or of no known shape, so that what the application says "
            "cannot be told from heartbeats: log its messages as JSON, or describe them"
        )
        return None, why, 0.0, [], of.messages
    if len(up):
        talkers, said_up = up["session"].n_unique(), len(of.up)
        why = (
            f"both sides talk: {talkers} of {len(of.sessions)} connections sent {said_up} messages "
            f"of the application, {len(down)} came from the server"
        )
        return "websocket", why, SURE, _posted(of), up
    rate = per_s(len(down), minutes)
    gap_s = (median(gaps_ms(down, "session")) or 0.0) / 1000
    seldom = rate < limits.poll_below_per_min or gap_s * limits.poll_below_per_min >= A_MINUTE_S
    if len(down) >= FEW_UPDATES and minutes >= limits.poll_minutes and seldom:
        why = (
            f"{rate:.2g} updates a minute for each client over {minutes:.0f} connection-minutes, "
            "and nothing from the client"
        )
        against = ["an update that must arrive within seconds still needs a push"]
        return "polling", why, LIKELY, against, down
    if len(down) >= limits.sse_updates:
        asks = len(of.messages.filter(pl.col("role") == "subscribe"))
        but = f" but subscriptions ({asks})" if asks else ""
        why = f"{len(down)} messages from the server and nothing from clients{but}"
        against = [
            "a browser keeps at most six HTTP/1.1 connections to a host: serve it over HTTP/2",
            "proxies that buffer responses delay events, and some CDNs do not pass them",
        ]
        return "sse", why, LIKELY, against, down
    why = (
        f"{len(down)} messages of the application in {minutes:.1f} connection-minutes are too few "
        f"to tell: collect usual traffic, at least {limits.poll_minutes:.0f} connection-minutes or "
        f"{limits.sse_updates:.0f} updates"
    )
    return None, why, 0.0, [], down


def _posted(of: Traffic) -> list[str]:
    """Against a WebSocket: with how many requests the same would go without one."""
    hourly = per_s(len(of.up), of.seconds / 3600)
    return [
        f"server-sent events and {hourly:,.0f} POSTs an hour for each client would carry the same, "
        "a round trip later"
    ]


def _beyond_the_first(of: Traffic) -> pl.DataFrame:
    """What clients say, but for one word each at the beginning: it asks for what is to come."""
    opened = of.sessions.select("session", "opened")
    said = of.up.join(opened, on="session", how="left", maintain_order="left").with_columns(
        alone=pl.len().over("session") == 1
    )
    early = pl.col("at") - pl.col("opened") <= pl.duration(seconds=FIRST_S)
    return said.filter(~(pl.col("alone") & early.fill_null(value=False)))


def _unstable(of: Traffic, limits: Limits) -> str:
    """Why a fallback is needed, empty where nothing shows that."""
    reasons = []
    tried, failed = len(of.tries), int(of.tries["failed"].sum())
    if failed >= FEW_UNSTABLE and failed >= limits.handshake_failure_share * tried:
        reasons.append(f"{failed} of {tried} upgrades failed on the way")
    hours, seen = of.seconds / 3600, of.seconds >= 60 * limits.poll_minutes
    lost = of.sessions.filter(~pl.col("clean"))
    if seen and len(lost) >= FEW_UNSTABLE and lost["client"].n_unique() >= 2:
        rate = per_s(len(lost), hours)
        if rate >= limits.network_changes_per_hour:
            reasons.append(
                f"{len(lost)} connections were lost without a Close, {rate:.1f} an hour of use"
            )
    changes = of.went_offline
    if (
        seen
        and changes >= FEW_UNSTABLE
        and per_s(changes, hours) >= limits.network_changes_per_hour
    ):
        reasons.append(
            f"browsers were offline {changes} times, {per_s(changes, hours):.1f} an hour of use"
        )
    hidden = of.hidden_s / of.seconds if of.seconds > 0 else 0.0
    if seen and hidden >= limits.hidden_share:
        reasons.append(f"pages were hidden or frozen for {hidden:.0%} of the time")
    known = of.sessions["mobile"].drop_nulls()
    if len(known) >= FEW_UNSTABLE and known.sum() >= limits.mobile_share * len(known):
        reasons.append(f"{known.sum()} of {len(known)} clients are mobile browsers")
    return "; ".join(reasons)


def _costs(of: Traffic) -> list[Cost]:
    """What an hour of one client costs: as measured, and by other ways to deliver the same."""
    hours = of.seconds / 3600
    if hours <= 0:
        return []
    down, up = len(of.down) / hours, len(of.up) / hours
    size = float(of.down["size"].mean() or 0)  # type: ignore[arg-type]
    wire = float(of.messages["bytes"].sum()) / hours
    beats = float(of.sessions["beats"].sum()) / hours
    polls = 3600 / POLL_EVERY_S
    return [
        Cost(
            way="websocket",
            connection_minutes=60.0,
            messages=round(down + up, 1),
            heartbeats=round(beats, 1),
            requests=0.0,
            bytes=round(wire + beats * 4, 0),
        ),
        Cost(
            way="sse",
            connection_minutes=60.0,
            messages=round(down, 1),
            heartbeats=0.0,
            requests=round(up, 1),
            bytes=round(down * (size + SSE_FRAME_BYTES) + up * POLL_BYTES, 0),
        ),
        Cost(
            way="polling",
            connection_minutes=0.0,
            messages=0.0,
            heartbeats=0.0,
            requests=round(polls + up, 1),
            bytes=round(polls * POLL_BYTES + min(down, polls) * size + up * POLL_BYTES, 0),
        ),
    ]
