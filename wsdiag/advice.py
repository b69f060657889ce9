"""The Review: everything any view of a review may say (`wsdiag.review/1`)."""

from __future__ import annotations

from typing import Literal

import msgspec

from wsdiag.limits import Limits
from wsdiag.report import CheckItem, Input, Redaction, Window

SCHEMA = "wsdiag.review/1"

Choice = Literal["websocket", "sse", "polling", "websocket+fallback"]
Strategy = Literal["invalidation", "direct", "hybrid", "eventual", "none"]
Judgement = Literal["needed", "not-needed", "not-decidable"]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Where a number comes from: a proof pointer, and what stands there, redacted."""

    source: str
    pos: int
    pointer: str
    excerpt: str = ""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a way to deliver costs in an hour of one client, as measured or as reckoned from it."""

    way: str
    connection_minutes: float
    messages: float
    heartbeats: float
    requests: float
    bytes: float


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """Which protocol fits the traffic of a path; `choice` is null where that cannot be decided.

    `costs` compares WebSocket as measured with the alternatives; `against` speaks against it.
    """

    path: str | None
    choice: Choice | None
    verdict: Judgement
    why: str
    confidence: float
    measured: dict[str, float]
    costs: list[Cost]
    against: list[str]
    evidence: list[Proof]


class Sync(msgspec.Struct, frozen=True, kw_only=True):
    """How clients keep their state: what they do, and what fits the users and updates of topics.

    `verdict` is needed only where the difference costs something that is seen.
    """

    in_use: Strategy
    advised: Strategy | None
    verdict: Judgement
    why: str
    confidence: float
    measured: dict[str, float]
    against: list[str]
    evidence: list[Proof]


class Optimisation(msgspec.Struct, frozen=True, kw_only=True):
    """One optimisation, judged by its metric against its threshold; `saving` in words."""

    id: str
    verdict: Judgement
    metric: str
    measured: float | None
    threshold: float
    unit: str
    saving: str
    why: str
    confidence: float
    against: list[str]
    evidence: list[Proof]


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which messages of an event differ from the reference or the schema.

    `shape` is the payload of the example: names, masked, and types.
    """

    event: str
    what: str
    count: int
    share: float
    shape: str
    example: Proof


class TopicFault(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which topics are not named `resource-type:identifier`."""

    what: str
    topics: int
    messages: int
    example: str
    evidence: Proof


class EventKind(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is measured: how often, how large, how many shapes."""

    event: str
    topic: str
    envelope: str
    direction: str
    trigger: str
    payload: str
    messages: int
    per_s: float
    median_bytes: float
    conforming_share: float
    traced_share: float
    shapes: int
    drifting: bool


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """How messages are built, held to `reference`: the reference shape, or the user's schema."""

    reference: str
    messages: int
    conforming_share: float | None
    traced_share: float | None
    unzoned: int
    deviations: list[Deviation]
    topic_violations: list[TopicFault]
    kinds: list[EventKind]
    envelopes: dict[str, int]


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic: who receives it, how much, and whether anybody reacts to it."""

    topic: str
    subscribers: int
    messages: int
    deliveries: int
    bytes: int
    per_s: float
    reacted: bool | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Publish to delivery in milliseconds, of messages that are seen both ways."""

    n: int = 0
    p50: float | None = None
    p95: float | None = None


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """Publish and subscribe as the traffic shows it; `topics` are the busiest."""

    verdict: Judgement
    why: str
    confidence: float
    topics: list[Topic]
    hot: list[str]
    unread: list[str]
    fan_out: float | None
    against: list[str]
    evidence: list[Proof]


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers behind the answers; null where the evidence does not show them."""

    connections: int
    clients: int
    connection_minutes: float
    span_s: float
    messages_per_s_per_client: float | None
    c2s_app_messages: int
    s2c_app_messages: int
    heartbeats: int
    median_payload_bytes: float | None
    bytes_per_s: float | None
    topics: int
    subscribers_per_topic: float | None
    unused_share: float | None
    refetches: int
    refetch_ratio: float | None
    overlap: float | None
    publish_to_delivery_ms: Delivery
    idle_share: float | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to build or change, and what in the evidence asks for it."""

    title: str
    why: str
    text: str


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What the traffic answers. `protocol` is that of the busiest path, `paths` has them all.

    `collect` says what would decide the open questions, `remarks` what was left out.
    """

    schema: str = SCHEMA
    feature: str
    protocol: Protocol
    paths: list[Protocol]
    sync: Sync
    optimisations: list[Optimisation]
    events: Events
    topology: Topology
    facts: Measures
    stacks: list[str]
    steps: list[Step]
    checklist: list[CheckItem]
    collect: list[str]
    remarks: list[str]


class Review(Answers, frozen=True, kw_only=True):
    """The answers, and what they were read from."""

    tool: str
    window: Window
    inputs: list[Input]
    redactions: list[Redaction]
    redacted: bool = True
    limits: Limits = Limits()
