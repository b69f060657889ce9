"""`wsdiag connections` and `wsdiag timeline`: each connection by itself."""

from __future__ import annotations

from typing import Any

import click

from wsdiag.cli.evidence import evidence_expected
from wsdiag.cli.settings import progress_option, reading_options, settings_of
from wsdiag.cli.streams import INTERRUPTED, harmless, tell
from wsdiag.progress import Progress

FORMATS = ["terminal", "json"]


def printing_options(command: Any) -> Any:
    """Options of commands that only print."""
    for option in (
        progress_option,
        click.option(
            "--format",
            "form",
            type=click.Choice(FORMATS),
            default="terminal",
            help="What stdout gets.",
        ),
    ):
        command = option(command)
    return command


@click.command(short_help="Print the connection table.")
@reading_options
@printing_options
def connections(paths: tuple[str, ...], form: str, no_progress: bool, **settings: Any) -> None:
    """Print the connection table: each connection once, however many sources tell of it.

    Who saw it, when it opened, how long the handshake took, messages, pings, who closed first and
    with what, how the transport ended, and after how long the client was back.
    """
    config = settings_of(**settings)
    progress = Progress()
    with evidence_expected(progress, shown=not no_progress):
        from wsdiag.pipeline import connections_of

        told = connections_of(paths, config)
    from wsdiag.reporters import json_v1, roll

    tell(json_v1.encode(told) if form == "json" else roll.connections(told))
    _end(progress)


@click.command(short_help="Print one connection's life, all vantages interleaved.")
@click.argument("session", metavar="SESSION")
@reading_options
@printing_options
def timeline(
    session: str, paths: tuple[str, ...], form: str, no_progress: bool, **settings: Any
) -> None:
    """Print one connection's life: what everybody saw of it, on one clock, with deltas.

    SESSION is an id of `wsdiag connections`, or its beginning; a Sec-WebSocket-Key; or a proof
    pointer such as server.log:1234 to a line that tells of the connection.
    """
    config = settings_of(**settings)
    progress = Progress()
    with evidence_expected(progress, shown=not no_progress):
        from wsdiag.showing import timeline as run

        told = run(harmless(session), paths, config)
    from wsdiag.reporters import json_v1, roll

    tell(json_v1.encode(told) if form == "json" else roll.timeline(told))
    _end(progress)


def _end(progress: Progress) -> None:
    if progress.stopped:
        raise click.exceptions.Exit(INTERRUPTED)
