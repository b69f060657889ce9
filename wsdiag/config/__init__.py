"""What the user may set: `wsdiag.toml`, environment variables, and flags over both."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import isfinite
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from wsdiag.limits import Limits
from wsdiag.sensitive.policy import Policy
from wsdiag.targets import Goals, Targets


class ConfigError(ValueError):
    """A setting that wsdiag does not know or cannot use; the text is for the user."""


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Other targets for connections whose path fits `path`, such as `*/admin`."""

    path: str
    targets: dict[str, float]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of one run.

    `tz` is the IANA zone of log lines that state none, and of `since` and `until` without one. As a
    number these are seconds from the last event: -900 is a quarter of an hour before it.
    `reference` is the input on whose clock everything is told; by default the capture.
    `formats` are folders of the user's own log formats; the first that knows a format counts.
    `keylog` is a key log of TLS, as clients write it when SSLKEYLOGFILE is set.
    `override` holds targets by path; the first path that fits counts. `review` has the thresholds
    of `wsdiag review`.
    """

    targets: Targets = Targets()
    override: list[Override] = []
    tz: str = "UTC"
    reference: str | None = None
    since: datetime | float | None = None
    until: datetime | float | None = None
    select: list[str] = []
    ignore: list[str] = []
    fail_on: Literal["error", "warning", "never"] = "warning"
    formats: list[str] = []
    keylog: str | None = None
    redact: Policy = Policy()
    review: Limits = Limits()

    def goals(self) -> Goals:
        """What connections are judged by: the targets, and those that some paths have."""
        base = msgspec.to_builtins(self.targets)
        paths = tuple((it.path, _targets(base | it.targets)) for it in self.override)
        return Goals(**base, paths=paths)


def made(table: dict[str, Any]) -> Config:
    """A checked Config; times without a zone are taken in `tz`. Raises `ConfigError`."""
    _known(table, Config)
    try:
        config = msgspec.convert(table, Config)
        zone = ZoneInfo(config.tz)
    except msgspec.ValidationError as problem:
        raise ConfigError(str(problem)) from None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"tz: there is no time zone {config.tz!r}; write a name of the IANA list "
            "such as Europe/Berlin"
        ) from None
    config.goals()
    try:
        config.redact.compiled()
    except ValueError as problem:
        raise ConfigError(f"redact: {problem}") from None
    since, until = (
        time.replace(tzinfo=zone) if isinstance(time, datetime) and time.tzinfo is None else time
        for time in (config.since, config.until)
    )
    if _after(since, until):
        raise ConfigError(f"since ({since}) is after until ({until})")
    return msgspec.structs.replace(config, since=since, until=until)


def close(name: str, known: Iterable[str]) -> str:
    """A hint at what was meant, empty where nothing is alike."""
    from difflib import get_close_matches

    alike = get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(dict.fromkeys(alike))}?" if alike else ""


FLAG_ONLY = "redact.secrets"
"""What no file and no variable may set."""


def _known(table: object, kind: type[msgspec.Struct], at: str = "") -> None:
    """Refuse a name that `kind` does not have, and say which was meant."""
    if not isinstance(table, dict):
        return
    fields = {
        field.name: field.type
        for field in msgspec.structs.fields(kind)
        if f"{at}{field.name}" != FLAG_ONLY
    }
    for name, value in table.items():
        if name not in fields:
            what = "unknown target; there are" if kind is Targets else "unknown setting; there are"
            raise ConfigError(f"{at}{name}: {what} {', '.join(fields)}{close(name, fields)}")
        inner, items = fields[name], [value]
        if get_args(inner) and isinstance(value, list):
            inner, items = get_args(inner)[0], value
        if isinstance(value, float) and not isfinite(value):
            raise ConfigError(f"{at}{name}: write a finite number")
        for item in items:
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                _known(item, inner, f"{at}{name}.")
            elif kind is Override and name == "targets":
                _known(item, Targets, f"{at}{name}.")


def _targets(values: dict[str, float]) -> Targets:
    try:
        return msgspec.convert(values, Targets)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"override: {problem}") from None


def _after(since: datetime | float | None, until: datetime | float | None) -> bool:
    """Whether nothing can lie between; what only the evidence can tell is no contradiction."""
    if since is None or until is None:
        return False
    if isinstance(since, datetime) or isinstance(until, datetime):
        return isinstance(since, datetime) and isinstance(until, datetime) and since > until
    return since > until
