"""The proofs of a review, each with the evidence's own words, redacted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from wsdiag import sources
from wsdiag.account import EXCERPT_CHARACTERS
from wsdiag.advice import Answers, Proof
from wsdiag.contents import Notebook
from wsdiag.gather import Gathered
from wsdiag.redact import Redactor


def advised(
    answers: Answers, gathered: Gathered, redactor: Redactor, notebook: Notebook
) -> dict[str, Any]:
    """The answers of a review as its fields, each proof with its excerpt."""
    told: dict[str, Any] = msgspec.structs.asdict(answers)
    wanted: dict[str, set[int]] = {}
    for proof in _proofs(told):
        wanted.setdefault(proof.source, set()).add(proof.pos)
    found: dict[tuple[str, int], str] = {}
    for item in gathered.inputs:
        source = sources.choose(item) if item.name in wanted else None
        if source is not None:
            for pos, text in source.excerpt(item, sorted(wanted[item.name])).items():
                found[item.name, pos] = redactor.mask(text)[:EXCERPT_CHARACTERS].strip()
    redactor.counts.update(notebook.redactions)
    return {name: _with_excerpts(value, found) for name, value in told.items()}


def _proofs(value: object) -> Iterator[Proof]:
    if isinstance(value, Proof):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _proofs(inner)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _proofs(getattr(value, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _proofs(inner)


def _with_excerpts(value: Any, found: dict[tuple[str, int], str]) -> Any:
    if isinstance(value, Proof):
        excerpt = found.get((value.source, value.pos), "")
        return msgspec.structs.replace(value, excerpt=excerpt)
    if isinstance(value, list):
        return [_with_excerpts(inner, found) for inner in value]
    if isinstance(value, msgspec.Struct):
        parts = {name: getattr(value, name) for name in value.__struct_fields__}
        told = {name: _with_excerpts(part, found) for name, part in parts.items()}
        return msgspec.structs.replace(value, **told)
    return value
