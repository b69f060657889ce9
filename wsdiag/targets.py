"""Every threshold wsdiag judges by: one frozen struct, the unit in the name, one line each."""

from __future__ import annotations

import re
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


class Goals(Targets, frozen=True, kw_only=True):
    """The targets, and those of connections whose path fits a pattern: the first that fits counts.

    In a pattern `*` stands for anything and `?` for one character; the path has no query.
    """

    paths: tuple[tuple[str, Targets], ...] = ()


def expression(glob: str) -> str:
    """A path pattern as a regular expression that both Python's `re` and Rust's `regex` read."""
    signs = {"*": ".*", "?": "."}
    return f"^{''.join(signs.get(sign) or re.escape(sign) for sign in glob)}$"
