"""The debug method's checklist, decided from evidence alone; absence is never a pass."""

from __future__ import annotations

from typing import Any

import polars as pl

from wsdiag.connections import Story, backoff
from wsdiag.explain.prose import plural, seconds
from wsdiag.report import CheckItem

SILENT_S = 50.0
"""Twice the usual ping interval: websockets and uvicorn ping every 20 s, engine.io every 25 s."""

LONGEST_S = 33.0
"""A wait beyond the target of 30 s, and a tenth for jitter, is no good cap."""

ENOUGH_FAILURES, SHOW_PLAIN_HTTP = 3, ("network", "proxy")
"""After three failed upgrades a client with a fallback would use it."""

TO_ANYBODY = (401, 403, 429)
"""Refusals that polling would meet as well."""

POLLING = "(?i)transport=(polling|longpolling|long_polling|serversentevents)|/longpoll|xhr_"

SPREAD = {
    "present": "with jitter",
    "none": "without jitter",
    "first": "with jitter on the first only",
    None: "and jitter cannot be told from so few",
}

PASS, PARTIAL, FAIL, NOT_DECIDABLE = "PASS", "PARTIAL", "FAIL", "NOT DECIDABLE"


def checklist(frame: pl.DataFrame, story: Story) -> list[CheckItem]:
    """Five items, each with its verdict and why. `frame` are the FINDINGS."""
    marks = {
        mark
        for detector, traits in frame.select("detector", "traits").iter_rows()
        for mark in (detector, *(f"{detector}:{trait}" for trait in traits))
    }
    seen = story.connections.select(
        expiring=(pl.col("was_open") & (pl.col("expires") > pl.col("opened"))).sum(),
        pings=(pl.col("pings") > 0).sum(),
        open=pl.col("was_open").sum(),
        silence=pl.max_horizontal("longest_gap_s", "idle_s")
        .filter(pl.col("vantages").list.contains("network"))
        .max(),
    ).collect()
    return [
        _token(marks, int(seen["expiring"][0])),
        _heartbeat(
            marks,
            int(seen["pings"][0]),
            int(seen["open"][0]),
            seen["silence"][0] or 0.0,
            _pace(story),
        ),
        _reconnection(marks, backoff.law(story.connections).collect().row(0, named=True)),
        _indicator(story),
        _fallback(story),
    ]


def _pace(story: Story) -> float | None:
    """The median time between two pings of one connection, in seconds."""
    gap = pl.col("ts").sort().diff().median().dt.total_microseconds() / 1e6
    paces = (
        story.signs.filter((pl.col("kind") == "ping") & pl.col("session").is_not_null())
        .group_by("session", "source", "conn", "dir")
        .agg(gap.alias("every_s"))
    )
    every = paces.select(pl.col("every_s").median()).collect().item()
    return None if every is None else float(every)


def _token(marks: set[str], expiring: int) -> CheckItem:
    item = "auth token valid at connect"
    if "token-expiry:at-connect" in marks:
        return CheckItem(
            item=item, verdict=FAIL, why="a handshake carried a token that had expired"
        )
    if {"handshake-rejected:status-401", "handshake-rejected:status-403"} & marks:
        return CheckItem(item=item, verdict=FAIL, why="handshakes were answered with 401 or 403")
    if "token-expiry:midstream" in marks:
        return CheckItem(
            item=item, verdict=PARTIAL, why="valid at connect, but it expires during the connection"
        )
    if expiring:
        return CheckItem(
            item=item,
            verdict=PASS,
            why=f"{expiring} connections opened before their token's expiry",
        )
    return CheckItem(item=item, verdict=NOT_DECIDABLE, why="no credential with a readable expiry")


def _heartbeat(
    marks: set[str], beating: int, opened: int, silence: float, every: float | None
) -> CheckItem:
    item = "heartbeat implemented"
    pace = f", every {seconds(every)}" if every else ""
    if "idle-cut:pings-too-slow" in marks:
        why = f"pings on {beating} of {opened} connections{pace}: slower than a timer in the path"
        return CheckItem(item=item, verdict=PARTIAL, why=why)
    if beating:
        why = f"pings on {beating} of {opened} connections{pace}"
        return CheckItem(item=item, verdict=PASS, why=why)
    if "missed-heartbeat:stated" in marks:
        return CheckItem(item=item, verdict=PASS, why="a log reports a heartbeat timeout")
    if silence >= SILENT_S:
        why = f"the wire shows no ping, and a connection was silent for {seconds(silence)}"
        return CheckItem(item=item, verdict=FAIL, why=why)
    return CheckItem(item=item, verdict=NOT_DECIDABLE, why="no source in this evidence shows pings")


def _reconnection(marks: set[str], law: dict[str, Any]) -> CheckItem:
    item = "reconnection with exponential backoff and jitter"
    who = plural(law["clients"], "client")
    named = f"; the waits are those of {law['library']}" if law["library"] else ""
    if law["resets"]:
        verdict, why = FAIL, "the wait begins anew with each connection that opens and dies at once"
    elif law["law"] == "immediate":
        verdict, why = FAIL, f"{who} try again at once ({seconds(law['wait_s'])})"
    elif law["law"] == "fixed":
        verdict, why = FAIL, f"{who} wait equally long each time ({seconds(law['wait_s'])})"
    elif law["law"] == "jittered":
        verdict, why = PARTIAL, f"jitter, but the waits of {who} do not grow"
    elif law["law"] == "growing":
        capped = law["longest_s"] <= LONGEST_S
        verdict = PASS if law["jitter"] == "present" and capped else PARTIAL
        beyond = "" if capped else f", up to {seconds(law['longest_s'])}"
        why = f"the waits of {who} grow{beyond}, {SPREAD[law['jitter']]}{named}"
    elif "reconnect-storm:no-backoff" in marks:
        verdict, why = FAIL, "the delays between attempts do not grow"
    else:
        verdict, why = NOT_DECIDABLE, "too few failed attempts in a row in this evidence"
    return CheckItem(item=item, verdict=verdict, why=why)


def _indicator(story: Story) -> CheckItem:
    """A client that logs each end knows its state; that the page shows it, no log tells."""
    item = "connection status indicator in the UI"
    told = story.signs.filter((pl.col("vantage") == "client") & (pl.col("kind") == "close"))
    ends = told.select(pl.len()).collect().item()
    if ends:
        why = f"the client notices its {plural(ends, 'end')}; look whether the page shows them"
        return CheckItem(item=item, verdict=PARTIAL, why=why)
    why = "logs and captures do not show the page"
    return CheckItem(item=item, verdict=NOT_DECIDABLE, why=why)


def _fallback(story: Story) -> CheckItem:
    """Polling that begins after upgrades failed; socket.io's first polling is no fallback."""
    item = "fallback polling if WebSocket fails"
    upgrade = pl.col("kind") == "rejected"
    failed = story.connections.filter(pl.col("rejected") & ~pl.col("was_open"))
    # Plain requests beside the upgrades would stand in a capture or a proxy's log.
    seen = pl.col("vantages").list.eval(pl.element().is_in(SHOW_PLAIN_HTTP)).list.any()
    shown = seen & ~pl.col("status").is_in(TO_ANYBODY).fill_null(value=False)
    polls = pl.col("kind").is_in(["request", "response"]) & pl.col("name").str.contains(POLLING)
    since = story.signs.filter(upgrade).select(since=pl.col("ts").min())
    after = (
        story.signs.filter(polls)
        .join(since, how="cross")
        .filter(pl.col("ts") > pl.col("since"))
        .select(polls=pl.len(), answered=(pl.col("code") == 200).sum())
    )
    tries, later = pl.collect_all([failed.select(pl.len(), shown=shown.sum()), after])
    if tries["len"][0] == 0:
        why = "no upgrade failed in this evidence"
        return CheckItem(item=item, verdict=NOT_DECIDABLE, why=why)
    if later["answered"][0] >= 2:
        why = f"after a failed upgrade {later['answered'][0]} polling requests were answered"
        return CheckItem(item=item, verdict=PASS, why=why)
    verdict = FAIL if tries["shown"][0] >= ENOUGH_FAILURES else NOT_DECIDABLE
    why = f"{plural(tries['len'][0], 'upgrade')} failed, and no polling that works is seen after it"
    return CheckItem(item=item, verdict=verdict, why=why)
