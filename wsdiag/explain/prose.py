"""Numbers as words, and cause texts filled with them."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from jinja2 import Environment, StrictUndefined, Template


def seconds(value: float | None) -> str:
    """61.204 as "61.2 s", 0.042 as "42 ms", 5400 as "90 min"."""
    if value is None:
        return "an unknown time"
    if abs(value) < 1:
        return ms(value * 1000)
    if abs(value) >= 600:
        return f"{value / 60:.0f} min"
    return f"{value:.1f}".removesuffix(".0") + " s"


def ms(value: float | None) -> str:
    """340.2 as "340 ms", 4.25 as "4.2 ms", 5400 as "5.4 s"."""
    if value is None:
        return "an unknown time"
    if abs(value) >= 1000:
        return seconds(value / 1000)
    return f"{value:.0f} ms" if abs(value) >= 10 else f"{value:.1f}".removesuffix(".0") + " ms"


def pct(share: float | None) -> str:
    """0.42 as "42 %"."""
    return "an unknown share" if share is None else f"{share * 100:.0f} %"


def at(moment: datetime | None) -> str:
    """A moment of the day in UTC: "10:15:02.118Z"."""
    if moment is None:
        return "an unknown time"
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def plural(number: int, noun: str) -> str:
    """3, "connection" as "3 connections"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def fill(text: str, context: dict[str, object]) -> str:
    """Render one section; blank lines that conditions leave behind are folded."""
    filled = _template(text).render(context)
    return re.sub(
        r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in filled.splitlines())
    ).strip()


@cache
def environment() -> Environment:
    """Jinja2 as the cause files expect it."""
    # The text is Markdown for people, not HTML: what comes from evidence was masked and made inert
    # before it got here, and the HTML reporter escapes what it prints.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.filters.update(seconds=seconds, ms=ms, pct=pct, at=at, plural=plural)
    return environment


@cache
def _template(text: str) -> Template:
    return environment().from_string(text)
