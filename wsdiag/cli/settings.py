"""Words into settings: shared options, the configuration, and checks before the work."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsdiag.cli.streams import USAGE, stop

if TYPE_CHECKING:
    from wsdiag.config import Config

SUFFIXES = [".md", ".json", ".txt"]
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def reading_options(command: Any) -> Any:
    """Options of every command that reads evidence."""
    for option in (
        click.option("--until", metavar="TIME", callback=_time, help="Skip what happened later."),
        click.option(
            "--since",
            metavar="TIME",
            callback=_time,
            help="Skip what happened before this RFC 3339 time, e.g. 2026-03-04T10:00:00Z, or so "
            "long before the last event, e.g. -15m.",
        ),
        click.option("--tz", metavar="ZONE", callback=_zone, help="Zone of logs that state none."),
        click.option(
            "--formats",
            metavar="DIR",
            multiple=True,
            help="Read log formats of your own from here, beside those in the settings folder.",
        ),
        click.argument("paths", metavar="PATH…", nargs=-1, required=True),
    ):
        command = option(command)
    return command


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | float | None:
    if value is None:
        return None
    if relative := re.fullmatch(r"-(\d{1,9}(?:\.\d{1,9})?)([smhd])", value):
        return -float(relative[1]) * UNITS_S[relative[2]]
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value} is no RFC 3339 time, and not like -15m (s, m, h, d before the last event)"
        ) from None
    if when.tzinfo is None:
        raise click.BadParameter(f"{value} has no zone: add Z, or an offset like +02:00")
    return when


def _zone(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from zoneinfo import ZoneInfo

    try:
        return value and ZoneInfo(value).key
    except (OSError, ValueError, LookupError):
        raise click.BadParameter(f"{value} is no IANA zone, e.g. Europe/Berlin") from None


def settings_of(*, targets: Sequence[str] = (), **flags: Any) -> Config:
    """The configuration of the current folder with the flags laid over it."""
    import msgspec

    from wsdiag import config as configuration

    given = {name: list(v) if isinstance(v, tuple) else v for name, v in flags.items()}
    try:
        config = configuration.load(Path())
        config = configuration.override(config, **{n: v for n, v in given.items() if v != []})
        chosen = configuration.targets_from(config, list(targets))
    except configuration.ConfigError as problem:
        stop(str(problem), USAGE)
    if config.select or config.ignore:
        from wsdiag.detectors import DETECTORS

        for name in (*config.select, *config.ignore):
            if name not in DETECTORS:
                raise click.UsageError(f"no detector is called {name}{close(name, DETECTORS)}")
    own = own_formats()
    formats = [*config.formats, *([str(own)] if own.is_dir() else [])]
    return msgspec.structs.replace(config, targets=chosen, formats=formats)


def own_formats() -> Path:
    """Where a user's own log formats lie: `~/.config/wsdiag/formats`, or below XDG_CONFIG_HOME."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "wsdiag" / "formats"


def check_outputs(names: Sequence[str], paths: Sequence[str]) -> None:
    """Every report file must have a suffix that says what it is, and a place to go."""
    for name in names:
        if Path(name).suffix.lower() not in SUFFIXES:
            raise click.UsageError(f"-o {name}: the suffix must be one of {', '.join(SUFFIXES)}")
        check_target(name, paths)


def check_target(name: str | None, paths: Sequence[str]) -> None:
    """Fail before the long work, and never overwrite evidence."""
    if name and not Path(name).absolute().parent.is_dir():
        raise click.UsageError(f"-o {name}: no such folder")
    if name and Path(name).resolve() in {Path(path).resolve() for path in paths}:
        raise click.UsageError(f"-o {name}: this is an input")


def close(name: str, known: Sequence[str] | dict[str, Any]) -> str:
    """A hint at what was meant."""
    from difflib import get_close_matches

    alike = get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(dict.fromkeys(alike))}?" if alike else ""
