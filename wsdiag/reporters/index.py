"""The index of many incidents: for the terminal, as Markdown, as a page, as `wsdiag.index/1`."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from wsdiag.incidents import Incident, Index
from wsdiag.reporters import html, json_v1, prose, wording
from wsdiag.reporters.wording import cut, flat

WIDTH = 80
_NAME = 30


def as_text(told: Index) -> str:
    """Plain lines for a terminal."""
    lines = [summary(told)]
    for group in told.groups:
        lines += ["", cut(f"{len(group.incidents)} × {flat(group.title)} ({group.cause})", WIDTH)]
        lines += [
            f"  {cut(flat(one.name), _NAME):<{_NAME}}  {_said(one)}" for one in group.incidents
        ]
    if told.others:
        lines += ["", "Without a report"]
        lines += [
            cut(f"  {flat(one.name)}  {one.state}: {flat(one.why)}", WIDTH) for one in told.others
        ]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_markdown(told: Index) -> str:
    """Markdown, with links to the reports."""
    lines = ["## WebSocket incidents", "", summary(told)]
    for group in told.groups:
        heading = f"{len(group.incidents)} × {prose.inert(flat(group.title))}"
        lines += ["", f"### {heading}", "", "| incident | confidence | findings | when | report |"]
        lines += ["| --- | --- | ---: | --- | --- |"]
        for one in group.incidents:
            cells = [prose.cell(prose.code(one.name)), _sure(one), f"{one.findings}"]
            links = [f"[{path.rpartition('.')[2]}]({_link(path)})" for path in one.reports]
            lines.append(f"| {' | '.join([*cells, wording.span(one.covered), ' '.join(links)])} |")
    if told.others:
        lines += ["", "### Without a report", ""]
        lines += [
            f"- {prose.code(one.name)} {one.state}: {prose.inert(one.why)}" for one in told.others
        ]
    return "\n".join(lines) + "\n"


def as_html(told: Index) -> str:
    """One page that loads nothing."""
    return html.page(
        "index.html.j2",
        told=told,
        summary=summary(told),
        link=_link,
        span=wording.span,
        sure=_sure,
        style=html.style(),
        policy="default-src 'none'; style-src 'unsafe-inline'",
    )


def as_json(told: Index) -> str:
    """`wsdiag.index/1`, field for field."""
    return json_v1.encode(told)


PAGES: dict[str, Callable[[Index], str]] = {
    "index.md": as_markdown,
    "index.html": as_html,
    "index.json": as_json,
}
"""What is written, by the file's name."""


def summary(told: Index) -> str:
    """One sentence: how many, of what."""
    number = sum(len(group.incidents) for group in told.groups)
    kept = sum(one.kept for one in told.all)
    words = [wording.plural(number, "incident"), wording.plural(len(told.groups), "cause")]
    if kept:
        words.append(f"{kept} unchanged since the last run")
    if told.others:
        words.append(f"{len(told.others)} without a report")
    return ", ".join(words)


def _said(one: Incident) -> str:
    found = wording.plural(one.findings, "finding")
    return f"{_sure(one)}, {found}{', unchanged' if one.kept else ''}"


def _sure(one: Incident) -> str:
    return f"{one.word} ({one.confidence:.2f})"


def _link(path: str) -> str:
    """A relative link, in which nothing can end it."""
    return "./" + quote(path)
