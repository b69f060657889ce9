"""`wsdiag diff`: two reports beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wsdiag.cli.settings import check_target
from wsdiag.cli.streams import FINDINGS, NO_EVIDENCE, harmless, stop, tell, write

if TYPE_CHECKING:
    from wsdiag.report import Report

FORMATS = ["terminal", "markdown", "json"]
SUFFIXES = {".txt": "terminal", ".md": "markdown", ".json": "json"}


@click.command(short_help="Say what changed between two JSON reports.")
@click.argument("before", metavar="BEFORE.json", type=click.Path())
@click.argument("after", metavar="AFTER.json", type=click.Path())
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="terminal", help="What stdout gets."
)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    help=f"Write it to FILE instead; its kind by the suffix: {', '.join(SUFFIXES)}.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["regression", "finding", "never"]),
    default="regression",
    help="Exit with 1 when something got worse, or when anything that fails a run is left.  "
    "[default: regression]",
)
def diff(before: str, after: str, form: str, output: str | None, fail_on: str) -> None:
    """Say which findings went, stayed and came between two JSON reports, and how the metrics moved.

    Reports are written by `wsdiag PATH -o report.json`. A finding counts as gone only where its
    detector still had something to judge.
    """
    if output and Path(output).suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"-o {output}: the suffix must be one of {', '.join(SUFFIXES)}")
    check_target(output, (before, after))
    from wsdiag.comparison import compare
    from wsdiag.reporters import changes

    told = compare(_report(before), _report(after))
    views = {
        "terminal": changes.as_text,
        "markdown": changes.as_markdown,
        "json": changes.as_json,
    }
    if output:
        write(output, views[SUFFIXES[Path(output).suffix.lower()]](told))
    else:
        tell(views[form](told))
    bad = {"regression": told.regressed, "finding": told.regressed or told.failing, "never": False}
    raise click.exceptions.Exit(FINDINGS if bad[fail_on] else 0)


def _report(name: str) -> Report:
    import msgspec

    from wsdiag.report import SCHEMA, Report

    try:
        report = msgspec.json.decode(Path(name).read_bytes(), type=Report)
    except OSError as problem:
        stop(f"{name}: {problem.strerror or problem}", NO_EVIDENCE)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        stop(f"{name}: no {SCHEMA} report: {harmless(str(problem))}", NO_EVIDENCE)
    if report.schema != SCHEMA or not report.causes:
        stop(f"{name}: no {SCHEMA} report", NO_EVIDENCE)
    return report
