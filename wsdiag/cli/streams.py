"""What leaves the program: reports on stdout and in files, remarks on stderr, and the exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

FINDINGS, USAGE, NO_EVIDENCE, UNREADABLE, INTERNAL, INTERRUPTED = 1, 2, 3, 4, 70, 130


def tell(content: str | bytes) -> None:
    """Write to stdout; a reader that went away is no fault."""
    try:
        if isinstance(content, bytes):
            sys.stdout.buffer.write(content)
        else:
            if hasattr(sys.stdout, "reconfigure"):  # a terminal that is not UTF-8 gets ? for ✓
                sys.stdout.reconfigure(errors="replace")
            sys.stdout.write(content)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(message: str) -> None:
    """A remark on stderr. What a user typed may hold a secret, as the name of a file does."""
    from wsdiag.redact import Redactor

    mask = Redactor().mask
    click.echo("wsdiag: " + "\n".join(map(mask, message.split("\n"))), err=True)


def harmless(text: str) -> str:
    """Text that may hold file names or evidence, without escapes and control characters."""
    from wsdiag.redact import sanitise

    return "\n".join(sanitise(line) for line in text.split("\n"))


def stop(message: str, code: int) -> NoReturn:
    """End the run with one line on stderr."""
    say(message)
    raise click.exceptions.Exit(code)


def write(name: str, content: str | bytes) -> None:
    """Write a file."""
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    try:
        Path(name).write_bytes(data)
    except OSError as problem:
        stop(f"-o {name}: {problem.strerror or problem}", USAGE)


def colored(choice: str) -> bool:
    """Whether stdout gets colours."""
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
