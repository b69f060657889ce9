"""HTML: one self-contained page to attach to an incident, for a browser and for paper.

Nothing is loaded from anywhere, and the page's policy forbids it; the only script is the page's own
filter of the connection table, allowed by its hash. Every text is escaped where it is printed.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from wsdiag.finding import Finding
from wsdiag.report import Outcome, Report
from wsdiag.reporters import nodes, roll, wording
from wsdiag.reporters.nodes import Node, Span

_FOLDER = files("wsdiag").joinpath("reporters", "templates")
_TAGS = {"code": "code", "strong": "strong"}
LATENCIES = (
    ("connect_ms", "Connection latency"),
    ("message_ms", "Message latency"),
    ("reconnect_s", "Reconnection time"),
)


def render(report: Report) -> str:
    """The page. It is the same byte for byte for the same report."""
    script = _text("report.js")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return page(
        "report.html.j2",
        report=report,
        answer=report.causes[0],
        strip=sorted(report.verdicts, key=lambda verdict: verdict.verdict is not Outcome.BREACH),
        own=lambda text: _own(text, report),
        life=roll.timeline(report.life.moments) if report.life else "",
        sentence=lambda text: _line(nodes.sentence(text, report)),
        concerned=_concerned(report),
        wording=wording,
        script=Markup(script),
        style=style(),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        **_drawn(report),
    )


def page(template: str, **values: object) -> str:
    """Another page of the same kind. What is no Markup is escaped."""
    return _environment().get_template(template).render(**values)


def style() -> Markup:
    """How all pages look."""
    return Markup(_text("report.css"))


def _drawn(report: Report) -> dict[str, object]:
    from wsdiag.reporters import charts  # pygal takes its time: only where it is needed

    stretch = report.window.covered
    series = {one.name: one for one in report.series}
    targets = {name: getattr(report.targets, name) for name, _ in LATENCIES}
    return {
        "lanes": Markup(charts.swimlane(report.lanes)) if report.lanes else "",
        "counts": Markup(charts.counts(series["opens"], series["closes"], stretch))
        if {"opens", "closes"} <= series.keys()
        else "",
        "latencies": [
            (title, Markup(charts.latency(series[name], targets[name], stretch)), targets[name])
            for name, title in LATENCIES
            if name in series
        ],
        "clocks": [(told.clock, Markup(charts.clock(told, stretch))) for told in report.clocks],
        "codes": Markup(charts.codes(report)) if report.facts.attempts else "",
    }


def _concerned(report: Report) -> dict[str, list[Finding]]:
    """The findings that concern each of the connections that are drawn."""
    by_id = {finding.id: finding for finding in report.findings}
    told = {
        lane.session: [by_id[name] for name in lane.findings if name in by_id]
        for lane in report.lanes
    }
    return {session: findings for session, findings in told.items() if findings}


def _own(text: str, report: Report) -> Markup:
    """Our own Markdown as HTML; what it quotes from evidence is text. Code between the items of a
    numbered list belongs to the item before it."""
    shown: list[str] = []
    lists: list[str] = []
    for node in nodes.own(text, report):
        kind = "ul" if node.mark == "•" else "ol"
        within = lists[: node.depth] + ([kind] if node.kind == "item" else [])
        while lists != within[: len(lists)]:
            shown.append(f"</li></{lists.pop()}>")
        if node.kind != "item":
            shown.append(_node(node))
            continue
        shown.append(f"<{kind}>" if len(lists) < len(within) else "</li>")
        lists = within
        number = f' value="{node.mark.rstrip(".")}"' if kind == "ol" else ""
        shown.append(f"<li{number}>{_line(node.line)}")
    return Markup("\n".join([*shown, *(f"</li></{kind}>" for kind in reversed(lists))]))


def _node(node: Node) -> str:
    if node.kind == "code":
        return f"<pre><code>{escape(node.text)}</code></pre>"
    return f"<p>{_line(node.line)}</p>"


def _line(spans: Iterable[Span]) -> Markup:
    return Markup("".join(_span(span) for span in spans))


def _span(span: Span) -> str:
    tag = _TAGS.get(span.kind)
    return f"<{tag}>{escape(span.text)}</{tag}>" if tag else escape(span.text)


def _text(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(str(_FOLDER)),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["flat"] = wording.flat
    return environment
