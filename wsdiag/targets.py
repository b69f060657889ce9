"""Every threshold wsdiag judges by: one frozen struct, the unit in the name, one line each."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Targets(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The defaults; `wsdiag.toml` or `--target NAME=VALUE` overrides each."""

    connect_ms: Annotated[
        float, Meta(gt=0, description="connection latency: first attempt to 101, in milliseconds")
    ] = 100.0
    message_ms: Annotated[
        float, Meta(gt=0, description="message latency: request to its answer, in milliseconds")
    ] = 50.0
    reconnect_s: Annotated[
        float,
        Meta(
            gt=0,
            description="reconnection time: end of a connection to the next 101, in seconds",
        ),
    ] = 30.0
    percentile: Annotated[
        float,
        Meta(
            gt=0,
            le=100,
            description="share of the measurements, in percent, that must meet a latency target",
        ),
    ] = 95.0
