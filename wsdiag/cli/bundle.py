"""`wsdiag bundle`: a report and the redacted evidence under it, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wsdiag.cli.evidence import evidence_expected
from wsdiag.cli.outcome import named
from wsdiag.cli.settings import (
    check_target,
    judging_options,
    progress_option,
    reading_options,
    settings_of,
)
from wsdiag.cli.streams import UNREADABLE, USAGE, harmless, say, stop, tell
from wsdiag.progress import Progress


@click.command(short_help="Pack a report and the redacted evidence under it.")
@reading_options
@click.option("-o", "output", metavar="FILE.zip", required=True, help="Write the bundle here.")
@click.option("--issue", metavar="TITLE", default="", help="Title of the report.")
@judging_options
@click.option(
    "--strict", is_flag=True, help="Exit with 4 when the bundle does not give the same findings."
)
@progress_option
def bundle(
    paths: tuple[str, ...],
    output: str,
    issue: str,
    targets: tuple[str, ...],
    strict: bool,
    no_progress: bool,
    **settings: Any,
) -> None:
    """Pack a report and the redacted evidence that it rests on into one zip, to be handed on.

    Wherever it is unpacked or diagnosed, `wsdiag FILE.zip` gives the same findings. Of logs it
    holds the lines that tell of connections and their neighbours, of captures the packets of these
    connections, of HAR files and NetLogs their entries; payloads keep their length and nothing
    else. Secrets are replaced, the same by the same, and every place keeps its number.

    Exits with 0 when the bundle is written, whatever was found.
    """
    if Path(output).suffix.lower() != ".zip":
        raise click.UsageError(f"-o {output}: the suffix must be .zip")
    check_target(output, paths)
    if settings.get("no_redact"):
        raise click.UsageError("a bundle is made to be handed on: leave out --no-redact")
    config = settings_of(targets=targets, **settings)
    progress = Progress()
    with evidence_expected(progress, shown=not no_progress):
        from wsdiag import bundle as bundles

        try:
            packed = bundles.pack(paths, config, Path(output), lambda told: named(told, issue))
        except OSError as problem:
            stop(f"-o {output}: {problem.strerror or problem}", USAGE)
    report = packed.report
    tell(
        f"{harmless(output)}: {report.causes[0].title}; {len(report.findings)} findings, "
        f"{Path(output).stat().st_size:,} bytes\n"
        f"diagnose it with: {harmless(bundles.command(output, packed.options))}\n"
    )
    for lost in packed.lost:
        say(f"not as in the report: {lost}")
    if strict and packed.lost:
        raise click.exceptions.Exit(UNREADABLE)
