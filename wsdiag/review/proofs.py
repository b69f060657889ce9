"""Proof pointers for the numbers of a review."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from wsdiag.advice import Proof
from wsdiag.report import pointer

FEW = 3


def proofs(rows: pl.DataFrame, formats: Mapping[str, str], most: int = FEW) -> list[Proof]:
    """The first few places of rows with `source` and `pos`."""
    return [
        proof(source, pos, formats)
        for source, pos in rows.select("source", "pos").head(most).iter_rows()
    ]


def proof(source: str, pos: int, formats: Mapping[str, str]) -> Proof:
    """One place; its excerpt is fetched when the review is told."""
    return Proof(source=source, pos=pos, pointer=pointer(source, pos, formats.get(source, "")))
