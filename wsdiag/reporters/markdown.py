"""Markdown: the debug template, ready to paste into an issue or an incident."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from wsdiag.finding import Evidence
from wsdiag.report import Report
from wsdiag.reporters import prose, wording

MAX_FINDINGS, MAX_POINTERS, MAX_OTHERS, MAX_INPUTS, MAX_REDACTIONS = 5, 3, 5, 20, 6
NAME_WIDTH, EXCERPT_WIDTH, WHY_WIDTH = 120, 160, 200


class _Markdown(str):
    """Text that is Markdown already; every other text that a template prints is made inert."""

    __slots__ = ()


def render(report: Report) -> str:
    """The whole report as GitHub-flavoured Markdown."""
    return _TEMPLATE.render(
        report=report,
        answer=report.causes[0],
        proofs=wording.evidence_for(report, report.causes[0]),
        others=wording.other_findings(report),
        wording=wording,
        limits=_LIMITS,
        hint=_hint(report),
    )


def _hint(report: Report) -> str:
    """The command that shows the first proof."""
    for finding in (*wording.evidence_for(report, report.causes[0]), *report.findings):
        for proof in finding.evidence:
            return f"wsdiag show {shlex.quote(wording.flat(report.pointer(proof)))} -C 3"
    return ""


def _name(text: str) -> _Markdown:
    return _Markdown(prose.code(wording.cut(wording.flat(text), NAME_WIDTH)))


def _pointer(proof: Evidence, report: Report) -> _Markdown:
    return _name(report.pointer(proof))


def _proof(proof: Evidence, report: Report) -> _Markdown:
    excerpt = prose.code(wording.cut(wording.flat(proof.excerpt), EXCERPT_WIDTH))
    parts = (_pointer(proof, report), wording.moment(proof, report.pointer(proof)), excerpt)
    return _Markdown(" ".join(part for part in parts if part))


def _own(text: str, report: Report) -> _Markdown:
    """Our own Markdown. The names and messages that it quotes come from evidence."""
    for item in report.inputs:
        text = text.replace(f"`{item.source}`", prose.code(item.source))
    for finding in report.findings:
        text = text.replace(finding.message, prose.inert(finding.message))
    return _Markdown(prose.own(text))


def _under(text: str, report: Report) -> _Markdown:
    """Our own Markdown as what follows "1. Label:" in a list."""
    first, *rest = _own(text, report).splitlines() or [""]
    lines = [first, *rest] if prose.opens_block(first) else rest
    indented = "".join(f"\n   {line}" if line else "\n" for line in lines)
    return _Markdown(indented if prose.opens_block(first) else f" {first}{indented}")


def _finalise(value: object) -> object:
    return prose.inert(value) if isinstance(value, str) and type(value) is not _Markdown else value


def _cell(value: str, width: int = WHY_WIDTH) -> _Markdown:
    shown = value if isinstance(value, _Markdown) else prose.inert(wording.cut(value, width))
    return _Markdown(prose.cell(shown) or " ")


def _first_sentence(text: str, report: Report) -> _Markdown:
    paragraph = next((piece for kind, piece in prose.blocks(text) if kind == "text"), "")
    return _own(re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0], report)


_LIMITS = {
    "findings": MAX_FINDINGS,
    "pointers": MAX_POINTERS,
    "others": MAX_OTHERS,
    "inputs": MAX_INPUTS,
    "redactions": MAX_REDACTIONS,
}
# HTML escaping does not fit Markdown; `finalize` makes every text inert that no filter vouched for.
_ENVIRONMENT = Environment(  # noqa: S701
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    finalize=_finalise,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters.update(
    own=_own,
    under=_under,
    code=lambda text: _Markdown(prose.code(text)),
    cell=_cell,
    first_sentence=_first_sentence,
    name=_name,
    pointer=_pointer,
    proof=_proof,
)
_TEMPLATE = _ENVIRONMENT.get_template("report.md.j2")
