"""The layers of settings: defaults, over them the file, the environment, and the flags on top."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from wsdiag.config import FLAG_ONLY, Config, ConfigError, close, made
from wsdiag.targets import Targets

PREFIX = "WSDIAG_"
"""What the names of environment variables begin with."""

DEFAULT = "default"

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LISTS = frozenset({"select", "ignore", "formats"})
_FILE_ONLY = frozenset({"override", "redact.patterns", FLAG_ONLY})
_FLAGS = {"redact.addresses": "--show-addresses"}
_TABLES = {"targets": "TARGET", "redact": "REDACT", "review": "REVIEW"}


class Effective(NamedTuple):
    """The settings of a run, and for each, by its dotted name, where it came from."""

    config: Config
    origins: dict[str, str]


def load(folder: Path) -> Config:
    """The settings that the file in `folder` makes, else the defaults. Raises `ConfigError`."""
    return effective(folder).config


def effective(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    targets: Sequence[str] = (),
) -> Effective:
    """Lay the layers over each other.

    The file is `wsdiag.toml`, else `[tool.wsdiag]` of `pyproject.toml`, in `folder`. `flags` are by
    name, those that are None were not given; `targets` are words like `connect_ms=150`. Raises
    `ConfigError` on a file that is no TOML, an unknown name or a value that cannot be.
    """
    name, table = _file(folder)
    layers = [(name, table, dict.fromkeys(_leaves(table), name))] if name else []
    varied = _environment(environment or {})
    layers.append(("", _nested({key: value for key, (_, value) in varied.items()}), _first(varied)))
    told = _flags(flags or {}, targets)
    layers.append(("", _nested({key: value for key, (_, value) in told.items()}), _first(told)))
    merged: dict[str, Any] = {}
    origins = dict.fromkeys(_leaves(msgspec.to_builtins(Config())), DEFAULT)
    for where, layer, came_from in layers:
        merged = _over(merged, layer)
        try:
            config = made(_timed(merged))
        except ConfigError as problem:
            raise ConfigError(f"{where or _blamed(came_from, problem)}: {problem}") from None
        origins |= came_from
    return Effective(config, origins)


def variables() -> dict[str, str]:
    """The environment variable of each setting, by the setting's dotted name."""
    names = [name for name in _leaves(msgspec.to_builtins(Config())) if name not in _FILE_ONLY]
    return {name: _variable(name) for name in names}


def relative(text: str) -> float | None:
    """`-15m` as seconds, -900; None where the text is no such time."""
    told = re.fullmatch(r"-(\d{1,9}(?:\.\d{1,9})?)([smhd])", text)
    return -float(told[1]) * _UNITS_S[told[2]] if told else None


def _variable(name: str) -> str:
    table, _, field = name.rpartition(".")
    return PREFIX + "_".join(part for part in (_TABLES.get(table, ""), field.upper()) if part)


def _file(folder: Path) -> tuple[str, dict[str, Any]]:
    """The name of the file with settings, empty where there is none, and what it says."""
    own, project = folder / "wsdiag.toml", folder / "pyproject.toml"
    if own.is_file():
        return own.name, _parse(own)
    tool = _parse(project).get("tool") if project.is_file() else None
    table = tool.get("wsdiag") if isinstance(tool, dict) else None
    if table is None:
        return "", {}
    if not isinstance(table, dict):
        raise ConfigError(f"{project.name}: tool.wsdiag is no table")
    return project.name, table


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as problem:
        raise ConfigError(f"{path.name}: {problem}") from None


def _environment(environment: Mapping[str, str]) -> dict[str, tuple[str, object]]:
    """Settings by name, each with its variable."""
    known = {variable: name for name, variable in variables().items()}
    found: dict[str, tuple[str, object]] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or not text:
            continue
        name = known.get(variable)
        if name is None:
            raise ConfigError(f"{variable}: no setting has this variable{close(variable, known)}")
        found[name] = variable, _value(name, text, variable)
    return found


def _value(name: str, text: str, where: str) -> object:
    """What a text means for a setting."""
    if name in _LISTS:
        return [part for part in re.split(r"[,\s]+", text) if part]
    if name.startswith(("targets.", "review.")):
        try:
            return float(text)
        except ValueError:
            raise ConfigError(f"{where}: write a number") from None
    if name == "redact.users":
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"{where}: write true or false")
        return text.lower() == "true"
    return text


def _flags(flags: Mapping[str, object], targets: Sequence[str]) -> dict[str, tuple[str, object]]:
    """Settings by name, each with its flag."""
    told: dict[str, tuple[str, object]] = {
        name: (_FLAGS.get(name) or f"--{name.replace('_', '-')}", value)
        for name, value in flags.items()
        if value is not None
    }
    for setting in targets:
        name, _, value = (part.strip() for part in setting.partition("="))
        flag, fields = f"--target {setting}", Targets.__struct_fields__
        if name not in fields:
            known = f"there are {', '.join(fields)}{close(name, fields)}"
            raise ConfigError(f"{flag}: unknown target; {known}")
        try:
            told[f"targets.{name}"] = f"--target {name}", float(value)
        except ValueError:
            raise ConfigError(f"{flag}: write NAME=NUMBER") from None
    return told


def _first(told: Mapping[str, tuple[str, object]]) -> dict[str, str]:
    return {name: where for name, (where, _) in told.items()}


def _blamed(came_from: Mapping[str, str], problem: ConfigError) -> str:
    """The variable or flag that is at fault, all of the layer's where the text does not tell."""
    named = [
        w for name, w in came_from.items() if re.search(rf"\b{re.escape(name)}\b", str(problem))
    ]
    return ", ".join(named or came_from.values())


def _leaves(table: Mapping[str, Any], at: str = "") -> list[str]:
    """Dotted names of all values; a list is one value."""
    names: list[str] = []
    for name, value in table.items():
        inner = isinstance(value, dict)
        names += _leaves(value, f"{at}{name}.") if inner else [f"{at}{name}"]
    return names


def _nested(values: Mapping[str, object]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in values.items():
        outer, _, field = name.rpartition(".")
        (table.setdefault(outer, {}) if outer else table)[field] = value
    return table


def _over(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """The tables merged, where both say something the high one's word."""
    merged = dict(low)
    for name, value in high.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _over(merged[name], value) if both else value
    return merged


def _timed(table: dict[str, Any]) -> dict[str, Any]:
    """With times like `-15m` as seconds."""
    texts = {name: table[name] for name in ("since", "until") if isinstance(table.get(name), str)}
    return table | {n: s for n, text in texts.items() if (s := relative(text)) is not None}
