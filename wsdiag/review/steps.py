"""The implementation steps: each only where the evidence asks for it, in words and code.

The prose stands in steps.toml; a step may have code for each stack, and one for any.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from wsdiag.advice import Events, Optimisation, Protocol, Step, Sync, Topology
from wsdiag.report import CheckItem

__all__ = ["Step", "steps"]

UNFIT = {"auth on connect": ("FAIL", "PARTIAL"), "heartbeat": ("FAIL", "PARTIAL")}
"""Verdicts that ask for a step; of the other items only a failure does."""

TRIED = 0.1
"""Where so many messages have the reference shape, the others are meant to have it."""


def steps(
    protocol: Protocol,
    sync: Sync,
    optimisations: Sequence[Optimisation],
    events: Events,
    topology: Topology,
    checklist: Sequence[CheckItem],
    stacks: frozenset[str],
) -> list[Step]:
    """The steps in the order in which they are done: the wire, the server, the client."""
    asked: list[tuple[str, str]] = []
    if protocol.choice in ("sse", "polling"):
        asked.append((protocol.choice, protocol.why))
    if protocol.choice == "websocket+fallback":
        asked.append(("fallback", protocol.why))
    unfit = {one.item: one for one in checklist if one.verdict in UNFIT.get(one.item, ("FAIL",))}
    for item, step in _OF_ITEM.items():
        if item in unfit and (step, "") not in asked:
            asked.append((step, f"{item}: {unfit[item].why}"))
    asked += _of_topics(topology)
    if sync.verdict == "needed" and sync.advised:
        asked.append((f"sync-{sync.advised}", sync.why))
    asked += [(one.id, one.why) for one in optimisations if one.verdict == "needed"]
    asked += _of_events(events)
    done: dict[str, Step] = {}
    for id_, why in asked:
        if id_ not in done:
            done[id_] = _step(id_, why, stacks)
    return list(done.values())


_OF_ITEM = {
    "auth on connect": "auth",
    "heartbeat": "heartbeat",
    "reconnection logic": "reconnection",
    "fallback polling": "fallback",
}


def _of_topics(topology: Topology) -> list[tuple[str, str]]:
    return [("delivery", topology.why)] if topology.verdict == "needed" else []


def _of_events(events: Events) -> list[tuple[str, str]]:
    """Mending the events is asked for where most are meant to have the shape that some lack."""
    asked = []
    share = events.conforming_share
    meant = events.reference != REFERENCE or (share or 0) >= TRIED
    if share is not None and share < 1 and meant:
        worst = events.deviations[0]
        why = f"{share:.1%} of {events.messages} messages conform; most often: {worst.what}"
        asked.append(("event-shape", why))
    private = [one for one in events.topic_violations if one.what == "holds personal data"]
    if private:
        asked.append(("topic-privacy", f"{private[0].topics} topics hold personal data"))
    drifting = [kind.event for kind in events.kinds if kind.drifting]
    if drifting:
        asked.append(("drift", f"{', '.join(drifting[:3])}: several shapes of one event"))
    return asked


REFERENCE = "the reference shape"


@cache
def _written() -> dict[str, Any]:
    text = files("wsdiag").joinpath("review", "steps.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _step(id_: str, why: str, stacks: frozenset[str]) -> Step:
    told = _written()[id_]
    code = told.get("code", {})
    names = [name for name in code if name in stacks] or [name for name in code if name == "any"]
    text = "\n\n".join([told["text"].strip(), *(code[name].strip() for name in names[:2])])
    return Step(title=told["title"], why=why, text=text)
