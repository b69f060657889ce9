"""The settings in force as a TOML file that tells of each where it came from."""

from __future__ import annotations

import json
from datetime import datetime

import msgspec

from wsdiag.config.layers import Effective

WIDTH = 34
"""Where the origins begin, if the setting is not longer."""


def listing(effective: Effective) -> str:
    """TOML that could be the `wsdiag.toml` of these settings; what is not set is a comment."""
    config, origins = effective
    table = msgspec.to_builtins(config, builtin_types=(datetime,))
    del table["redact"]["secrets"]
    override, patterns = table.pop("override"), table["redact"].pop("patterns")
    plain = {name: value for name, value in table.items() if not isinstance(value, dict)}
    lines = [_line(name, value, origins[name]) for name, value in plain.items()]
    for section in ("targets", "redact"):
        lines += ["", f"[{section}]"]
        lines += [_line(n, v, origins[f"{section}.{n}"]) for n, v in table[section].items()]
    for pattern in patterns:
        lines += ["", f"[[redact.patterns]]  # {origins['redact.patterns']}"]
        lines += [f"{name} = {_value(value)}" for name, value in pattern.items()]
    for one in override:
        targets = ", ".join(f"{name} = {_value(value)}" for name, value in one["targets"].items())
        lines += ["", f"[[override]]  # {origins['override']}", f"path = {_value(one['path'])}"]
        lines.append(f"targets = {{ {targets} }}")
    return "\n".join(lines) + "\n"


def _line(name: str, value: object, origin: str) -> str:
    set_to = f"# {name} is not set" if value is None else f"{name} = {_value(value)}"
    return f"{set_to:<{WIDTH}}  # {origin}"


def _value(value: object) -> str:
    """A value as TOML writes it; JSON's notation of texts, numbers and lists is TOML's, too."""
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
