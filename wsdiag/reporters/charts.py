"""Charts of a report as static SVG, drawn by pygal: no script, no style of their own.

The page's style sheet gives the colours, so that a chart is right in light, in dark and on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from xml.etree import ElementTree

import pygal

from wsdiag.report import Histogram, Lane, Report, Series, Span
from wsdiag.reporters.wording import amount, flat, instant, lasting, short

WIDE, HALF, LOW, LANE, LETTER = 1000, 480, 200, 26, 8
OFFSETS = {"server": 0.27, "proxy": 0.09, "network": -0.09, "client": -0.27}
"""Where on its lane a vantage's marks lie: server on top, client below."""

KINDS = {
    "opening": ("attempt", "open"),
    "message": ("message",),
    "ping": ("ping", "pong"),
    "ending": ("close", "end", "rejected", "refused"),
}
"""Marks that share a colour."""

_SVG = "http://www.w3.org/2000/svg"


def swimlane(lanes: Sequence[Lane]) -> str:
    """Each connection a line from its first to its last event; what happened on it as dots; a
    connection of which a finding tells is shaded."""
    start = min(lane.since for lane in lanes)
    rows = {lane.session: len(lanes) - place for place, lane in enumerate(lanes)}

    def after(when: datetime) -> float:
        return (when - start).total_seconds()

    def lives(chosen: Iterable[Lane]) -> list[tuple[float, float] | None]:
        points: list[tuple[float, float] | None] = []
        for lane in chosen:
            row = rows[lane.session]
            points += [(after(lane.since), row), (after(lane.until), row), None]
        return points

    chart = pygal.XY(
        **_plain(WIDE, 60 + LANE * len(lanes)),
        allow_interruptions=True,
        dots_size=3,
        range=(0.4, len(lanes) + 0.6),
        x_value_formatter=lambda value: f"{value:,.6g} s",
        show_y_guides=False,
        margin_left=34,  # the page's letters are wider than those that pygal reckons with
    )
    chart.y_labels = [{"value": row, "label": session} for session, row in rows.items()]
    chart.add("of a finding", lives(lane for lane in lanes if lane.findings), show_dots=False)
    chart.add("alive", lives(lanes), show_dots=False)
    for name, kinds in KINDS.items():
        dots = [
            (after(lane.since) + at, rows[lane.session] + OFFSETS.get(marks.vantage, 0))
            for lane in lanes
            for marks in lane.marks
            if marks.kind in kinds
            for at in marks.at_s
        ]
        chart.add(name, dots, stroke=False)
    return _svg(chart, f"Connections over time, from {instant(start)} UTC", "lanes")


def counts(opens: Series, closes: Series, stretch: Span) -> str:
    """Opens and closes in each step."""
    chart = pygal.Bar(**_plain(WIDE), value_formatter=_whole)
    _steps(chart, opens, stretch)
    chart.add("opens", opens.values)
    chart.add("closes", closes.values)
    return _svg(chart, f"Opens and closes in each {amount(opens.step_s, 's')}", "counts")


def latency(series: Series, target: float | None, stretch: Span) -> str:
    """The 95th percentile of each step, and the target as a line."""
    chart = pygal.Line(
        **_plain(),
        allow_interruptions=True,
        value_formatter=lambda value: amount(value, series.unit),
        include_x_axis=True,
    )
    _steps(chart, series, stretch)
    chart.add("95th percentile", series.values)
    if target is not None:
        chart.add("target", [target] * len(series.values), show_dots=False)
    return _svg(chart, f"{series.name}, 95th percentile in each step", "latency")


def clock(told: Histogram, stretch: Span) -> str:
    """How many abnormal ends stood where on a clock."""
    chart = pygal.Bar(**_plain(), value_formatter=_whole)
    middles = [edge + told.step_s / 2 for edge in told.edges_s]
    if told.clock == "wall":
        labels = [short(datetime.fromtimestamp(middle, UTC), stretch) for middle in middles]
    else:
        labels = [lasting(middle) for middle in middles]
    _labelled(chart, labels)
    chart.add("ends", told.counts)
    return _svg(chart, f"Abnormal ends by {told.clock}", "clock")


def codes(report: Report) -> str:
    """Close codes, rejections and refusals, the most frequent first."""
    facts = report.facts
    tally = {f"close {code}": number for code, number in facts.close_codes.items()}
    tally |= {f"HTTP {status}": number for status, number in facts.rejections.items()}
    tally |= {"refused": facts.refused} if facts.refused else {}
    ranked = sorted(tally.items(), key=lambda pair: (pair[1], pair[0]))[-12:]
    chart = pygal.HorizontalBar(
        **_plain(height=50 + 28 * len(ranked)), print_values=True, value_formatter=_whole
    )
    chart.x_labels = [flat(name).replace("close none", "no Close frame") for name, _ in ranked]
    chart.add("connections", [number for _, number in ranked])
    return _svg(chart, "How connections ended, and how attempts failed", "codes")


def _whole(value: float) -> str:
    """A number of things; nothing for an axis' mark between two of them."""
    return f"{value:,.0f}" if value == int(value) else ""


def _plain(width: int = HALF, height: int = LOW) -> dict[str, object]:
    return {
        "width": width,
        "height": height,
        "show_legend": False,
        "css": [],
        "js": [],
        "print_zeroes": False,
        "margin": 8,
        "max_scale": 6,
        "truncate_label": -1,
        "no_prefix": True,
    }


def _steps(chart: pygal.Line | pygal.Bar, series: Series, stretch: Span) -> None:
    step = timedelta(seconds=series.step_s)
    _labelled(
        chart, [short(series.start + step * place, stretch) for place in range(len(series.values))]
    )


def _labelled(chart: pygal.Line | pygal.Bar, labels: list[str]) -> None:
    """As many of the labels below a chart as have room."""
    letters = chart.config.width / LETTER
    every = ceil(len(labels) * (max(map(len, labels)) + 3) / letters)
    chart.x_labels = [label if at % every == 0 else "" for at, label in enumerate(labels)]


def _svg(chart: pygal.graph.graph.Graph, title: str, name: str) -> str:
    """The drawing alone, the same on every run, with its title for those who cannot see it."""
    rendered = chart.render(disable_xml_declaration=True, is_unicode=True)
    root = ElementTree.fromstring(rendered)
    for parent in root.iter():
        for child in list(parent):
            tag = child.tag.removeprefix(f"{{{_SVG}}}")
            if tag in ("script", "style", "desc", "title"):
                parent.remove(child)
    for element in root.iter():
        for attribute in ("id", "clip-path"):
            element.attrib.pop(attribute, None)
    root.set("class", f"chart {name}")
    root.set("role", "img")
    root.set("aria-label", title)
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")
