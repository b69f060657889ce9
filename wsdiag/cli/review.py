"""`wsdiag review`: does the real-time design fit its traffic?"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from wsdiag.cli.evidence import evidence_expected
from wsdiag.cli.settings import (
    check_target,
    color_option,
    progress_option,
    reading_options,
    settings_of,
)
from wsdiag.cli.streams import FINDINGS, INTERRUPTED, colored, tell, write
from wsdiag.progress import Progress

FORMATS = ["terminal", "markdown", "html", "json"]
SUFFIXES = {".txt": "terminal", ".md": "markdown", ".html": "html", ".json": "json"}


@click.command(short_help="Judge the real-time design by its traffic.")
@reading_options
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="terminal", help="What stdout gets."
)
@click.option(
    "-o",
    "outputs",
    metavar="FILE",
    multiple=True,
    help=f"Write it to FILE, too; its kind by the suffix: {', '.join(SUFFIXES)}. Repeatable.",
)
@click.option(
    "--schema",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Hold the server's messages to this JSON Schema instead of the reference shape.",
)
@click.option("--feature", metavar="TITLE", default="", help="What is reviewed, for the title.")
@click.option(
    "--fail-on",
    type=click.Choice(["needed", "never"]),
    default="never",
    help="Exit with 1 when a change is needed.  [default: never]",
)
@color_option
@progress_option
def review(
    paths: tuple[str, ...],
    form: str,
    outputs: tuple[str, ...],
    schema: str | None,
    feature: str,
    fail_on: str,
    color: str,
    no_progress: bool,
    **settings: Any,
) -> None:
    """Judge the real-time design by its traffic: protocol, state sync, optimisations, events.

    Every answer has a verdict (needed, not needed, not decidable), the numbers behind it and what
    speaks against it, as the architecture template. Messages are read from captures, HAR files and
    JSON logs; a HAR of the page shows its plain requests, too, which tell most.
    """
    for name in outputs:
        if Path(name).suffix.lower() not in SUFFIXES:
            raise click.UsageError(f"-o {name}: the suffix must be one of {', '.join(SUFFIXES)}")
        check_target(name, paths)
    config = settings_of(**settings)
    progress = Progress()
    with evidence_expected(progress, shown=not no_progress):
        from wsdiag.reviewing import review as run

        told = run(paths, config, schema, " ".join(feature.split()))
    from wsdiag.reporters.review import VIEWS, as_text

    for name in outputs:
        write(name, VIEWS[SUFFIXES[Path(name).suffix.lower()]](told))
    if form == "terminal":
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        tell(as_text(told, color=colored(color), width=columns))
    else:
        tell(VIEWS[form](told))
    if progress.stopped:
        raise click.exceptions.Exit(INTERRUPTED)
    raise click.exceptions.Exit(FINDINGS if fail_on == "needed" and told.steps else 0)
