"""A JSON Schema of the user's that messages are held to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from wsdiag.config import ConfigError

MAX_SAID = 8
"""Deviations that are told of one message."""


def check(file: str) -> Callable[[object], list[str]]:
    """What says of a message how it deviates, in words of the schema. Raises `ConfigError`."""
    from jsonschema import validators
    from jsonschema.exceptions import SchemaError

    try:
        schema = msgspec.json.decode(Path(file).read_bytes())
        kind = validators.validator_for(schema)
        kind.check_schema(schema)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"--schema {file}: {problem}") from None
    except SchemaError as problem:
        raise ConfigError(f"--schema {file}: {problem.message}") from None
    validator = kind(schema)

    def deviations(message: object) -> list[str]:
        faults = sorted(
            validator.iter_errors(message), key=lambda fault: list(map(str, fault.path))
        )
        told = dict.fromkeys(text for fault in faults for text in _said(fault))
        return list(told)[:MAX_SAID]

    return deviations


def _said(fault: Any) -> list[str]:
    """A fault without the value that has it: the place, and the rule of the schema."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.path)
    place = place.lstrip(".") or "message"
    if fault.validator == "required" and isinstance(fault.instance, dict):
        missing = [name for name in fault.validator_value if name not in fault.instance]
        return [f"{place}: no {name}" for name in missing]
    if fault.validator in ("type", "enum", "const", "format", "pattern"):
        return [f"{place}: {fault.validator} is not {fault.validator_value}"]
    return [f"{place}: {fault.validator}"]
