"""Hold a message to the reference shape, and a topic to its naming.

The reference: `topic` ("resource:id"), `event` (ADDED, UPDATED, DELETED, STATUS_CHANGED), `data`
with `entity_id`, `payload`, `timestamp` and perhaps `user_id`; perhaps `trace_id`.
"""

from __future__ import annotations

import re
from datetime import datetime

EVENTS = frozenset({"ADDED", "UPDATED", "DELETED", "STATUS_CHANGED"})

TOPIC = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*:[A-Za-z0-9][A-Za-z0-9._~-]*$")
"""`gift-list:family-123`: a resource type in lower case, a colon, an identifier."""

_MAIL = re.compile(r"[^\s@:/]+@[^\s@:/]+\.[a-z]{2,}", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w-])\+\d{8,15}(?!\w)")
_CARD = re.compile(r"(?<!\w)\d{3}-\d{2}-\d{4}(?!\w)")

NO_ZONE, NO_TIME = "timestamp without zone", "timestamp is no time"


def deviations(topic: str | None, event: str | None, data: object) -> list[str]:
    """What of the reference shape a message lacks, in fixed words that hold nothing of it."""
    found = []
    if topic is None:
        found.append("no topic")
    elif not TOPIC.match(topic):
        found.append("topic is not resource:identifier")
    if event is None:
        found.append("no event")
    elif event not in EVENTS:
        found.append("event is none of ADDED, UPDATED, DELETED, STATUS_CHANGED")
    if not isinstance(data, dict):
        return [*found, "no data object"]
    if not isinstance(data.get("entity_id"), str | int):
        found.append("no data.entity_id")
    if "payload" not in data:
        found.append("no data.payload")
    if "timestamp" not in data:
        found.append("no data.timestamp")
    elif fault := time_fault(data["timestamp"]):
        found.append(f"data.{fault}")
    return found


def time_fault(value: object) -> str | None:
    """What is wrong with a timestamp; a number counts from an epoch and needs no zone."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        return NO_TIME
    return NO_ZONE if moment.tzinfo is None else None


def topic_fault(topic: str) -> str | None:
    """What is wrong with a topic's name, None where nothing is."""
    if _MAIL.search(topic) or _PHONE.search(topic) or _CARD.search(topic):
        return "holds personal data"
    if TOPIC.match(topic):
        return None
    if ":" not in topic:
        return "no colon between resource type and identifier"
    kind = topic.partition(":")[0]
    if kind != kind.lower() or "_" in kind:
        return "the resource type is not in lower case with hyphens"
    return "not resource-type:identifier"
