"""Opinions: one module per fault, each pure, each always giving a verdict.

A connection detector looks at one session's rows at a time; a fleet detector condenses the story
with `summarise` into rows that may be concatenated, and judges those.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import polars as pl

from wsdiag.config import ConfigError
from wsdiag.connections import Story
from wsdiag.detectors import (
    abnormal_close,
    connect_latency,
    connection_refused,
    delivery_gap,
    handshake_rejected,
    idle_cut,
    mass_close,
    max_age,
    message_latency,
    message_too_big,
    missed_heartbeat,
    path_loss,
    protocol_violation,
    reconnect_storm,
    reconnect_time,
    resource_limit,
    server_stall,
    slow_consumer,
    tls_failure,
    token_expiry,
)
from wsdiag.finding import FINDINGS
from wsdiag.report import Outcome, Verdict
from wsdiag.targets import Goals

FEW_EVENTS = 200_000
"""Up to so many events it does not count what the plans of all detectors hold together."""

# Of few rows it is no use to move filters and columns: that takes longer than it saves.
_SHARED_ONCE = pl.QueryOptFlags.none().update(comm_subplan_elim=True)


class Detector(Protocol):
    """What every module here offers. Its docstring is its manual."""

    ID: str
    TITLE: str
    NEEDS: str
    """What the evidence must hold for a verdict, and where to get it; the why of not-applicable."""

    def judged(self, story: Story, targets: Goals, /) -> pl.LazyFrame:
        """One row: `judged`, how many things could be judged; `said`, the sentence for a pass;
        `lacking`, if it is there, why none could, where it is not what NEEDS says."""

    def detect(self, story: Story, targets: Goals, /) -> pl.LazyFrame:
        """FINDINGS; empty when nothing is wrong."""


_TOKEN_EXPIRY: Detector = token_expiry
_MISSED_HEARTBEAT: Detector = missed_heartbeat
_RECONNECT_STORM: Detector = reconnect_storm
_CONNECT_LATENCY: Detector = connect_latency
_MESSAGE_LATENCY: Detector = message_latency
_RECONNECT_TIME: Detector = reconnect_time
_ABNORMAL_CLOSE: Detector = abnormal_close
_HANDSHAKE_REJECTED: Detector = handshake_rejected
_CONNECTION_REFUSED: Detector = connection_refused
_IDLE_CUT: Detector = idle_cut
_MAX_AGE: Detector = max_age
_MASS_CLOSE: Detector = mass_close
_MESSAGE_TOO_BIG: Detector = message_too_big
_SERVER_STALL: Detector = server_stall
_SLOW_CONSUMER: Detector = slow_consumer
_PROTOCOL_VIOLATION: Detector = protocol_violation
_TLS_FAILURE: Detector = tls_failure
_RESOURCE_LIMIT: Detector = resource_limit
_PATH_LOSS: Detector = path_loss
_DELIVERY_GAP: Detector = delivery_gap

DETECTORS: dict[str, Detector] = {
    detector.ID: detector
    for detector in (
        _TOKEN_EXPIRY,
        _MISSED_HEARTBEAT,
        _IDLE_CUT,
        _MAX_AGE,
        _MASS_CLOSE,
        _RECONNECT_STORM,
        _RECONNECT_TIME,
        _CONNECT_LATENCY,
        _MESSAGE_LATENCY,
        _SERVER_STALL,
        _SLOW_CONSUMER,
        _ABNORMAL_CLOSE,
        _MESSAGE_TOO_BIG,
        _PROTOCOL_VIOLATION,
        _TLS_FAILURE,
        _HANDSHAKE_REJECTED,
        _CONNECTION_REFUSED,
        _PATH_LOSS,
        _RESOURCE_LIMIT,
        _DELIVERY_GAP,
    )
}


def chosen(select: Collection[str], ignore: Collection[str]) -> dict[str, Detector]:
    """The detectors to run. Raises `ConfigError` naming an id that does not exist."""
    for name in (*select, *ignore):
        if name not in DETECTORS:
            raise ConfigError(f"unknown detector {name!r}")
    return {
        name: detector
        for name, detector in DETECTORS.items()
        if (not select or name in select) and name not in ignore
    }


def judge(
    story: Story, targets: Goals, detectors: dict[str, Detector]
) -> tuple[pl.DataFrame, list[Verdict]]:
    """Run the detectors: their FINDINGS in one frame, and one verdict for each."""
    plans = [
        (detector.detect(story, targets), detector.judged(story, targets))
        for detector in detectors.values()
    ]
    events = story.events.select(pl.len()).collect(engine="in-memory").item()
    findings = [pl.DataFrame(schema=FINDINGS)]
    verdicts = []
    for detector, result in zip(detectors.values(), _collect(plans, events), strict=True):
        if isinstance(result, pl.exceptions.PolarsError):
            why = f"could not judge: {result}"
            verdicts.append(Verdict(detector=detector.ID, verdict=Outcome.ERROR, why=why))
            continue
        found, judged = result
        findings.append(found)
        verdicts.append(_verdict(detector, found, judged))
    return pl.concat(findings), verdicts


def _collect(
    plans: list[tuple[pl.LazyFrame, pl.LazyFrame]], events: int
) -> list[tuple[pl.DataFrame, pl.DataFrame] | pl.exceptions.PolarsError]:
    """Few events: all plans at once, so that shared parts run once; one by one if a plan fails, so
    that one detector's fault does not silence the others. Many: one by one, so that memory is held
    for one detector only.

    Never streamed: what that engine spends on the nodes of forty plans is half of the time of a
    small diagnosis; on a large one, where processors are busy, it takes ten times as long.
    """
    if events > FEW_EVENTS:
        return [_collect_pair(*pair) for pair in plans]
    try:
        frames = pl.collect_all(
            [plan for pair in plans for plan in pair],
            engine="in-memory",
            optimizations=_SHARED_ONCE,
        )
        return list(zip(frames[::2], frames[1::2], strict=True))
    except pl.exceptions.PolarsError:
        return [_collect_pair(*pair) for pair in plans]


def _collect_pair(
    detect: pl.LazyFrame, judged: pl.LazyFrame
) -> tuple[pl.DataFrame, pl.DataFrame] | pl.exceptions.PolarsError:
    try:
        return detect.collect(engine="in-memory"), judged.collect(engine="in-memory")
    except pl.exceptions.PolarsError as problem:
        return problem


def _verdict(detector: Detector, found: pl.DataFrame, judged: pl.DataFrame) -> Verdict:
    if len(found):
        why = "; ".join(found["message"].to_list())
        return Verdict(detector=detector.ID, verdict=Outcome.BREACH, why=why)
    told = judged.row(0, named=True)
    if not told["judged"]:
        why = told.get("lacking") or detector.NEEDS
        return Verdict(detector=detector.ID, verdict=Outcome.NOT_APPLICABLE, why=why)
    return Verdict(detector=detector.ID, verdict=Outcome.PASS, why=told["said"])
