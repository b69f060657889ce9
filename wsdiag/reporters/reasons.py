"""Why a review says something: the reason and how sure it is, its proofs, what is against it."""

from __future__ import annotations

from wsdiag.advice import Proof
from wsdiag.reporters.nodes import Node, Span, item, words
from wsdiag.reporters.wording import cut, flat

MAX_PROOFS, MAX_ROWS, WHY_WIDTH, EXCERPT_WIDTH = 2, 12, 300, 160


def told_of(text: str) -> tuple[Span, ...]:
    return words(cut(flat(text), WHY_WIDTH))


def why(text: str, confidence: float, depth: int) -> Node:
    sure = (Span(f" (confidence {confidence:.2f})"),) if confidence else ()
    return item(*told_of(text), *sure, depth=depth)


def against(reasons: list[str], depth: int) -> list[Node]:
    return [item(Span("against it: "), *told_of(reason), depth=depth) for reason in reasons]


def proofs(found: list[Proof], depth: int) -> list[Node]:
    nodes = []
    for proof in found[:MAX_PROOFS]:
        excerpt = cut(flat(proof.excerpt), EXCERPT_WIDTH)
        parts = [*words(proof.pointer, "code"), *words(excerpt, "code")]
        spaced = [piece for part in parts for piece in (Span(" "), part)]
        nodes.append(item(*spaced[1:], depth=depth))
    return nodes


def pointer(found: list[Proof]) -> tuple[Span, ...]:
    return (Span(" "), *words(found[0].pointer, "code")) if found else ()
