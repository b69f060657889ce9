"""What is hidden beyond credentials, as users may set it in `[redact]`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something else to hide: a name for the ledger, and a regular expression (Python's `re`).

    Where the expression has a group `mask` only that part is hidden, else all that it matches.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    match: str


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the redactor hides.

    `addresses`: IP addresses, all, the public ones or none of them. `users`: names and ids of
    users; e-mail addresses are always hidden. `patterns`: secrets of the user's own kind.
    `secrets` is false under `--no-redact` only: nothing is hidden then.
    """

    addresses: Literal["all", "public", "none"] = "public"
    users: bool = True
    patterns: tuple[Pattern, ...] = ()
    secrets: bool = True

    def compiled(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        """The extra patterns by name. Raises `ValueError` on one that cannot be used."""
        made = []
        for pattern in self.patterns:
            try:
                found = re.compile(pattern.match)
            except (re.error, RecursionError, OverflowError) as problem:
                raise ValueError(f"pattern {pattern.name}: {problem}") from None
            if found.match(""):
                raise ValueError(f"pattern {pattern.name}: it matches where there is nothing")
            made.append((pattern.name, found))
        return tuple(made)
