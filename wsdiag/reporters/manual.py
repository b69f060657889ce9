"""The manual: one page per detector, cause, target, kind of event and log format, as Markdown.

`wsdiag explain`, `wsdiag list` and the generated pages of docs/ all read the same topics.
"""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from wsdiag.cause import IN_SHORT, SECTIONS, Against, Cause, Condition, Support, When
from wsdiag.event import KIND_MANUAL
from wsdiag.finding import Confidence
from wsdiag.targets import Targets

FORMATS = Path(__file__).parents[1] / "formats"
MAX_SAMPLE_LINES = 6
_ALWAYS = frozenset({"Fix", "Prevention"})
_TEMPLATE = re.compile(r"\{[%{]")
HEADINGS = ("What it finds", "Why it matters", "How it decides", "What it cannot see")
"""What a detector's docstring tells, each as a paragraph `Heading: text`."""
_PARAGRAPH = f"^({'|'.join(HEADINGS)}): +"


class Manual(Protocol):
    """What the manual reads of a detector."""

    TITLE: str
    NEEDS: str
    __doc__: str | None


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the manual explains.

    `group` is detectors, causes, formats, targets or kinds, as `wsdiag list` takes it.
    """

    group: str
    id: str
    title: str
    body: str

    def page(self) -> str:
        """The whole page."""
        return f"# {self.id}\n\n{self.title}\n\n{self.body}".rstrip() + "\n"


def topics(detectors: Mapping[str, Manual], causes: Mapping[str, Cause]) -> list[Topic]:
    """Everything there is to explain, by group, then in the order of the package."""
    return [*_detectors(detectors), *_causes(causes), *_formats(), *_targets(), *_kinds()]


def _detectors(modules: Mapping[str, Manual]) -> Iterable[Topic]:
    for name, module in modules.items():
        _, _, told = (module.__doc__ or "").strip().partition("\n")
        body = re.sub(_PARAGRAPH, r"\n**\1:** ", told.strip(), flags=re.MULTILINE).strip()
        needs = f"\n\n**When it is not applicable:** {module.NEEDS}."
        yield Topic(group="detectors", id=name, title=module.TITLE, body=body + needs)


def _causes(causes: Mapping[str, Cause]) -> Iterable[Topic]:
    for name, cause in causes.items():
        parts = []
        if cause.when:
            ranked = sorted(cause.when, key=lambda clause: -clause.confidence)
            parts += ["## How it is recognised", "\n".join(map(_recognised, ranked))]
        if cause.support:
            parts += ["## What makes it surer", "\n".join(map(_contradicted, cause.support))]
        if cause.against:
            parts += ["## What speaks against it", "\n".join(map(_contradicted, cause.against))]
        if cause.outranks:
            names = ", ".join(f"`{other}`" for other in cause.outranks)
            parts.append(f"Where both hold, it stands before {names}.")
        if cause.amplifies:
            names = ", ".join(f"`{other}`" for other in cause.amplifies)
            parts.append(f"It makes worse what {names} began.")
        if cause.brings:
            names = ", ".join(f"`{term}`" for term in cause.brings)
            parts.append(f"What follows from it, if it begins no earlier: {names}.")
        if cause.decides:
            parts.append(f"To settle it: {cause.decides}.")
        for heading in SECTIONS:
            text = cause.sections.get(heading, "")
            # What a template fills with an incident's numbers says little without them.
            told = heading in _ALWAYS or not _TEMPLATE.search(text)
            if text and told and heading not in IN_SHORT:
                parts += [f"## {heading}", _without_template(text)]
        if cause.sources:
            parts += ["## Sources", "\n".join(f"- {source}" for source in cause.sources)]
        yield Topic(group="causes", id=name, title=cause.title, body="\n\n".join(parts))


def _recognised(clause: When) -> str:
    sure = f"{Confidence.of(clause.confidence).value}, {clause.confidence:.2f}"
    decisive = ", decisive" if clause.decisive else ""
    return f"- {clause.because} ({sure}{decisive}): {_condition(clause)}"


def _contradicted(clause: Against | Support) -> str:
    return f"- {clause.because} (× {clause.factor:g}): {_condition(clause)}"


def _condition(clause: Condition) -> str:
    words = [("all of", clause.all), ("one of", clause.any), ("none of", clause.none)]
    told = [f"{word} {', '.join(f'`{term}`' for term in terms)}" for word, terms in words if terms]
    return "; ".join(told) or "always"


def _without_template(text: str) -> str:
    """A cause's text as the manual shows it: every branch, and … where a number would stand."""
    kept = re.sub(
        r"^[ \t]*\{%-?.*?-?%\}[ \t]*\n|\{%-?.*?-?%\}", "", text, flags=re.MULTILINE | re.DOTALL
    )
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"\{\{.*?\}\}", "…", kept)).strip()


def _formats() -> Iterable[Topic]:
    for path in sorted(FORMATS.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        sample = next(item for item in table["sample"] if item["events"])
        lines = "\n".join(sample.get("lines", [sample.get("line")])[:MAX_SAMPLE_LINES])
        told = f"Written by {table['stack']} (vantage: {table['vantage']}). For example:"
        body = f"{told}\n\n```text\n{lines.strip()}\n```\n\n{_learned(table)}"
        yield Topic(group="formats", id=path.stem, title=table["title"], body=body)


def _learned(table: Mapping[str, typing.Any]) -> str:
    """What can and what cannot be learned from a log of this format, by its rules and samples."""
    rows = [row for rule in table["rule"] for row in rule["rows"]]
    kinds = {row["kind"] for row in rows}
    events = [event for sample in table["sample"] for event in sample["events"]]
    columns = {column for event in events for column in event}
    known = {
        "openings": "open" in kinds,
        "ends": bool(kinds & {"close", "end"}),
        "close codes": any(row["kind"] == "close" for row in rows) and _coded(table, events),
        "who closed": any(row["kind"] in ("close", "end") and row.get("dir") for row in rows),
        "refusals": "rejected" in kinds,
        "heartbeats given up": "heartbeat_timeout" in kinds,
        "timers that fired": "timeout" in kinds,
        "messages": "message" in kinds,
        "starts and stops": bool(kinds & {"server_start", "server_stop", "reload"}),
        "how long it lived": bool(columns & {"ms"}) and "end" in kinds,
        "which client (ip:port)": "peer" in columns,
        "Sec-WebSocket-Key": "key" in columns,
        "a request or trace id": "trace" in columns,
    }
    parts = [
        f"It tells: {_listed(known, wanted=True)}.",
        f"It does not tell: {_listed(known, wanted=False)}.",
    ]
    parts += [
        f"Not believed: {code}, {when}." for code, when in table.get("misreports", {}).items()
    ]
    return "\n\n".join(parts)


def _coded(table: Mapping[str, typing.Any], events: Iterable[Mapping[str, typing.Any]]) -> bool:
    """Whether a sample's close has a code."""
    return any(event.get("kind") == "close" and "code" in event for event in events) or (
        "code" in table.get("fields", {})
    )


def _listed(known: Mapping[str, bool], *, wanted: bool) -> str:
    return ", ".join(name for name, there in known.items() if there == wanted) or "nothing else"


def _targets() -> Iterable[Topic]:
    hints = typing.get_type_hints(Targets, include_extras=True)
    for field in msgspec.structs.fields(Targets):
        meta = next(iter(hints[field.name].__metadata__))
        value = f"{field.default:g}"
        usage = f"Set it with `--target {field.name}=NUMBER`, or in wsdiag.toml:"
        example = f"```toml\n[targets]\n{field.name} = {value}\n```"
        yield Topic(
            group="targets",
            id=field.name,
            title=f"{meta.description} (default {value})",
            body=f"{usage}\n\n{example}",
        )


def _kinds() -> Iterable[Topic]:
    for kind, meaning in KIND_MANUAL.items():
        yield Topic(group="kinds", id=kind.value, title=meaning, body="")
