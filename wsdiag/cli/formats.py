"""`wsdiag formats`: check, try and draft log formats of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wsdiag.cli.settings import settings_of
from wsdiag.cli.streams import NO_EVIDENCE, USAGE, harmless, stop, tell, write

if TYPE_CHECKING:
    from wsdiag.sources.formats.line_format import Format

FILE = click.Path(exists=True, dir_okay=False)
MAX_SHOWN = 10


@click.group("formats", short_help="Check, try and draft log formats of your own.")
def formats() -> None:
    """Check, try and draft log formats of your own.

    A format is one TOML file; `wsdiag explain FORMAT` shows what others read. Those in
    ~/.config/wsdiag/formats and in a folder given with --formats are asked before wsdiag's own.
    """
    settings_of()


@formats.command()
@click.argument("files", metavar="FILE.toml…", nargs=-1, required=True, type=FILE)
def check(files: tuple[str, ...]) -> None:
    """Say what is wrong with a format, by line and field; each sample must give its events."""
    from wsdiag.sources.format_check import failures

    problems = []
    for name in files:
        made = _loaded(name)
        wrong = [f"{Path(name).name}: {problem}" for problem in failures(made)]
        problems += wrong
        if not wrong:
            tell(f"{harmless(name)}: {len(made.document.sample)} samples hold\n")
    if problems:
        stop("\n".join(problems), USAGE)


@formats.command("try")
@click.argument("file", metavar="FILE.toml", type=FILE)
@click.argument("log", metavar="LOG", type=FILE)
def try_(file: str, log: str) -> None:
    """Show what a format makes of a log: events, and lines that it nearly read."""
    from wsdiag.evidence import shown
    from wsdiag.redact import Redactor
    from wsdiag.sources.format_check import tried

    made, mask, name = _loaded(file), Redactor().mask, shown(Path(log).name)
    trial = tried(made, _lines(log))
    tell(f"{trial.lines} lines, {trial.read} read as {made.id}, {len(trial.rows)} events\n")
    for row in trial.rows[:MAX_SHOWN]:
        told = " ".join(f"{n}={v}" for n, v in row.items() if n not in ("pos", "kind", "ts"))
        at = row.get("ts") or "no time"
        tell(harmless(f"  {name}:{row['pos']}  {at}  {row['kind']} {told}".rstrip()) + "\n")
    if trial.near:
        tell(f"{len(trial.near)} lines hold a word of `needs` but do not fit the pattern:\n")
        for pos, line in trial.near[:MAX_SHOWN]:
            tell(harmless(f"  {name}:{pos}  {mask(line)[:200]}") + "\n")
    if not trial.read:
        stop(f"{made.id} reads no line of {name}", NO_EVIDENCE)


@formats.command()
@click.option("--from", "log", metavar="LOG", required=True, type=FILE, help="A log to begin from.")
@click.option("-o", "output", metavar="FILE.toml", help="Where to write it; its name is the id.")
def new(log: str, output: str | None) -> None:
    """Draft a format from a log: pattern, time, rules and samples, to be gone on with by hand."""
    from wsdiag.config import ConfigError
    from wsdiag.sources.format_draft import draft

    name = Path(output).stem if output else "mine"
    try:
        text = draft(name, _lines(log))
    except ConfigError as problem:
        stop(str(problem), NO_EVIDENCE)
    if output:
        write(output, text)
    else:
        tell(text)


def _loaded(name: str) -> Format:
    from wsdiag.config import ConfigError
    from wsdiag.sources.formats.line_format import load

    try:
        return load(Path(name))
    except ConfigError as problem:
        stop(str(problem), USAGE)


def _lines(name: str) -> list[str]:
    from wsdiag import evidence

    with evidence.collect([name]) as found:
        return [
            line
            for item in found.inputs
            for line in item.path.read_text("utf-8", "replace").splitlines()
        ]
