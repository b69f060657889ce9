"""What the user may set: `wsdiag.toml`, `[tool.wsdiag]` in pyproject.toml, and flags over both."""

from __future__ import annotations

import tomllib
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from wsdiag.targets import Targets


class ConfigError(ValueError):
    """A setting that wsdiag does not know or cannot use; the text is for the user."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of one run.

    `tz` is the IANA zone of log lines that state none, and of `since` and `until` without one. As a
    number these are seconds from the last event: -900 is a quarter of an hour before it.
    `formats` are folders of the user's own log formats; the first that knows a format counts.
    """

    targets: Targets = Targets()
    tz: str = "UTC"
    since: datetime | float | None = None
    until: datetime | float | None = None
    select: list[str] = []
    ignore: list[str] = []
    fail_on: Literal["error", "warning", "never"] = "warning"
    formats: list[str] = []


def load(folder: Path) -> Config:
    """Read `wsdiag.toml`, else `[tool.wsdiag]` of `pyproject.toml`, in `folder`; else the defaults.

    Raises `ConfigError` on a file that is not TOML, an unknown key or a value of the wrong type.
    """
    own, project = folder / "wsdiag.toml", folder / "pyproject.toml"
    if own.is_file():
        return _converted(_parse(own), own)
    if project.is_file():
        tool = _parse(project).get("tool")
        table = tool.get("wsdiag") if isinstance(tool, dict) else None
        if table is not None:
            return _converted(table, project)
    return Config()


def override(config: Config, **settings: object) -> Config:
    """Lay flags over a Config; a flag that is None changes nothing. Raises `ConfigError`."""
    given = {name: value for name, value in settings.items() if value is not None}
    known = {name: getattr(config, name) for name in config.__struct_fields__}
    return _made(known | given)


def targets_from(config: Config, settings: list[str]) -> Targets:
    """Apply `name=value` settings to the targets of `config`. Raises `ConfigError`."""
    values = msgspec.to_builtins(config.targets)
    for setting in settings:
        name, _, value = (part.strip() for part in setting.partition("="))
        if name not in Targets.__struct_fields__:
            known = ", ".join(Targets.__struct_fields__)
            raise ConfigError(f"--target {setting}: unknown target; there are {known}")
        try:
            values[name] = float(value)
        except ValueError:
            raise ConfigError(f"--target {setting}: write NAME=NUMBER") from None
        if not isfinite(values[name]):
            raise ConfigError(f"--target {setting}: write a finite number")
    try:
        return msgspec.convert(values, Targets)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"--target: {problem}") from None


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as problem:
        raise ConfigError(f"{path.name}: {problem}") from None


def _converted(table: object, path: Path) -> Config:
    try:
        return _made(table)
    except ConfigError as problem:
        raise ConfigError(f"{path.name}: {problem}") from None


def _made(table: object) -> Config:
    """A checked Config; times without a zone are taken in `tz`."""
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
    if not all(isfinite(value) for value in msgspec.structs.astuple(config.targets)):
        raise ConfigError("targets: write finite numbers")
    since, until = (
        time.replace(tzinfo=zone) if isinstance(time, datetime) and time.tzinfo is None else time
        for time in (config.since, config.until)
    )
    if _after(since, until):
        raise ConfigError(f"since ({since}) is after until ({until})")
    return msgspec.structs.replace(config, since=since, until=until)


def _after(since: datetime | float | None, until: datetime | float | None) -> bool:
    """Whether nothing can lie between; what only the evidence can tell is no contradiction."""
    if since is None or until is None:
        return False
    if isinstance(since, datetime) or isinstance(until, datetime):
        return isinstance(since, datetime) and isinstance(until, datetime) and since > until
    return since > until
