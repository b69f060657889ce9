"""`wsdiag batch`: every folder in a folder is an incident."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wsdiag.cli.progress import told
from wsdiag.cli.settings import (
    SUFFIXES,
    judging_options,
    progress_option,
    setting_options,
    settings_of,
)
from wsdiag.cli.streams import (
    FINDINGS,
    INTERNAL,
    INTERRUPTED,
    NO_EVIDENCE,
    UNREADABLE,
    USAGE,
    harmless,
    say,
    stop,
    tell,
)
from wsdiag.progress import Progress

if TYPE_CHECKING:
    from wsdiag.incidents import Index

FORMATS = ["terminal", "markdown", "html", "json"]
KINDS = [suffix.removeprefix(".") for suffix in SUFFIXES]


@click.command(short_help="Diagnose every folder in a folder, and index them by cause.")
@click.argument("root", metavar="ROOT", type=click.Path(exists=True, file_okay=False))
@setting_options
@click.option(
    "-o",
    "output",
    metavar="DIR",
    default="wsdiag-reports",
    help="Where reports and index go.  [default: wsdiag-reports]",
)
@click.option(
    "--report",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    default=["md", "json"],
    help="Kinds of report for each incident. Repeatable.  [default: md, json]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="terminal",
    help="What stdout gets: the index.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 256),
    help="So many incidents at once.  [default: the number of processors]",
)
@judging_options
@click.option("--strict", is_flag=True, help="Exit with 4 when some evidence could not be read.")
@progress_option
def batch(
    root: str,
    output: str,
    kinds: tuple[str, ...],
    form: str,
    jobs: int | None,
    targets: tuple[str, ...],
    strict: bool,
    no_progress: bool,
    **settings: Any,
) -> None:
    """Diagnose every folder in ROOT as an incident of its own, several at once.

    DIR gets a folder for each with its reports, and index.md, index.html and index.json, which
    group the incidents by cause. Run again, it reads only what has changed: evidence, settings or
    the version of wsdiag. Ctrl-C keeps what is done.
    """
    config = settings_of(targets=targets, **settings)
    out = Path(output)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise click.UsageError(f"-o {output}: {problem.strerror or problem}") from None
    loose = sum(path.is_file() and not path.name.startswith(".") for path in Path(root).iterdir())
    if loose:
        say(f"{loose} files in {root} itself are of no incident: they are not read")
    progress = Progress()

    def noted(text: str) -> None:
        progress.note = text

    with told(progress, shown=not no_progress):
        from wsdiag import batch as batches

        forms = [f".{kind}" for kind in dict.fromkeys(kinds)]
        number = jobs or os.cpu_count() or 1
        try:
            made = batches.run(
                Path(root), out, config, forms, number, lambda: progress.stopped, noted
            )
        except OSError as problem:
            stop(f"-o {output}: {problem.strerror or problem}", USAGE)
    _show(made, form, out)
    _leave(made, root, strict=strict, interrupted=progress.stopped)


def _show(made: Index, form: str, out: Path) -> None:
    from wsdiag.reporters import index

    if form == "terminal":
        tell(index.as_text(made) + f"\n{harmless(str(out / 'index.html'))}\n")
    else:
        pages = {"markdown": index.as_markdown, "html": index.as_html, "json": index.as_json}
        tell(pages[form](made))


def _leave(made: Index, root: str, *, strict: bool, interrupted: bool) -> NoReturn:
    """Say what was not diagnosed, and exit."""
    from wsdiag.incidents import State

    everything = made.all
    failed = [one for one in everything if one.state is State.FAILED]
    for one in failed:
        say(f"not diagnosed: {one.name}: {one.why}")
    if interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if not made.groups and not failed:
        why = "; ".join(f"{one.name}: {one.why}" for one in made.others[:5])
        stop(f"no usable evidence in any folder of {root}{why and ': '}{why}", NO_EVIDENCE)
    unread = any(one.unread or one.state is not State.DIAGNOSED for one in everything)
    failing = any(one.failing for one in everything)
    raise click.exceptions.Exit(
        UNREADABLE if strict and unread else FINDINGS if failing else INTERNAL if failed else 0
    )
