"""The debug method's checklist, decided from evidence alone; absence is never a pass."""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story
from wsdiag.explain.prose import seconds
from wsdiag.report import CheckItem, Verdict

SILENT_S = 50.0
"""Twice the usual ping interval: websockets and uvicorn ping every 20 s, engine.io every 25 s."""

PASS, PARTIAL, FAIL, NOT_DECIDABLE = "PASS", "PARTIAL", "FAIL", "NOT DECIDABLE"


def checklist(frame: pl.DataFrame, verdicts: list[Verdict], story: Story) -> list[CheckItem]:
    """Five items, each with its verdict and why. `frame` are the FINDINGS."""
    marks = {
        mark
        for detector, traits in frame.select("detector", "traits").iter_rows()
        for mark in (detector, *(f"{detector}:{trait}" for trait in traits))
    }
    said = {verdict.detector: verdict for verdict in verdicts}
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
        _heartbeat(marks, int(seen["pings"][0]), int(seen["open"][0]), seen["silence"][0] or 0.0),
        _reconnection(marks, said),
        CheckItem(
            item="connection status indicator in the UI",
            verdict=NOT_DECIDABLE,
            why="logs and captures do not show the page",
        ),
        CheckItem(
            item="fallback polling if WebSocket fails",
            verdict=NOT_DECIDABLE,
            why="no failed upgrade was followed by polling requests in this evidence",
        ),
    ]


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


def _heartbeat(marks: set[str], beating: int, opened: int, silence: float) -> CheckItem:
    item = "heartbeat implemented"
    if beating:
        return CheckItem(item=item, verdict=PASS, why=f"pings on {beating} of {opened} connections")
    if "missed-heartbeat:stated" in marks:
        return CheckItem(item=item, verdict=PASS, why="a log reports a heartbeat timeout")
    if silence >= SILENT_S:
        why = f"the wire shows no ping, and a connection was silent for {seconds(silence)}"
        return CheckItem(item=item, verdict=FAIL, why=why)
    return CheckItem(item=item, verdict=NOT_DECIDABLE, why="no source in this evidence shows pings")


def _reconnection(marks: set[str], said: dict[str, Verdict]) -> CheckItem:
    item = "reconnection with exponential backoff and jitter"
    if "reconnect-storm:no-backoff" in marks:
        return CheckItem(item=item, verdict=FAIL, why="the delays between attempts do not grow")
    storm = said.get("reconnect-storm")
    why = storm.why if storm else "not looked at"
    return CheckItem(
        item=item, verdict=NOT_DECIDABLE, why=f"no run of failed attempts to judge ({why})"
    )
