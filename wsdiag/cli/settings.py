"""Words into settings: shared options, the configuration, and checks before the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsdiag.cli.streams import USAGE, stop

if TYPE_CHECKING:
    from wsdiag.config import Config
    from wsdiag.config.layers import Effective

SUFFIXES = [".md", ".html", ".json", ".txt", ".xml"]


def reading_options(command: Any) -> Any:
    """Options of every command that reads evidence, and its paths."""
    return setting_options(
        click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path())(
            command
        )
    )


def setting_options(command: Any) -> Any:
    """What changes how evidence is read and shown."""
    for option in (
        click.option(
            "--formats",
            metavar="DIR",
            multiple=True,
            help="Read log formats of your own from here, beside those in the settings folder.",
        ),
        click.option(
            "--keylog",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False),
            help="Open TLS in captures with this key log (SSLKEYLOGFILE of a client); by tshark.",
        ),
        click.option("--tz", metavar="ZONE", callback=_zone, help="Zone of logs that state none."),
        click.option(
            "--reference",
            metavar="SOURCE",
            help="The input whose clock all others are put on.  [default: the capture]",
        ),
        click.option(
            "--since",
            metavar="TIME",
            callback=_time,
            help="Skip what happened before this RFC 3339 time, e.g. 2026-03-04T10:00:00Z, or so "
            "long before the last event, e.g. -15m.",
        ),
        click.option("--until", metavar="TIME", callback=_time, help="Skip what happened later."),
    )[::-1]:
        command = option(command)
    return showing_options(command)


def showing_options(command: Any) -> Any:
    """What changes how much is hidden."""
    for option in (
        click.option("--show-addresses", is_flag=True, help="Do not hide public IP addresses."),
        click.option(
            "--no-redact", is_flag=True, help="Hide nothing: only for your own eyes. Asks first."
        ),
        click.option("--yes", is_flag=True, help="Do not ask whether --no-redact is meant."),
    )[::-1]:
        command = option(command)
    return command


progress_option = click.option("--no-progress", is_flag=True, help="No progress on stderr.")

color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colours on a terminal; auto heeds NO_COLOR.  [default: auto]",
)


def judging_options(command: Any) -> Any:
    """Options of every command that judges evidence."""
    for option in (
        click.option(
            "--fail-on",
            type=click.Choice(["error", "warning", "never"]),
            help="The severity from which on the exit code is 1.  [default: warning]",
        ),
        click.option(
            "--ignore", metavar="DETECTOR", multiple=True, help="Do not run these detectors."
        ),
        click.option(
            "--select", metavar="DETECTOR", multiple=True, help="Run only these detectors."
        ),
        click.option(
            "--target", "targets", metavar="NAME=VALUE", multiple=True, help="Set a target."
        ),
    ):
        command = option(command)
    return command


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | float | None:
    if value is None:
        return None
    from wsdiag.config.layers import relative

    if (seconds := relative(value)) is not None:
        return seconds
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
    """The configuration: the current folder's file, the environment and these flags over it.

    From here on the command hides what it says is to be hidden, in whatever it says.
    """
    import msgspec

    from wsdiag.redact import hiding

    config = effective_of(targets=targets, **flags).config
    click.get_current_context().with_resource(hiding(config.redact))
    own = own_formats()
    formats = [*config.formats, *([str(own)] if own.is_dir() else [])]
    return msgspec.structs.replace(config, formats=formats)


def effective_of(*, targets: Sequence[str] = (), **flags: Any) -> Effective:
    """The settings, and where each came from. Flags that were not given are None or empty."""
    from wsdiag.config import ConfigError, close, layers

    bare, sure = flags.pop("no_redact", False), flags.pop("yes", False)
    given = {name: list(v) if isinstance(v, tuple) else v for name, v in flags.items()}
    told = {name: value for name, value in given.items() if value != []}
    if told.pop("show_addresses", False):
        told["redact.addresses"] = "none"
    try:
        found = layers.effective(Path(), os.environ, told, targets)
    except ConfigError as problem:
        stop(str(problem), USAGE)
    if found.config.select or found.config.ignore:
        from wsdiag.detectors import DETECTORS

        for name in (*found.config.select, *found.config.ignore):
            if name not in DETECTORS:
                raise click.UsageError(f"no detector is called {name}{close(name, DETECTORS)}")
    return _unredacted(found, sure=sure) if bare else found


def _unredacted(found: Effective, *, sure: bool) -> Effective:
    """The settings with nothing hidden, once the user has said that this is meant."""
    import msgspec

    if not sure:
        if not sys.stdin.isatty():
            raise click.UsageError("--no-redact shows secrets: say --yes, too, if that is meant")
        click.confirm("Show tokens, passwords and addresses as they are?", abort=True, err=True)
    redact = msgspec.structs.replace(found.config.redact, secrets=False)
    return found._replace(config=msgspec.structs.replace(found.config, redact=redact))


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
