"""Every threshold of a review: one frozen struct, the unit in the name, one line each.

`origin` says where a number comes from; one without is a starting point of our own.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The defaults; the table `[review]` of `wsdiag.toml` overrides each."""

    poll_below_per_min: Annotated[
        Positive,
        Meta(description="fewer updates a minute for each connection than this: polling will do"),
    ] = 1.0
    poll_minutes: Annotated[
        Positive,
        Meta(description="connection-minutes that must be seen before polling is advised"),
    ] = 10.0
    sse_updates: Annotated[
        Positive,
        Meta(description="updates from the server that must be seen before SSE is advised"),
    ] = 20
    handshake_failure_share: Annotated[
        Share,
        Meta(description="share of upgrades that fail on the way, from which a fallback is needed"),
    ] = 0.02
    network_changes_per_hour: Annotated[
        Positive,
        Meta(description="connections lost without a Close, or times offline, an hour: unstable"),
    ] = 2.0
    mobile_share: Annotated[
        Share, Meta(description="share of mobile browsers from which a fallback is needed")
    ] = 0.3
    hidden_share: Annotated[
        Share,
        Meta(
            description="share of the time that pages are hidden from which a fallback is needed",
            extra={"origin": "Chrome runs the timers of a hidden page once a minute"},
        ),
    ] = 0.3
    many_users: Annotated[
        Positive, Meta(description="users on one topic from which on it counts as many")
    ] = 10
    often_per_s: Annotated[
        Positive,
        Meta(
            description="messages a second on one topic from which on it is often",
            extra={"origin": "a GET for each update would be one a second of everybody"},
        ),
    ] = 1.0
    burst_gets: Annotated[
        Positive,
        Meta(description="GETs of one URL within a second after a message: not debounced"),
    ] = 3
    burst_share: Annotated[
        Share,
        Meta(description="share of message bursts followed by repeated GETs of one URL"),
    ] = 0.2
    overlap: Annotated[
        Share,
        Meta(description="share of a GET's fields that the message had brought already"),
    ] = 0.8
    refetch_ms: Annotated[
        Positive,
        Meta(
            description="a refetch that takes longer at the median is worth saving",
            extra={"origin": "the target for messages: what takes longer is felt"},
        ),
    ] = 50.0
    refetch_per_s: Annotated[
        Positive, Meta(description="refetches a second that are worth saving however fast they are")
    ] = 1.0
    batch_frames_per_s: Annotated[
        Positive,
        Meta(
            description="messages a second to one client, kept up for 5 s",
            extra={"origin": "a screen at 60 Hz shows no more"},
        ),
    ] = 60.0
    batch_gap_ms: Annotated[
        Positive,
        Meta(
            description="median time between messages below one animation frame",
            extra={"origin": "one frame at 60 Hz is 16.7 ms"},
        ),
    ] = 16.0
    small_bytes: Annotated[
        Positive,
        Meta(
            description="a message shorter than this is small",
            extra={"origin": "headers of TCP, IP and TLS are half as long"},
        ),
    ] = 200.0
    unused_share: Annotated[
        Share, Meta(description="share of received messages that the client never refers to")
    ] = 0.5
    topics_per_client: Annotated[
        Positive,
        Meta(description="topics beyond which a client may hear of more than it shows"),
    ] = 10
    hot_bytes_share: Annotated[
        Share, Meta(description="share of the bytes that a fifth of the topics brings")
    ] = 0.8
    compress_bytes: Annotated[
        Positive,
        Meta(
            description="median text above which compression pays",
            extra={"origin": "the default of `ws` and Socket.IO: less costs more than it saves"},
        ),
    ] = 1024.0
    compress_bytes_per_s: Annotated[
        Positive, Meta(description="bytes a second of text above which compression pays")
    ] = 100_000.0
    delta_same_share: Annotated[
        Share, Meta(description="share of a message that repeats the one before of its kind")
    ] = 0.9
    delta_bytes_per_s: Annotated[
        Positive, Meta(description="bytes a second that patches must save to be worth it")
    ] = 1000.0
    throttle_per_s: Annotated[
        Positive,
        Meta(
            description="messages of one type that one client sends in a second",
            extra={"origin": "one message each 50 ms, the target for messages"},
        ),
    ] = 20.0
    delivery_ms: Annotated[
        Positive,
        Meta(
            description="publish to delivery, 95th percentile, in milliseconds",
            extra={"origin": "the target for messages"},
        ),
    ] = 50.0
    drift_share: Annotated[
        Share, Meta(description="share of an event's messages that contradict its usual shape")
    ] = 0.05
    topics_per_kind: Annotated[
        Positive, Meta(description="topics of one resource type beyond which they may be endless")
    ] = 1000
    kilobytes_per_subscription: Annotated[
        Positive, Meta(description="server memory for each connection, in KiB, that is a lot")
    ] = 256.0
