"""What the user may set: `wsdiag.toml`, `[tool.wsdiag]` in pyproject.toml, and flags over both."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from wsdiag.targets import Targets


class ConfigError(ValueError):
    """A setting that wsdiag does not know or cannot use; the text is for the user."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of one run. `tz` is the IANA zone of log lines that state none."""

    targets: Targets = Targets()
    tz: str = "UTC"
    since: datetime | None = None
    until: datetime | None = None
    select: list[str] = []
    ignore: list[str] = []
    fail_on: Literal["error", "warning", "never"] = "warning"


def load(folder: Path) -> Config:
    """Read `wsdiag.toml`, else `[tool.wsdiag]` of `pyproject.toml`, in `folder`; else the defaults.

    Raises `ConfigError` on a file that is not TOML, an unknown key or a value of the wrong type.
    """
    own, project = folder / "wsdiag.toml", folder / "pyproject.toml"
    if own.is_file():
        return _convert(_parse(own), own)
    if project.is_file():
        table = _parse(project).get("tool", {}).get("wsdiag")
        if table is not None:
            return _convert(table, project)
    return Config()


def override(config: Config, **settings: object) -> Config:
    """Lay flags over a Config; a flag that is None changes nothing. Raises `ConfigError`."""
    given = {name: value for name, value in settings.items() if value is not None}
    merged = msgspec.to_builtins(config, builtin_types=(datetime,)) | given
    try:
        return msgspec.convert(merged, Config)
    except msgspec.ValidationError as problem:
        raise ConfigError(str(problem)) from None


def targets_from(config: Config, settings: list[str]) -> Targets:
    """Apply `name=value` settings to the targets of `config`. Raises `ConfigError`."""
    values = msgspec.to_builtins(config.targets)
    for setting in settings:
        name, separator, value = setting.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise ConfigError(f"--target {setting}: write NAME=NUMBER") from None
        if not separator or name.strip() not in Targets.__struct_fields__:
            known = ", ".join(Targets.__struct_fields__)
            raise ConfigError(f"--target {setting}: unknown target; there are {known}")
    try:
        return msgspec.convert(values, Targets)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"--target: {problem}") from None


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise ConfigError(f"{path.name}: {problem}") from None


def _convert(table: object, path: Path) -> Config:
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"{path.name}: {problem}") from None
