"""The group of commands: its default command, its help page, and what a failure looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from wsdiag import __version__
from wsdiag.cli.streams import INTERNAL, INTERRUPTED, stop

EPILOG = """\b
Examples:
  wsdiag incident/                            diagnose a folder of logs, captures, HAR files
  wsdiag server.log wire.pcapng -o report.md  the terminal summary, and a report for the ticket
  wsdiag incident/ --target connect_ms=150    judge by another target
  wsdiag show server.log:1234 incident/       the text behind a proof pointer
  wsdiag explain idle-cut                     the manual of a detector, cause, target or kind
\b
A path that is named like a command is written ./events, ./show and so on.
\b
Exit codes:
  0    nothing at or above --fail-on
  1    findings at or above --fail-on
  2    wrong usage or configuration
  3    no usable evidence
  4    some evidence could not be read (only under --strict)
  70   an internal error of wsdiag
  130  interrupted
"""


class Commands(click.Group):
    """`diagnose` is the default command; no traceback reaches a user."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read an unknown first word as the first word of `diagnose`."""
        if args and args[0] not in {*self.commands, "-h", "--help", "--version"}:
            args = ["diagnose", *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the default command are the options."""
        for title, command in (("Options", self.commands["diagnose"]), ("Other", self)):
            options = [item for item in command.params if isinstance(item, click.Option)]
            if command is self and (help_option := self.get_help_option(ctx)):
                options.append(help_option)
            records = [record for item in options if (record := item.get_help_record(ctx))]
            with formatter.section(title):
                formatter.write_dl(records)
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and options; where no command begins so, the path of the default command."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            return [*self.commands["diagnose"].shell_complete(ctx, incomplete), *found]
        return found or [CompletionItem(incomplete, type="file")]

    def invoke(self, ctx: click.Context) -> Any:
        """Turn every way to fail into one harmless line and an exit code."""
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except click.ClickException as problem:
            at = getattr(problem, "ctx", None) or ctx
            hint = f" (see {at.command_path} --help)"
            stop(problem.format_message() + hint, problem.exit_code)
        except (KeyboardInterrupt, click.Abort):
            stop("interrupted", INTERRUPTED)
        except Exception as problem:
            stop(internal_error(problem), INTERNAL)


def internal_error(problem: Exception) -> str:
    """What to report: the kind of error and its place, but no evidence unredacted."""
    from wsdiag.redact import Redactor

    trace, place = problem.__traceback__, ""
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "wsdiag" in file.parent.parts:
            place = f" at {file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    text = Redactor().mask(" ".join(str(problem).split()))[:200]
    return (
        f"internal error{place}: {type(problem).__name__}: {text} (wsdiag {__version__};"
        " please report it)"
    )
