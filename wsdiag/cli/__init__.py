"""The command line: words in, words out.

Everything heavy is imported inside the commands, so that `wsdiag --help` answers at once.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsdiag import __version__
from wsdiag.cli.batch import batch
from wsdiag.cli.bundle import bundle
from wsdiag.cli.config import completion, config
from wsdiag.cli.connections import connections, timeline
from wsdiag.cli.diff import diff
from wsdiag.cli.evidence import evidence_expected
from wsdiag.cli.formats import formats
from wsdiag.cli.group import EPILOG, Commands
from wsdiag.cli.outcome import is_read, named, verdict
from wsdiag.cli.review import review
from wsdiag.cli.settings import (
    SUFFIXES,
    check_outputs,
    check_target,
    color_option,
    judging_options,
    progress_option,
    reading_options,
    settings_of,
    showing_options,
)
from wsdiag.cli.streams import (
    INTERRUPTED,
    colored,
    harmless,
    say,
    tell,
    write,
)
from wsdiag.progress import Progress

# polars' allocator keeps what was freed for ten seconds: in a short run that doubles the memory. It
# looks here once, when polars is imported (jemalloc(3), TUNING).
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:100,muzzy_decay_ms:0")
# numpy's linear algebra, of which next to nothing is used, would begin with threads that wait by
# turning round: a tenth of a small run.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What a run reads lives to its end: to look for cycles among it at every 700th object is in vain.
gc.set_threshold(100_000)

if TYPE_CHECKING:
    from wsdiag.report import Report
    from wsdiag.reporters.manual import Topic

FORMATS = ["terminal", "markdown", "html", "json", "junit", "github"]
PLACES = ["github", "gitlab", "jira", "slack", "pagerduty"]
EVENT_FORMATS = ["jsonl", "csv", "parquet"]
GROUPS = ["detectors", "causes", "formats", "targets", "kinds"]
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(
    cls=Commands,
    context_settings=SETTINGS,
    epilog=EPILOG,
    subcommand_metavar="PATH… | COMMAND …",
    options_metavar="[OPTIONS]",
)
@click.version_option(__version__, message="wsdiag %(version)s")
def main() -> None:
    """Read WebSocket evidence and name the root cause of disconnects, with proof.

    PATH is a file, a folder, a glob or - (stdin): server and proxy logs, pcap and pcapng captures,
    HAR files, client logs; packed with gzip, zstd, zip or tar, too.
    """


@main.command()
@reading_options
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="terminal", help="What stdout gets."
)
@click.option(
    "-o",
    "outputs",
    metavar="FILE",
    multiple=True,
    help=f"Write a report, too; its kind by the suffix: {', '.join(SUFFIXES)}. Repeatable.",
)
@click.option(
    "--fit",
    "place",
    type=click.Choice(PLACES),
    help="What stdout gets fits this place: its syntax, its limit, what counts most first.",
)
@click.option("--issue", metavar="TITLE", default="", help="Title of the Markdown report.")
@judging_options
@click.option("--strict", is_flag=True, help="Exit with 4 when some evidence could not be read.")
@click.option("-q", "--quiet", is_flag=True, help="The answer alone; nothing on stderr.")
@click.option(
    "-v", "--verbose", is_flag=True, help="All evidence; stderr says what each input was read as."
)
@color_option
@progress_option
def diagnose(
    paths: tuple[str, ...],
    form: str,
    outputs: tuple[str, ...],
    place: str | None,
    issue: str,
    targets: tuple[str, ...],
    strict: bool,
    quiet: bool,
    verbose: bool,
    color: str,
    no_progress: bool,
    **settings: Any,
) -> None:
    """Name the root cause (the default command)."""
    check_outputs(outputs, paths)
    if place and form != "terminal":
        raise click.UsageError("--fit has its own syntax: leave out --format")
    config = settings_of(targets=targets, **settings)
    progress = Progress()
    with evidence_expected(progress, shown=not (quiet or no_progress)):
        from wsdiag.pipeline import diagnose as run

        report = named(run(paths, config), issue)
    from wsdiag import reporters

    _remark(report, quiet=quiet, verbose=verbose)
    for name in outputs:
        kind = reporters.SUFFIXES[Path(name).suffix.lower()]
        write(name, reporters.REPORTERS[kind].render(report))
    if place:
        tell(reporters.fit(report, place, next(iter(outputs), "")))
    elif form == "terminal":
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        detail = 0 if quiet else 2 if verbose else 1
        tell(reporters.terminal.render(report, color=colored(color), width=columns, detail=detail))
    else:
        tell(reporters.REPORTERS[form].render(report))
    if progress.stopped:
        raise click.exceptions.Exit(INTERRUPTED)
    raise click.exceptions.Exit(verdict(report, strict=strict))


@main.command(short_help="Print the normalised events, for polars, duckdb, jq.")
@reading_options
@click.option("--format", "form", type=click.Choice(EVENT_FORMATS), help="[default: jsonl]")
@click.option("-o", "output", metavar="FILE", help="Write to FILE; its suffix may be the format.")
@progress_option
def events(
    paths: tuple[str, ...],
    form: str | None,
    output: str | None,
    no_progress: bool,
    **settings: Any,
) -> None:
    """Print the normalised events, for polars, duckdb or jq."""
    suffix = Path(output).suffix.lower().lstrip(".") if output else ""
    form = form or (suffix if suffix in EVENT_FORMATS else "jsonl")
    check_target(output, paths)
    if form == "parquet" and not output and sys.stdout.isatty():
        raise click.UsageError("parquet is binary: give -o FILE or redirect stdout")
    config = settings_of(**settings)
    progress = Progress()
    with evidence_expected(progress, shown=not no_progress):
        from wsdiag.pipeline import read_events

        frame = read_events(paths, config)
    from wsdiag.reporters import event_table

    data = event_table.encode(frame, form)
    if output:
        write(output, data)
    else:
        tell(data)
    if progress.stopped:
        raise click.exceptions.Exit(INTERRUPTED)


@main.command(short_help="Show the text at a proof pointer, redacted.")
@click.argument("pointer", metavar="POINTER")
@click.argument("paths", metavar="[PATH…]", nargs=-1)
@click.option(
    "-C",
    "context",
    metavar="N",
    type=click.IntRange(0, 1000),
    default=2,
    help="Show N places before and after, too.  [default: 2]",
)
@showing_options
def show(pointer: str, paths: tuple[str, ...], context: int, **settings: Any) -> None:
    """Show the text at a proof pointer, redacted.

    POINTER is server.log:1234 (a line) or wire.pcapng#812 (a packet or a HAR entry). PATH is where
    the evidence is; the default is the current folder. Of a packet all layers are told, if tshark
    is installed, with a Wireshark filter.
    """
    config = settings_of(**settings)
    with evidence_expected(Progress(), shown=False):
        from wsdiag.evidence import shown
        from wsdiag.showing import show as run

        # A file whose name holds a secret is known by its masked name, however it is asked for.
        tail = re.search(r"[:#]\d+$|$", pointer)
        assert tail
        pointer = shown(pointer[: tail.start()]) + tail.group()
        places, depth = run(pointer, paths, context, config)
    width = max((len(harmless(place)) for place, _ in places), default=0)
    for place, excerpt in places:
        mark = ">" if re.findall(r"\d+$", place) == re.findall(r"\d+$", pointer) else " "
        tell(f"{mark} {harmless(place):<{width}}  {harmless(excerpt)}\n")
    tell("".join(f"{harmless(line)}\n" for line in depth))


@main.command(short_help="Print the manual of a detector, cause, target …")
@click.argument("name", metavar="ID")
def explain(name: str) -> None:
    """Print the manual of a detector, cause, log format, target or kind of event."""
    from wsdiag.config import close

    known = manual()
    found = [topic for topic in known if topic.id == name]
    if not found:
        raise click.UsageError(f"nothing is called {name}{close(name, [t.id for t in known])}")
    tell("\n".join(topic.page() for topic in found))


@main.command("list", short_help="List detectors, causes, formats, targets or kinds.")
@click.argument("group", type=click.Choice(GROUPS))
def list_(group: str) -> None:
    """List the detectors, causes, log formats, targets or kinds of event."""
    members = [topic for topic in manual() if topic.group == group]
    width = max((len(topic.id) for topic in members), default=0)
    tell("".join(f"{topic.id:<{width}}  {topic.title}\n" for topic in members))


for command in (connections, timeline, review, formats, config, completion):
    main.add_command(command)
for command in (diff, bundle, batch):
    main.add_command(command)


def manual() -> list[Topic]:
    """Everything that `explain` knows."""
    from wsdiag.detectors import DETECTORS
    from wsdiag.explain import load_causes
    from wsdiag.reporters.manual import topics

    return topics(DETECTORS, load_causes())


def _remark(report: Report, *, quiet: bool, verbose: bool) -> None:
    for item in report.inputs if not quiet else ():
        name = item.source or item.path
        if not is_read(item):
            say(f"not read: {name}: {'; '.join(item.remarks).removeprefix(f'{name}: ')}")
        elif verbose:
            say(f"{name}: {item.format}, {item.events} events, {item.unread_lines} unread")
