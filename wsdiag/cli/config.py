"""`wsdiag config`: the settings in force; `wsdiag completion`: words that the shell completes."""

from __future__ import annotations

from typing import Any

import click

from wsdiag.cli.settings import effective_of, judging_options, setting_options
from wsdiag.cli.streams import harmless, tell

SHELLS = ["bash", "zsh", "fish"]


@click.command(short_help="Show the settings in force and where each came from.")
@setting_options
@judging_options
def config(targets: tuple[str, ...], **settings: Any) -> None:
    """Show the settings in force and where each came from.

    Flags go over environment variables (WSDIAG_TZ, WSDIAG_TARGET_CONNECT_MS …), these over
    wsdiag.toml or [tool.wsdiag] of pyproject.toml in the current folder. Takes the flags that
    `wsdiag PATH` takes, and prints TOML that could be the wsdiag.toml.
    """
    from wsdiag.config.listing import listing

    tell(harmless(listing(effective_of(targets=targets, **settings))))


@click.command(short_help="Print what makes a shell complete wsdiag's commands and options.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete wsdiag's commands, options and their values.

    \b
    bash  eval "$(wsdiag completion bash)"                     in ~/.bashrc
    zsh   eval "$(wsdiag completion zsh)"                      in ~/.zshrc
    fish  wsdiag completion fish > ~/.config/fish/completions/wsdiag.fish
    """
    from click.shell_completion import get_completion_class

    scripted = get_completion_class(shell)
    assert scripted  # click knows all of SHELLS
    group = ctx.find_root().command
    tell(scripted(group, {}, "wsdiag", "_WSDIAG_COMPLETE").source() + "\n")
